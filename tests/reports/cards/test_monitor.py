from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression

from recipeline.artifacts import BASELINE, DRIFT_REPORT
from recipeline.monitoring.drift import summarise_window
from recipeline.monitoring.results import Compared, DriftReport, Monitored, ShadowCompared
from recipeline.monitoring.verdict import DRIFT, OK, TOO_SMALL, WARN
from recipeline.reports.cards.monitor import make_card, name_drifted
from recipeline.reports.page import render
from tests.monitoring.helpers import class_world
from tests.records import some
from tests.reports.cards.helpers import Saved, facts, notes, table, titles
from tests.reports.helpers import NASTY, Chains, text_of

pytestmark = pytest.mark.xdist_group("cards")


def test_the_card_of_monitor_has_the_figures_of_the_report_and_names_what_has_drifted(chains: Chains) -> None:
    text = text_of(chains, "monitor", "monitor")
    found = json.loads((chains.cards["monitor", "monitor"].parent / "drift.json").read_text(encoding="utf-8"))
    for title in ("Rows", "Findings", "Population stability", "Distributions", "Errors", "Windows"):
        assert f"<h2>{title}</h2>" in text
    assert f'data-value="{found["newest"]["features"]["alcohol"]["psi"]}"' in text
    assert "alcohol" in text.split('class="verdict"')[1].split("</p>")[0]
    assert NASTY not in text


def without(saved: Saved, report: DriftReport) -> Saved:
    """Return the same results without a challenger in shadow."""
    found = Saved({DRIFT_REPORT: replace(report, shadow=None), BASELINE: saved.load(BASELINE)})
    found.recipe = saved.recipe
    return found


def test_whether_a_column_has_drifted_is_asked_and_answered_by_the_findings() -> None:
    psi = {"rule": "psi", "verdict": DRIFT}
    found = [{**psi, "subject": name} for name in "abcde"]
    others = [{"rule": "missing", "verdict": DRIFT, "subject": "m"}, {"rule": "psi", "verdict": WARN, "subject": "w"}]
    for findings, verdict, answer in (
        ([], OK, "None that is significantly beyond the limit"),
        (others, DRIFT, "None that is significantly beyond the limit"),
        ([], TOO_SMALL, "Too few rows to tell"),
        ([*others, *found[:2]], DRIFT, "Yes: a, b"),
        (found, DRIFT, "Yes: a, b, c and 2 more"),
    ):
        newest = some(Compared, {"verdict": verdict, "findings": findings})
        assert name_drifted(newest) == f"Has a column drifted? {answer}"


@pytest.mark.parametrize("kind", ["two", "five"])
def test_the_card_of_classes_has_their_scores_calibration_and_coverage(kind: str) -> None:
    world = class_world(kind, LogisticRegression(), rows=400)
    found = world.look(0, lambda rows, _: rows.assign(a=rows["a"] + 1), labels=True, rows=300)
    summary = summarise_window(found, None, is_complete=True)
    model = Monitored("T", "3", 400, world.recipe.task)
    report = DriftReport(model, "live.csv", 300, 0, None, found.verdict, (summary, summary), found)
    shadow = ShadowCompared("3", "4", 200, {"refused": 7}, 0.05, {"yes": 0.01}, (0.0, 0.1, 0.2, 0.3), 0.9, None)
    report = replace(report, shadow=shadow)
    saved = Saved({DRIFT_REPORT: report, BASELINE: world.baseline})
    saved.recipe = world.recipe
    card = make_card(saved)
    values = {row["difference of the predictions"]: row["value"] for row in table(card, "Challenger in shadow")}
    assert values["mean absolute difference"] == 0.05
    assert values["largest"] == 0.3
    assert any("The same decided label for 90.0% of them." in note and "7 refused" in note for note in notes(card))
    assert "Challenger in shadow" not in titles(make_card(without(saved, report)))
    assert {"Errors", "Calibration", "Coverage", "Windows"} <= {*titles(card)}
    assert found.performance
    assert found.performance.calibration
    assert found.performance.coverage
    scores = {row["metric"]: row["labelled rows, now"] for row in table(card, "Errors")}
    assert scores["ROC AUC"] == found.performance.scores["roc_auc"]
    assert {row["label"]: row["share now"] for row in table(card, "Calibration")} == {
        label: it.observed for label, it in found.performance.calibration.items()
    }
    assert facts(card)["Covered labelled rows"] == found.performance.coverage.share
    assert "Brier score" in table(card, "Windows")[0]
    page = render(card)
    text = " ".join(re.sub(r"<[^>]+>", " ", page.html).split())
    assert "Has a column drifted? Yes: a" in text
    assert "When did it begin? In window 1" in text
    assert "Distribution of predicted labels" in page.html
    assert page.failures == []
