from __future__ import annotations

from typing import Any

import pytest

from recipeline.config.rules import Cost, Decision
from recipeline.data.results import LeakAudit
from recipeline.evaluation.results import Best, Metrics
from recipeline.metrics.catalogue import metrics_of
from recipeline.monitoring.results import DriftReport
from recipeline.promotion.results import Evidence
from recipeline.reports.summary import (
    QUOTED,
    WIDTH,
    WITHOUT_TWINS,
    describe_decision,
    describe_monitoring,
    explain_cache,
    explain_evidence,
    explain_split,
    tabulate_candidates,
)
from recipeline.training.decision import explain_decision
from tests.records import some


def scores(r2: float, cv: float) -> dict[str, float]:
    return {"r2": r2, "rmse": 0.6, "mae": 0.5, "cv_mean_score": cv, "cv_std": 0.01}


METRICS: dict[str, Any] = {
    "best": {"candidate": "Tree"},
    "candidates": {"Linear": scores(0.3, 0.25), "Tree": scores(0.35, 0.41), "Forest": scores(0.4, 0.4)},
    "leaks": None,
    "random_split_r2": None,
}
QUOTED_R2 = {"Linear": 0.33, "Tree": 0.55, "Forest": 0.61234}
LEAKS = {
    "leaked_rows": 70,
    "r2_with_twin": {"Linear": 0.3, "Tree": 0.9, "Forest": 0.9},
    "r2_without_twin": {"Linear": 0.29, "Tree": None, "Forest": 0.38},
}
AUDIT: dict[str, Any] = {
    "method": "grouped",
    "train_rows": 800,
    "test_rows": 200,
    "leaked_rows": 0,
    "near_rows": 0,
    "warnings": [],
    "random_split": {"leaked_rows": 60, "test_rows": 210},
}


def metrics(**changes: Any) -> Metrics:
    return some(Metrics, METRICS | changes)


def audit(**changes: Any) -> LeakAudit:
    return some(LeakAudit, AUDIT | changes)


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line.startswith("│")]


def test_the_candidates_are_tabulated_highest_test_r2_first_with_the_best_marked() -> None:
    assert cells(tabulate_candidates(metrics())) == [
        ["candidate", "test R2", "RMSE", "MAE", "CV R2", "± std"],
        ["Forest", "0.4000", "0.6000", "0.5000", "0.4000", "0.0100"],
        ["Tree ◀", "0.3500", "0.6000", "0.5000", "0.4100", "0.0100"],
        ["Linear", "0.3000", "0.6000", "0.5000", "0.2500", "0.0100"],
    ]


def test_a_grouped_split_is_shown_beside_what_a_random_one_would_say() -> None:
    table = cells(tabulate_candidates(metrics(random_split_r2=QUOTED_R2)))
    assert [row[-1] for row in table] == [QUOTED, "0.6123", "0.5500", "0.3300"]


def test_a_random_split_is_shown_beside_the_rows_without_twins_also_where_r2_is_not_defined() -> None:
    table = cells(tabulate_candidates(metrics(leaks=LEAKS)))
    assert [row[-1] for row in table] == [WITHOUT_TWINS, "0.3800", "not defined", "0.2900"]


def test_a_split_without_leaks_is_one_line() -> None:
    assert explain_split(audit(), metrics()) == [
        "Split: grouped, 800 training and 200 test rows; 0 test rows have a twin in training."
    ]


def test_leaks_are_told_with_what_they_are_worth_to_the_best() -> None:
    best = metrics(leaks=LEAKS, best={"candidate": "Forest"})
    _, line = explain_split(audit(leaked_rows=70), best)
    assert line.startswith("R2 of Forest on those 70 rows is 0.9000, on the others 0.3800:")
    _, line = explain_split(audit(leaked_rows=70), metrics(leaks=LEAKS))
    assert line.endswith("on the others not defined.")


def test_the_figure_that_is_usually_quoted_comes_with_its_leaks() -> None:
    _, line = explain_split(audit(), metrics(random_split_r2=QUOTED_R2))
    assert line.startswith("* ")
    assert "60 of 210 test rows have a twin in training" in line


def test_what_was_reused_is_listed_and_each_other_step_has_its_reason() -> None:
    assert explain_cache(["ingest", "split"], {"train": "cv.folds 5 → 3"}) == [
        "Reused: ingest, split.",
        "Run: train: cv.folds 5 → 3",
    ]
    assert explain_cache([], {}) == ["Reused: none."]


def test_the_evidence_of_a_promotion_is_told_with_its_interval_and_guard_rails() -> None:
    rails = [
        {"name": "MAE change", "value": -0.0123, "limit": 0.02},
        {"name": "MAE change of low grades", "value": None, "limit": None},
        {"name": "single-row latency in ms", "value": 9.5, "limit": None},
    ]
    evidence = {"interval_90": [0.011, 0.044], "repeats": 3, "seed": 42, "guard_rails": rails}
    (line,) = explain_evidence(some(Evidence, evidence), "regression")
    assert "90 % interval +0.0110 to +0.0440; 3 repeats, seed 42;" in line
    assert line.endswith("MAE change -0.0123 (limit 0.02); single-row latency in ms 9.5.")
    assert explain_evidence(None, "regression") == []
    found = explain_evidence(some(Evidence, evidence | {"shadow": {"champion": "1", "challenger": "2"}}), "regression")
    assert found[0] == line
    assert found[1].startswith("  Version 2 in shadow beside version 1: 0 rows predicted by both")
    assert found[-1] == "  The shadow decides nothing."


def test_what_monitoring_found_is_a_table_a_verdict_and_its_reasons() -> None:
    spread = {"psi": 0.3, "wasserstein": 0.5, "missing": 0.0, "unseen": None}
    finding = {"rule": "psi", "subject": "pH", "verdict": "drift", "value": 0.3, "limits": {"warn": 0.1, "drift": 0.2}}
    newest = {
        "rows": 500,
        "verdict": "drift",
        "features": {"pH": spread},
        "prediction": None,
        "findings": [finding],
        "known_share": 0.0,
        "performance": {"error": 0.51234, "rows": 40},
    }
    windows = [{"verdict": "ok"}, {"verdict": "drift"}]
    report = {"newest": newest, "labels": None, "windows": windows, "left_out": 3, "model": {"version": "2"}}
    table, *lines = describe_monitoring(some(DriftReport, report))
    assert cells(table)[1] == ["pH", "0.300", "0.500", "0.000", ""]
    assert lines == [
        "2 windows: 1 ok, 1 drift.",
        "Warning: 3 lines left out: truncated, with too many or few fields, invalid values or a future time.",
        "Labelled: MAE 0.5123 on 40 rows.",
        "DRIFT: 500 rows differ from the training rows of version 2: pH.",
        "  drift: pH: PSI 0.300 (warn 0.1, drift 0.2)",
    ]


def test_what_is_wrong_with_the_split_is_told() -> None:
    assert explain_split(audit(warnings=["Groups are large."]), metrics())[1] == "Warning: Groups are large."


def test_of_classes_the_decision_is_told_with_what_it_is_judged_by() -> None:
    labels = [{"label": False, "rows": 90}, {"label": True, "rows": 10}]
    decisions = {"labels": labels, "threshold": 0.131, "rule": "stated in the recipe", "measure": "cost per row", "value": 0.25}
    best = some(Best, {"candidate": "Tree", "decisions": decisions})
    first, second = describe_decision(best)
    assert first == "Cost per row 0.2500 at the threshold 0.131 for true,"
    assert second == "which is stated in the recipe."
    many = some(Best, {"decisions": {"labels": [*labels, {"label": 3}], "measure": "F1", "value": 0.5}})
    assert describe_decision(many) == ["F1 0.5000: the likeliest label is decided."]
    assert describe_decision(some(Best, {"candidate": "Tree"})) == []


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_no_line_on_classes_is_wider_than_a_terminal(task: str) -> None:
    found = {**dict.fromkeys((it.name for it in metrics_of(task)), -0.12345), "cv_mean_score": -0.12, "cv_std": 0.01}
    names = ["HistGradientBoosting", "A Mean Of Many Members", "Logistic"]
    text = tabulate_candidates(
        metrics(
            task=task,
            best={"candidate": names[0]},
            candidates=dict.fromkeys(names, found),
            random_split_r2=dict.fromkeys(names, -0.1),
        )
    )
    assert max(map(len, text.splitlines())) <= WIDTH
    for decision in (Decision(cost=Cost(fp=0.25, fn=12.5)), Decision(recall=0.95), Decision(metric="balanced_accuracy")):
        decisions = {
            "labels": [{"label": "negative"}, {"label": "a positive label"}],
            "threshold": 0.131,
            "rule": explain_decision(decision),
            "measure": "balanced accuracy",
            "value": 0.25,
        }
        lines = describe_decision(some(Best, {"candidate": "Tree", "decisions": decisions}))
        assert max(len(f"  {line}") for line in lines) <= WIDTH
