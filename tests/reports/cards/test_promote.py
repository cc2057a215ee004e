from __future__ import annotations

from typing import Any

from recipeline.artifacts import DECISION
from recipeline.reports.blocks import Card
from recipeline.reports.cards.promote import make_card
from tests.reports.cards.helpers import Saved, facts, notes, table, titles

RAIL = {"name": "MAE change", "value": 0.01, "limit": None, "passed": True, "note": ""}
EVIDENCE = {
    "gain": 0.03,
    "interval_90": [0.01, 0.05],
    "level": 0.975,
    "lower": 0.004,
    "needed": 0.0,
    "champion": "version 1",
    "rows": 300,
    "repeats": 3,
    "seed": 42,
    "candidates": 3,
    "attempt": 1,
    "guard_rails": [RAIL],
}


def card(outcome: str, evidence: Any, *, passed: bool = True) -> Card:
    decision = {"outcome": outcome, "rule": "recipe", "policy": "auto", "reason": "it is better", "version": "2"}
    return make_card(Saved({DECISION: decision | {"evidence": evidence, "passed": passed}}))


def test_a_promotion_is_told_with_its_reason_and_its_evidence() -> None:
    found = card("promoted", EVIDENCE)
    assert (found.title, found.verdict, found.tone) == ("promote: version 2 promoted", "it is better.", "good")
    values = {row["what"]: row["value"] for row in table(found, "Challenger against champion")}
    assert values["gain in R2"] == 0.03
    assert values["lower limit at 97.5%"] == 0.004
    (rail,) = table(found, "Guard rails")
    assert (rail["limit"], rail["of"]) == ("no limit", "all rows")


def test_a_version_that_was_kept_out_did_not_pass() -> None:
    found = card("kept", EVIDENCE, passed=False)
    assert found.tone == "plain"
    assert facts(found)["The gate"] == "not passed"


def test_a_decision_that_needed_no_evidence_says_so() -> None:
    found = card("kept", None)
    assert notes(found) == ["This decision needed no measurement."]
    assert facts(found)["The gate"] == "not asked"
    assert "Guard rails" not in titles(found)
