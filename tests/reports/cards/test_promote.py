from __future__ import annotations

from typing import Any

import pytest
from matplotlib.colors import to_hex

from recipeline.artifacts import DECISION
from recipeline.reports.blocks import Card, Plot, Table
from recipeline.reports.cards.promote import make_card
from recipeline.reports.style import GREEN
from tests.reports.cards.helpers import Saved, facts, notes, table, titles

RAIL = {"name": "MAE change", "value": 0.01, "limit": None, "passed": True, "note": ""}
EVIDENCE = {
    "gain": 0.03,
    "interval_90": [0.01, 0.05],
    "level": 0.975,
    "lower": 0.004,
    "needed": 0.0,
    "champion": "1",
    "scores": {"r2": {"challenger": 0.43, "champion": 0.4}, "mae": {"challenger": 0.5, "champion": 0.49}},
    "rows": 300,
    "repeats": 3,
    "seed": 42,
    "candidates": 3,
    "attempt": 1,
    "guard_rails": [RAIL],
}


def card(outcome: str, evidence: Any, *, passed: bool = True, source: str = "file") -> Card:
    decision = {"outcome": outcome, "rule": "recipe", "policy": "auto", "reason": "it is better", "version": "2"}
    return make_card(Saved({DECISION: decision | {"evidence": evidence, "passed": passed}}, data_source=source))


def test_a_promotion_is_told_with_its_reason_and_its_evidence() -> None:
    found = card("promoted", EVIDENCE)
    assert (found.title, found.verdict, found.tone) == ("promote: version 2 promoted", "It is better.", "good")
    values = {row["what"]: row["value"] for row in table(found, "Challenger against champion")}
    assert values["gain in R2"] == 0.03
    assert values["lower limit at 97.5%"] == 0.004
    (rail,) = table(found, "Guard rails")
    assert (rail["limit"], rail["of"]) == ("no limit", "all rows")


SHADOW = {"champion": "1", "challenger": "2", "rows": 60, "missed": {"dropped": 3}, "absolute": 0.25, "run_id": "abc"}
SHADOW |= {"differences": {"prediction": -0.125}, "quantiles": [0.25, 0.5, 0.75, 1.0], "agreed": None}
SHADOW |= {"labelled": {"rows": 40, "known": 0, "distinct": 30, "unit": "distinct rows", "champion": 0.5, "challenger": 0.4}}
SHADOW["labelled"] |= {"gain": 0.1, "interval_95": [0.05, 0.15]}


def test_the_comparison_in_shadow_is_named_and_decides_nothing() -> None:
    found = card("kept", EVIDENCE | {"shadow": SHADOW}, passed=False)
    assert "In shadow on live rows" in titles(found)
    (told,) = [note for note in notes(found) if "in shadow" in note]
    assert told.startswith(
        "Version 2 in shadow beside version 1: 60 rows predicted by both; without its prediction: 3 dropped."
    )
    assert "mean difference -0.125" in told
    assert "MAE 0.5000 of the champion, 0.4000 of the challenger; less by +0.1 (95 % interval +0.05 to +0.15)." in told
    assert told.endswith("This decides nothing.")
    assert facts(found)["Run of monitor"] == "abc"
    assert "In shadow on live rows" not in titles(card("kept", EVIDENCE))


def test_a_version_that_was_kept_out_did_not_pass() -> None:
    found = card("kept", EVIDENCE, passed=False)
    assert found.tone == "plain"
    assert facts(found)["The gate"] == "not passed"


def test_a_decision_that_needed_no_evidence_says_so() -> None:
    found = card("kept", None)
    assert notes(found) == ["This decision needed no measurement."]
    assert facts(found)["The gate"] == "not asked"
    assert "Guard rails" not in titles(found)


def drawn(found: Card) -> Any:
    (section,) = (it for it in found.sections if it.title == "Challenger against champion")
    (plot,) = (it for it in section.blocks if isinstance(it, Plot))
    return plot.draw()


def test_all_metrics_of_both_are_told_with_the_direction_of_the_change() -> None:
    (section,) = (it for it in card("promoted", EVIDENCE).sections if it.title == "Challenger against champion")
    (metrics,) = (it for it in section.blocks if isinstance(it, Table))
    assert metrics.columns[1:3] == ["version 1", "challenger"]
    assert {row[0]: (row[1], row[2], row[4]) for row in metrics.rows} == {
        "R2": (0.4, 0.43, "better"),
        "MAE": (0.49, 0.5, "worse"),
    }


def test_what_synthetic_rows_promote_is_neither_good_nor_green() -> None:
    found = card("promoted", EVIDENCE, source="synthetic")
    assert found.tone == "plain"
    assert notes(found) == ["The rows are SYNTHETIC: the gain does not apply to real rows."]
    axes = drawn(found).axes[0]
    assert "the gate: passed, on synthetic rows" in [text.get_text() for text in axes.texts]
    assert GREEN not in [to_hex(patch.get_facecolor()) for patch in axes.patches]


@pytest.mark.parametrize(
    ("changes", "passed", "answer"),
    [
        ({}, True, "Is the challenger better than version 1? Yes: even the lower limit +0.0040 is above 0"),
        ({}, False, "is above 0; but another condition does not hold"),
        ({"guard_rails": [RAIL | {"passed": False}]}, False, "is above 0; but the limit of MAE change does not hold"),
        ({"lower": -0.001}, False, "better than version 1? Not shown: the lower limit -0.0010 is not above 0"),
        ({"lower": 0.0}, False, "Not shown"),
        ({"champion": "mean predictor"}, True, "better than the mean predictor? Yes"),
        (
            {"needed": -0.01, "lower": -0.004},
            True,
            "no worse than version 1, by 0.01 at most? Yes: even the lower limit -0.0040",
        ),
    ],
)
def test_the_picture_of_the_gate_has_the_question_and_its_answer(changes: Any, passed: bool, answer: str) -> None:
    (title,) = drawn(card("promoted" if passed else "kept", EVIDENCE | changes, passed=passed)).texts
    assert answer in " ".join(title.get_text().split())
