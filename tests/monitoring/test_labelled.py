"""Labelled rows of classes: quiet without a change, found by its rule with one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from recipeline.inference.prediction_set import fit_set
from recipeline.monitoring import drift
from recipeline.monitoring.labelled import _test_coverage, _test_means
from recipeline.monitoring.results import Compared, Coverage
from tests.monitoring.helpers import World, class_world, draw_classes

WINDOWS = 60


@pytest.fixture(autouse=True)
def _no_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of labels and columns alone: the classifier has its own tests."""
    monkeypatch.setattr(drift, "measure_domain", lambda *_, **__: None)


@pytest.fixture(scope="module", params=["two", "rare", "five"])
def classes(request: pytest.FixtureRequest) -> tuple[str, World]:
    return request.param, class_world(request.param, LogisticRegression())


def shifted(kind: str, by: float, rows: int = 500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows, and the same rows where one label is likelier."""
    return draw_classes(kind, rows, 9), draw_classes(kind, rows, 9, shift=by)


def rules(found: Compared) -> set[str]:
    return {it.rule for it in found.findings}


# --- streams -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "windows", [pytest.param(8, id="8 windows"), pytest.param(WINDOWS, id="60 windows", marks=pytest.mark.full)]
)
def test_of_labelled_windows_of_classes_without_drift_at_most_one_in_twenty_is_an_alarm(
    classes: tuple[str, World], windows: int
) -> None:
    assert windows - classes[1].verdicts(windows, labels=True)["ok"] <= max(1, 0.05 * windows)


@pytest.mark.parametrize("windows", [pytest.param(4, id="4"), pytest.param(WINDOWS, id="60", marks=pytest.mark.full)])
@pytest.mark.parametrize("kind", ["two", "rare", "five"])
def test_neither_is_one_of_a_table_of_few_levels_and_a_forest(kind: str, windows: int) -> None:
    world = class_world(kind, RandomForestClassifier(30, random_state=0), is_coarse=True)
    assert windows - world.verdicts(windows, labels=True)["ok"] <= max(1, 0.05 * windows)


def test_a_label_that_became_likelier_is_found_by_calibration_and_only_with_labels(classes: tuple[str, World]) -> None:
    kind, world = classes
    before, after = shifted(kind, 1.5, rows=1500)
    moved = before.assign(y=after["y"])
    assert (moved[list("abcd")] == before[list("abcd")]).all(axis=None)

    def look(*, labels: bool) -> Counter[tuple[str, str, str]]:
        found = world.look(0, lambda rows, _: moved.head(len(rows)), labels=labels, rows=1500)
        return Counter((it.rule, it.subject, it.verdict) for it in found.findings)

    assert look(labels=False) == Counter()
    label = {"two": "yes", "rare": "yes", "five": "v"}[kind]
    assert look(labels=True)["calibration", f"label {label}", "drift"] == 1


def test_labels_that_became_noise_raise_the_loss_and_leave_the_prediction_set(classes: tuple[str, World]) -> None:
    def noise(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        return rows.assign(y=random.permutation(rows["y"].to_numpy()))

    kind, world = classes
    found = world.look(0, noise, labels=True, rows=2000)
    # Of a rare label, which the model seldom says, there is little to lose.
    assert rules(found) == (set() if kind == "rare" else {"loss_increase", "coverage"})
    performance = found.performance
    assert performance
    assert performance.error > world.baseline.errors.error
    assert performance.interval_95
    low, high = performance.interval_95["brier_skill"]
    assert low <= float(performance.scores["brier_skill"] or 0) <= high


def test_an_answer_of_the_other_label_is_drift_of_the_shares_of_labels(classes: tuple[str, World]) -> None:
    """Features move, and predictions with them; label shares are watched apart."""
    _, world = classes
    found = world.look(0, lambda rows, _: rows.assign(a=rows["a"] + 2), rows=500)
    assert {"prediction", "predicted labels"} <= {it.subject for it in found.findings}
    assert found.said
    assert sum(found.said.counts) == 500


def test_of_few_labelled_rows_nothing_is_said_and_their_scores_are_there(classes: tuple[str, World]) -> None:
    found = classes[1].look(0, lambda rows, _: rows.assign(y=rows["y"].iloc[0]), labels=True, rows=60)
    assert found.performance
    assert (found.performance.rows, found.findings) == (60, ())


# --- tests ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400), st.integers(1, 400), st.data())
def test_a_p_value_of_coverage_is_a_probability_and_falls_with_the_covered_rows(
    fitted: int, rows: int, data: st.DataObject
) -> None:
    covered = data.draw(st.integers(0, rows))
    p_value = _test_coverage(Coverage(0.9, rows, covered), fitted)
    assert 0 <= p_value <= 1
    assert p_value >= _test_coverage(Coverage(0.9, rows, max(covered - 1, 0)), fitted)
    assert _test_coverage(Coverage(0.9, rows, rows), fitted) == pytest.approx(1)


@pytest.mark.parametrize(("fitted", "rows"), [(30, 400), (100, 100), (1000, 2000)])
def test_coverage_of_a_set_that_was_fitted_on_few_rows_is_seldom_too_low(fitted: int, rows: int) -> None:
    """A set of few rows covers less than its level by chance, and that is no drift."""
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        sides = []
        for count in (fitted, rows):
            shares = random.dirichlet(np.ones(3), count)
            truth = (random.random(count)[:, None] > shares.cumsum(axis=1)).sum(axis=1)
            sides.append((np.eye(3)[truth], shares))
        (target, shares), (later, said) = sides
        covered = int((fit_set(target, shares).members(said) * later).any(axis=1).sum())
        alarms += _test_coverage(Coverage(0.9, rows, covered), fitted) < 0.05
    assert alarms <= 26  # 99 % of 300 at 0.05


def test_that_no_row_of_few_has_a_rare_label_is_no_alarm() -> None:
    """The deviation without the label is that of its probabilities alone."""
    before = (0.0, 0.17, 5000)
    assert _test_means((-0.03, 0.01, 100), before, "two-sided") > 0.01
    assert _test_means((-0.03, 0.01, 2000), before, "two-sided") < 1e-6


@settings(max_examples=80, deadline=None)
@given(
    *(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1e-9, 0.2]), st.integers(2, 900)) for _ in range(2)),
    st.sampled_from(["greater", "two-sided"]),
)
def test_a_p_value_of_two_means_is_a_probability_also_where_nothing_varies(
    now: tuple[float, float, int], before: tuple[float, float, int], alternative: str
) -> None:
    assert 0 <= _test_means(now, before, alternative) <= 1
    assert _test_means(before, before, alternative) >= 0.5
