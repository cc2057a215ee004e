"""No alarm without drift and none missed, with few training rows or levels.

Also with copies, constants, and values beyond all bounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import NUMBERS
from recipeline.inference.model_info import Feature
from recipeline.monitoring import drift
from recipeline.monitoring.baseline import describe_errors
from recipeline.monitoring.drift import compare
from recipeline.monitoring.results import Baseline, Compared, Errors
from recipeline.monitoring.sample import Live
from recipeline.monitoring.spread import describe_values
from recipeline.records import read_record, to_plain
from tests.conftest import as_recipe, small_recipe
from tests.records import some


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return as_recipe(small_recipe())


@pytest.fixture(autouse=True)
def _no_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of single columns alone: the classifier has tests of its own."""
    monkeypatch.setattr(drift, "measure_domain", lambda *_, **__: None)


def look(recipe: Recipe, train: np.ndarray, live: np.ndarray, *, labels: float | None = None) -> Compared:
    """Compare live rows with training rows; `labels` is the shift of labels.

    None: the rows have none.
    """
    names = [f"x{place}" for place in range(train.shape[1])]
    features = [
        Feature(name, train_min=np.nanmin(column), train_max=np.nanmax(column))
        for name, column in zip(names, train.T, strict=True)
    ]
    random = np.random.default_rng(7)
    predicted, answers = (5 + np.tanh(np.nan_to_num(rows[:, -1])) / 10 for rows in (train, live))
    target = predicted + random.normal(size=len(train)) / 2
    described = {name: describe_values(column) for name, column in zip(names, train.T, strict=True)}
    errors = describe_errors(target, predicted, recipe, NUMBERS)
    baseline = Baseline(described, describe_values(predicted), describe_values(target), errors)
    seen = Live(features, baseline, seed=0)
    off = None if labels is None else answers + labels + random.normal(size=len(live)) / 2
    seen.add(live, answers, off)
    return compare(seen, np.column_stack([train, predicted]), recipe.monitoring, recipe)


def rules(found: Compared) -> set[str]:
    return {finding.rule for finding in found.findings}


def normal(rows: int, seed: int, missing: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 4))
    values[random.random(values.shape) < missing] = np.nan
    return values


def levels(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, size=(rows, 4)).astype(float)


@pytest.mark.parametrize("missing", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("rows", [80, 400])
def test_shares_of_training_rows_are_a_sample_too(recipe: Recipe, rows: int, missing: float) -> None:
    windows = [look(recipe, normal(rows, seed, missing), normal(500, 1000 + seed, missing)) for seed in range(20)]
    assert sum(bool(rules(it) & {"missing", "out_of_range"}) for it in windows) <= 3  # 99.9 % of 20 at two rules of 0.01


def test_values_missing_more_often_or_beyond_the_range_are_found(recipe: Recipe) -> None:
    assert "missing" in rules(look(recipe, normal(400, 0, 0.02), normal(500, 1, 0.15)))
    assert "out_of_range" in rules(look(recipe, normal(400, 0), 2 * normal(500, 1)))


@pytest.mark.parametrize("times", [2, 10, 100])
def test_rows_that_are_repeated_are_no_drift(recipe: Recipe, times: int) -> None:
    windows = [look(recipe, normal(400, seed), np.repeat(normal(120, 1000 + seed), times, axis=0)) for seed in range(8)]
    assert sum(it.verdict != "ok" for it in windows) <= 2
    assert {it.observations for it in windows} == {120}


def test_of_one_row_however_often_nothing_is_said(recipe: Recipe) -> None:
    assert look(recipe, normal(400, 0), np.tile(normal(1, 1), (500, 1))).verdict == "too small"


@pytest.mark.parametrize("make", [levels, normal, lambda rows, seed: levels(rows, seed)[:, :1]])
@pytest.mark.parametrize("times", [1, 10])
def test_a_large_rise_of_the_error_is_never_ok(recipe: Recipe, make: Callable[[int, int], np.ndarray], times: int) -> None:
    live = np.repeat(make(recipe.monitoring.min_rows // times, 1), times, axis=0)
    found = look(recipe, make(400, 0), live, labels=5.0)
    assert (found.verdict, rules(found)) == ("drift", {"mae_increase"})
    assert found.performance.error > 4
    assert look(recipe, make(400, 0), live, labels=0.0).verdict in {"ok", "too small"}


def test_errors_on_training_rows_do_not_hide_a_rise_on_new_ones(recipe: Recipe) -> None:
    train = normal(400, 0)
    found = look(recipe, train, np.concatenate([train, normal(100, 1)]), labels=1.0)
    assert ("labels", "drift") in {(it.subject, it.verdict) for it in found.findings}
    assert found.performance.rows in {100, 500}


def test_in_a_table_of_few_levels_equal_rows_are_rows_of_their_own(recipe: Recipe) -> None:
    found = look(recipe, levels(400, 0), levels(400, 1))
    assert found.verdict == "ok"
    assert found.observations > 380
    moved = levels(400, 1)
    moved[:, 0] = np.minimum(moved[:, 0], 1)
    assert look(recipe, levels(400, 0), moved).verdict == "drift"


def test_where_half_of_the_rows_are_known_the_predictions_of_the_others_are_compared_with_their_like(recipe: Recipe) -> None:
    def coarse(rows: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return np.column_stack([rng.integers(3, size=rows), rng.gamma(2, 0.4, rows).round(2)])

    found = [look(recipe, coarse(500, seed), coarse(400, 1000 + seed)) for seed in range(10)]
    assert min(it.known_share for it in found) > 0.4
    assert all(it.prediction for it in found)
    assert sum(it.subject == "prediction" for one in found for it in one.findings) <= 1


@pytest.mark.parametrize("constant", [3.3, 0.1, 1.7e9, 0.0, -1e-9])
def test_a_constant_training_column_has_no_standard_deviation_to_count_in(recipe: Recipe, constant: float) -> None:
    train, live = normal(400, 0), normal(300, 1)
    train[:, 0], live[:, 0] = constant, constant
    assert look(recipe, train, live).verdict == "ok"
    live[:, 0] += 1
    found = look(recipe, train, live)
    assert rules(found) == {"psi", "out_of_range"}
    assert found.features["x0"].wasserstein is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([np.inf, -np.inf, np.nan, 1.7e308, -1.7e308, 5e-324, 0.0, 3.0]), min_size=1, max_size=300))
def test_any_number_has_a_verdict_and_a_report_of_finite_numbers(values: list[float]) -> None:
    live = normal(300, 1)
    live[: len(values), 0] = values
    found = look(as_recipe(small_recipe()), normal(400, 0), live, labels=0.0)
    assert read_record(Compared, orjson.loads(orjson.dumps(to_plain(found)))) == found
    beyond = sum(np.isinf(values)) / 300
    assert found.features["x0"].unseen >= beyond
    assert beyond < 0.1 or "out_of_range" in rules(found)


def test_labels_of_few_of_many_rows_are_judged_all_the_same(recipe: Recipe) -> None:
    train = normal(400, 0)
    described = {f"x{place}": describe_values(column) for place, column in enumerate(train.T)}
    errors = some(Errors, {"rows": 400, "error": 0.5, "error_std": 0.4})
    baseline = Baseline(described, describe_values(np.zeros(400)), describe_values(np.zeros(400)), errors)
    live = Live([Feature(name) for name in described], baseline, seed=0, most=500)
    for start in range(0, 50_000, 5_000):
        target = np.full(5_000, np.nan)
        target[:20] = 5 + np.random.default_rng(start).normal(size=20)
        live.add(normal(5_000, 1 + start), None, target)
    live.predict_missing(lambda rows: np.zeros(len(rows)))
    assert (len(live.kept), len(live.labelled)) == (500, 200)
    found = compare(live, np.column_stack([train, np.zeros(400)]), recipe.monitoring, recipe)
    assert ("mae_increase", "drift") in {(it.rule, it.verdict) for it in found.findings}
