"""Streams whose truth is known: what is told of them, how often, and what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from custom.red_wine import draw
from recipeline.data.target_codes import NUMBERS
from recipeline.inference.columns import Columns
from recipeline.monitoring.baseline import describe_baseline, draw_reference
from recipeline.monitoring.domain import measure_domain
from recipeline.monitoring.drift import _doubt_new_names, compare
from recipeline.monitoring.results import Compared
from recipeline.monitoring.sample import Live
from tests.conftest import as_recipe, small_recipe
from tests.monitoring.helpers import WINDOW, Change, World

WINDOWS = 200


def shifted(by: float) -> Change:
    return lambda rows, _: rows.assign(alcohol=rows["alcohol"] + by * draw(1)["alcohol"].std())


def new_vintage(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Each column keeps its values, and which of them come together is left to chance."""
    return rows.apply(lambda column: random.permutation(column.to_numpy()) if column.name != "quality" else column)


def subjects(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(finding.subject, finding.verdict) for finding in found.findings}


# --- streams -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "windows", [pytest.param(5, id="5 windows"), pytest.param(WINDOWS, id="200 windows", marks=pytest.mark.full)]
)
def test_of_windows_without_drift_at_most_one_in_twenty_is_an_alarm(world: World, windows: int) -> None:
    assert windows - world.verdicts(windows)["ok"] <= max(1, 0.05 * windows)


def test_labels_of_windows_without_drift_are_no_alarm_either(world: World) -> None:
    assert world.verdicts(4, labels=True)["drift"] <= 1


@pytest.mark.parametrize(("by", "least"), [(0.25, 0.3), pytest.param(0.5, 0.95, marks=pytest.mark.full), (1.0, 1.0)])
def test_one_feature_shifted_by_a_part_of_its_standard_deviation_is_found(world: World, by: float, least: float) -> None:
    found = [world.look(seed, shifted(by)) for seed in range(3)]
    assert sum(it.verdict == "drift" for it in found) >= least * 3
    assert all({("alcohol", "warn"), ("alcohol", "drift")} & subjects(it) for it in found)
    assert not any(subject == "density" for it in found for subject, _ in subjects(it))


def test_a_unit_error_is_drift_of_that_feature_and_beyond_its_range(world: World) -> None:
    found = world.look(0, lambda rows, _: rows.assign(chlorides=rows["chlorides"] * 1000))
    assert found.verdict == "drift"
    assert {it.rule for it in found.findings if it.subject == "chlorides"} == {"psi", "wasserstein", "out_of_range"}


def test_a_broken_sensor_that_says_the_same_all_the_time_is_drift(world: World) -> None:
    typical = float(draw(1)["pH"].median())
    found = world.look(0, lambda rows, _: rows.assign(pH=typical))
    assert ("pH", "drift") in subjects(found)


def test_a_new_vintage_whose_columns_look_the_same_one_by_one_is_seen_by_the_classifier(world: World) -> None:
    found = world.look(0, new_vintage)
    assert ("all features together", "drift") in subjects(found)
    assert not {subject for subject, _ in subjects(found)} & set(world.recipe.features)


def test_other_grades_of_the_same_wines_are_seen_with_labels_and_only_with_them(world: World) -> None:
    def other_grades(rows: pd.DataFrame, _: np.random.Generator) -> pd.DataFrame:
        return rows.assign(quality=11 - rows["quality"])

    assert world.look(0, other_grades).verdict == "ok"
    found = world.look(0, other_grades, labels=True)
    assert subjects(found) == {("labels", "drift")}
    assert found.performance.interval_95
    low, high = found.performance.interval_95["mae"]
    assert low < found.performance.error < high
    assert found.performance.error > world.baseline.errors.error + 0.25


def test_of_few_rows_nothing_is_said(world: World) -> None:
    found = world.look(0, shifted(1), rows=50)
    assert (found.verdict, found.findings) == ("too small", ())


def test_a_difference_that_is_sure_and_small_is_no_drift(world: World) -> None:
    def a_little_stronger(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        return rows.assign(alcohol=(rows["alcohol"] + 0.1 * (random.random(len(rows)) < 0.8)).round(1))

    found = world.look(0, a_little_stronger, rows=10_000)
    assert found.features["alcohol"].p_value < 1e-6
    assert found.verdict == "ok"


def test_values_that_are_missing_more_often_than_in_training_are_drift(world: World) -> None:
    def without(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        return rows.assign(sulphates=rows["sulphates"].where(random.random(len(rows)) > 0.1))

    values = without(world.later.head(WINDOW), np.random.default_rng(0))[list(world.recipe.features)].to_numpy(dtype=float)
    live = Live(world.features, world.baseline, seed=0)
    live.add(values)
    found = compare(live, world.reference, world.recipe.monitoring, world.recipe)
    assert ("sulphates", "drift") in subjects(found)
    assert found.features["sulphates"].missing == pytest.approx(0.1, abs=0.04)


def test_rows_that_the_model_learned_from_say_nothing_about_its_predictions(world: World) -> None:
    train = draw(1)[list(world.recipe.features)].astype(float)
    live = Live(world.features, world.baseline, seed=0)
    live.add(train.to_numpy(), world.model.predict(train), draw(1)["quality"].to_numpy(dtype=float))
    found = compare(live, world.reference, world.recipe.monitoring, world.recipe)
    assert (found.verdict, found.prediction, found.performance, found.known_share) == ("ok", None, None, 1.0)


# --- measures ------------------------------------------------------------------------------------------------------------


def test_a_classifier_does_not_tell_rows_of_one_source_apart_and_does_tell_others() -> None:
    random = np.random.default_rng(0)
    reference, same, other = random.normal(size=(3, 400, 3))
    other[:, 0] += 1
    alike, apart = measure_domain(reference, same, seed=0), measure_domain(reference, other, seed=0)
    assert alike
    assert apart
    assert 0.4 < alike.auc < 0.6
    assert apart.auc > 0.7
    assert apart.p_value < 1e-6 < alike.p_value
    assert apart.strongest == 0
    assert measure_domain(reference, np.tile(same[:1], (400, 1)), seed=0) is None


# --- names of which new ones always come ----------------------------------------------------------------------------------


def look_at_names(levels: int, live_levels: int, seed: int, missing: float = 0.0) -> Compared:
    """Compare 500 rows with 1000 of training, of a category of so many values."""
    rng = np.random.default_rng(seed)

    def rows(count: int, values: int) -> pd.DataFrame:
        names = pd.Series([f"{it:05}" for it in rng.integers(values, size=count)]).mask(rng.random(count) < missing)
        return pd.DataFrame({"zip": names, "x": rng.normal(size=count)})

    content = small_recipe() | {"target": "y", "columns": {"zip": {"type": "category", "nullable": True}, "x": {}, "y": {}}}
    recipe = as_recipe(content | {"gates": {}, "promotion": {}, "monitoring": {}})
    train = rows(1000, levels).assign(y=lambda it: it["x"] + rng.normal(size=1000))
    columns, said = Columns.learn(recipe, train), train["x"].to_numpy()
    baseline = describe_baseline(train, said, recipe, columns, NUMBERS, 0.5)
    live, later = Live(columns.features, baseline, seed=0), rows(500, live_levels)
    live.add(columns.matrix(later), later["x"].to_numpy())
    return compare(live, draw_reference(train, said, recipe, columns, NUMBERS).to_numpy(float), recipe.monitoring, recipe)


@pytest.mark.parametrize("levels", [10, 300, 5000])
def test_new_names_are_no_drift_where_training_rows_have_as_many_of_one_row(levels: int) -> None:
    found = [look_at_names(levels, levels, seed) for seed in range(4)]
    assert sum(it.verdict != "ok" for it in found) <= 1
    assert levels < 5000 or (found[0].features["zip"].unseen or 0) > 0.5


@pytest.mark.parametrize("levels", [10, 300])
def test_more_new_names_than_expected_are_drift(levels: int) -> None:
    found = look_at_names(levels, 2 * levels, 0)
    assert found.verdict == "drift"
    assert ("zip", "drift") in subjects(found)


def test_new_names_are_expected_of_rows_that_have_a_name() -> None:
    found = look_at_names(1000, 4000, 0, missing=0.8)
    assert 0.15 < (found.features["zip"].unseen or 0) < 0.25  # of 20 % with a name about all
    assert ("zip", "drift") not in subjects(look_at_names(1000, 1000, 0, missing=0.8))
    (value,) = [it.value for it in found.findings if it.rule == "out_of_range"]
    assert value == pytest.approx(0.2 * (0.95 - 0.82), abs=0.02)


@pytest.mark.parametrize(("trained", "rows", "levels"), [(300, 1000, 100), (1000, 1000, 300), (400, 400, 1000), (100, 100, 30)])
def test_quiet_windows_have_significantly_many_new_names_as_seldom_as_said(trained: int, rows: int, levels: int) -> None:
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(200):
        counts, later = (rng.multinomial(size, np.full(levels, 1 / levels)) for size in (trained, rows))
        new, twice = int((counts == 1).sum()), int((counts == 2).sum())
        if new:
            alarms += _doubt_new_names(int(later[counts == 0].sum()), rows, new, twice, trained) < 0.01
    assert alarms <= 5
    assert _doubt_new_names(rows // 2, rows, new=3, twice=2, known=trained) < 0.01
