from __future__ import annotations

import pytest

from recipeline.artifacts import VERDICT
from recipeline.reports.cards.register import make_card
from tests.reports.cards.helpers import Saved, notes
from tests.reports.helpers import Chains, text_of

pytestmark = pytest.mark.xdist_group("cards")


def test_the_version_has_the_model_card_as_its_description(chains: Chains) -> None:
    version = chains.project.client.get_model_version("SmallModel", "1")
    assert version.description == (chains.cards["promoted", "register"].parent / "model_card.md").read_text(encoding="utf-8")
    assert "## Limits" in version.description
    assert "Ethical considerations" in text_of(chains, "promoted", "register")


def test_what_fails_a_gate_is_not_registered_and_the_card_says_why() -> None:
    criterion = {"metric": "mae", "value": 0.5, "rule": "at most", "threshold": 0.01, "passed": False}
    verdict = {"verdict": "REJECTED", "candidate": "Tree", "criteria": [criterion]}
    card = make_card(Saved({VERDICT: verdict}))
    assert (card.title, card.tone) == ("register: not registered", "bad")
    assert card.verdict == "Tree fails a gate of the recipe."
    assert notes(card) == ["mae must be at most 0.01. Got 0.5 instead."]
