from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from recipeline.reports import page
from recipeline.reports.blocks import Block, Card, Facts, Note, Section
from tests.conftest import ROOT


@pytest.mark.parametrize("kind", get_args(Block), ids=lambda kind: kind.__name__)
def test_every_kind_of_block_has_its_place_in_the_page(kind: type) -> None:
    template = (Path(page.__file__).parent / "page.html.jinja").read_text(encoding="utf-8")
    assert f'"{kind.__name__}"' in template


def test_a_card_is_plain_values_that_can_be_compared_and_not_changed() -> None:
    card = Card("title", "verdict", [Section("part", [Facts({"a": 1.5})])])
    assert card == Card("title", "verdict", [Section("part", [Facts({"a": 1.5})])])
    assert (card.tone, card.notes, Note("a").tone) == ("plain", (), "plain")
    with pytest.raises(AttributeError):
        card.title = "other"


def test_a_card_is_described_without_importing_what_draws_it() -> None:
    code = "import sys, recipeline.reports.blocks; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
