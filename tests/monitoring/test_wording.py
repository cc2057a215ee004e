from __future__ import annotations

import re
from typing import Any

import pytest

from recipeline.monitoring.drift import compare
from recipeline.monitoring.results import Compared, Coverage, DriftReport, Errors, Finding, WarnAndDrift
from recipeline.monitoring.sample import Live
from recipeline.monitoring.wording import describe_finding, describe_labelled, explain_drift, explain_known, name_verdict
from tests.monitoring.helpers import World
from tests.monitoring.test_drift import shifted
from tests.records import some


def test_findings_and_verdicts_are_said_in_words(world: World) -> None:
    found = world.look(0, shifted(1))
    report = some(DriftReport, {"newest": found, "model": {"version": "3"}})
    assert explain_drift(report).startswith("500 rows differ from the training rows of version 3: alcohol")
    lines = [describe_finding(finding) for finding in found.findings]
    assert any(line.startswith("  drift: alcohol: PSI ") and line.endswith("(warn 0.1, drift 0.2)") for line in lines)
    few, alike = (some(DriftReport, {"newest": it}) for it in (world.look(0, rows=50), world.look(1)))
    assert explain_drift(few) == "50 rows are too few for a verdict."
    assert "like the training rows" in explain_drift(alike)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1000, "No window of 1,000 rows is full, there are 60: there is no verdict."),
        (0, "No complete window has rows: there is no verdict."),
    ],
)
def test_that_nothing_was_judged_is_said_and_why(world: World, size: int, words: str) -> None:
    empty = compare(Live(world.features, world.baseline, seed=0), world.reference, world.recipe.monitoring, world.recipe, {})
    report = some(DriftReport, {"newest": empty, "rows": 60, "window_rows": size})
    assert explain_drift(report).startswith(words)
    assert (name_verdict(empty), name_verdict(world.look(0, rows=50))) == ("NOT JUDGED", "TOO SMALL")


@pytest.mark.parametrize(("verdict", "words"), [("drift", "the column is missing"), ("warn", "a new column")])
def test_columns_that_are_missing_or_new_are_findings_also_of_few_rows(world: World, verdict: Any, words: str) -> None:
    live = Live(world.features, world.baseline, seed=0)
    live.add(world.later[list(world.recipe.features)].head(3).to_numpy(dtype=float))
    found = compare(live, world.reference, world.recipe.monitoring, world.recipe, {"colour": verdict})
    assert found.verdict == verdict
    assert describe_finding(found.findings[0]) == f"  {verdict}: colour: {words}"


@pytest.mark.parametrize(("share", "words"), [(0.0, ""), (0.009, ""), (0.5, "50.0% of the rows are training rows")])
def test_rows_that_were_learned_from_are_mentioned_where_there_are_some(share: float, words: str) -> None:
    found = explain_known(some(Compared, {"known_share": share}))
    assert found.startswith(words)
    assert bool(found) == bool(words)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("missing", "12.3% more missing than in training"),
        ("mae_increase", "MAE 12.3% higher than out of fold"),
        ("domain_auc", "separated from the training rows with an AUC of 0.123"),
    ],
)
def test_a_finding_is_said_in_the_measure_of_its_rule(rule: str, words: str) -> None:
    finding = Finding(rule, "a", 0.1234, WarnAndDrift(0.1, 0.2), "warn", None)
    assert describe_finding(finding) == f"  warn: a: {words} (warn 0.1, drift 0.2)"


@pytest.mark.parametrize(
    ("rule", "words"), [("wasserstein", "1.23e+28 standard deviations"), ("mae_increase", "1.23e+30% higher")]
)
def test_a_huge_measure_is_said_in_a_few_digits(rule: str, words: str) -> None:
    line = describe_finding(Finding(rule, "a", 1.2345e28, WarnAndDrift(0.2, 0.4), "drift", None))
    assert words in line
    assert re.search(r"\d{4}", line) is None


def test_labelled_rows_are_said_with_their_error_and_with_the_coverage_where_one_is_stated() -> None:
    errors = some(Errors, {"rows": 1200, "error": 0.25})
    assert describe_labelled(errors, "binary") == "Labelled: Brier score 0.2500 on 1,200 rows."
    covered = some(Errors, {"rows": 1200, "error": 0.25, "coverage": Coverage(0.9, 1200, 900)})
    assert describe_labelled(covered, "regression") == (
        "Labelled: MAE 0.2500 on 1,200 rows. 75.0% of 1,200 are inside of their prediction interval, whose level is 90%."
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("loss_increase", "Brier score 12.0% higher than out of fold"),
        ("calibration", "observed share 0.120 standard deviations further from the mean probability"),
        ("coverage", "interval or prediction set covers 12.0 percentage points less than its level"),
    ],
)
def test_findings_on_labels_are_said_in_words(rule: str, words: str) -> None:
    found = Finding(rule, "labels", 0.12, WarnAndDrift(0.1, 0.2), "warn", 0.001)
    assert describe_finding(found).startswith(f"  warn: labels: {words}")
