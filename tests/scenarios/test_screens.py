"""Every page in a browser: nothing is cut off, and cards are linked."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.artifacts import ORDER
from tests.browser import needs_chromium
from tests.screens import CLASSES, DOCS, VIEWS, take_all


@pytest.mark.full
@needs_chromium
@pytest.mark.xdist_group("screens")
def test_nothing_is_cut_off_on_any_page_and_cards_lead_to_each_other_inside_mlflow(tmp_path: Path) -> None:
    target = tmp_path / "pictures"
    target.mkdir()
    assert take_all(tmp_path, target) == []
    names = [f"{place}-{step}" for step in ("main", *ORDER) for place in ("card", "mlflow-card")]
    names += [f"card-{step}" for step in ("report", "monitor")]
    names += [f"card-{table}-{step}" for table in CLASSES for step in ("main", *ORDER, "report", "monitor")]
    docs = ["docs-index"] if DOCS.is_dir() else []
    for name in (*names, "notebook", "playground", *docs):
        for width in VIEWS:
            assert (target / f"{name}-{width}.png").read_bytes().startswith(b"\x89PNG")
