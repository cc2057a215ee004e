from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pandas as pd

from recipeline.artifacts import METRICS, MODEL_INFO, OUT_OF_FOLD, TEST, TRAIN
from recipeline.config.recipe import Recipe, load_recipe
from recipeline.data.target_codes import NUMBERS
from recipeline.inference.interval import FittedInterval, Interval, fit_constant
from recipeline.inference.model_info import Feature, ModelInfo, Target, choose_sample, describe_feature, describe_model
from recipeline.records import read_record, to_plain
from recipeline.tracking.artifacts.manifest import Reader
from tests.conftest import ROOT, Project, as_recipe, small_recipe

MEASURED: Any = {"threshold": None, "coverage": 0.75, "test_rows": 4}
INTERVAL = Interval(0.9, "constant", -1.0, 1.5)


def sample_of(frame: pd.DataFrame) -> dict[str, Any]:
    return choose_sample(frame.to_numpy(dtype=float), [Feature(str(name)) for name in frame])


def two_columns() -> Recipe:
    columns = {
        "acidity": {"unit": "g/L", "min": 0, "nullable": True},
        "bottles": {"type": "integer"},
        "quality": {"unit": "grade", "type": "integer", "min": 0, "max": 10},
    }
    return as_recipe(small_recipe() | {"columns": columns})


def rows(acidity: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"acidity": acidity, "bottles": np.arange(len(acidity)) * 1.0, "quality": 5})


def test_a_model_is_described_by_recipe_training_rows_and_interval() -> None:
    found = describe_model(two_columns(), rows([1.0, 2.0, 9.0]), NUMBERS, INTERVAL, None, candidate="Forest", **MEASURED)
    assert found.candidate == "Forest"
    assert found.target == Target("quality", type="integer", unit="grade", min=0, max=10)
    assert [feature.name for feature in found.features] == ["acidity", "bottles"]
    assert found.interval == FittedInterval(0.9, "constant", lower=-1.0, upper=1.5, test_coverage=0.75, test_rows=4)
    assert found.sample == {"acidity": 2.0, "bottles": 1.0}


def test_a_feature_has_the_range_that_is_possible_and_the_one_that_was_seen() -> None:
    acidity = describe_feature(two_columns(), "acidity", pd.Series(np.arange(101.0)))
    assert to_plain(acidity) == {
        "name": "acidity",
        "type": "number",
        "unit": "g/L",
        "nullable": True,
        "na": [],
        "min": 0,
        "max": None,
        "train_min": 0,
        "train_max": 100,
        "quantiles": {"0.05": 5, "0.25": 25, "0.5": 50, "0.75": 75, "0.95": 95},
    }


def test_missing_values_are_left_out() -> None:
    recipe, known = two_columns(), [1.0, 2.0, 9.0]
    with_gaps = describe_feature(recipe, "acidity", pd.Series([*known, np.nan, np.nan]))
    assert with_gaps == describe_feature(recipe, "acidity", pd.Series(known))


def test_a_column_without_any_value_has_no_range_and_the_json_stays_plain() -> None:
    found = describe_model(two_columns(), rows([np.nan] * 3), NUMBERS, INTERVAL, None, candidate="Forest", **MEASURED)
    acidity = found.features[0]
    assert acidity.quantiles
    assert acidity.train_min is acidity.train_max is acidity.quantiles["0.5"] is found.sample["acidity"] is None
    assert found.sample["bottles"] == 1.0
    assert read_record(ModelInfo, json.loads(json.dumps(to_plain(found), allow_nan=False))) == found


def test_the_sample_is_a_row_that_is_there_near_the_middle_of_all_columns() -> None:
    features = pd.DataFrame({"a": [0.0, 5.0, 5.0, 10.0, 5.0], "b": [0.0, 900.0, 520.0, 1000.0, 100.0]})
    assert sample_of(features) == {"a": 5.0, "b": 520.0}


def test_the_unit_of_a_column_does_not_change_the_sample(wines: pd.DataFrame) -> None:
    features = wines.drop(columns="quality")
    in_milligrams = features.assign(chlorides=features["chlorides"] * 1024)
    assert sample_of(in_milligrams)["density"] == sample_of(features)["density"]
    assert sample_of(in_milligrams)["chlorides"] == sample_of(features)["chlorides"] * 1024


def test_a_whole_row_is_preferred_as_the_sample() -> None:
    features = pd.DataFrame({"a": [np.nan, 1.0, 3.0], "b": [2.0, 1.0, 9.0]})
    assert sample_of(features) == {"a": 1.0, "b": 1.0}


def test_a_column_that_does_not_vary_does_not_matter() -> None:
    assert sample_of(pd.DataFrame({"a": [7.0, 7.0, 7.0], "b": [0.0, 9.0, 4.0]})) == {"a": 7.0, "b": 4.0}


def test_a_description_leaves_the_rows_as_they_are(wines: pd.DataFrame, recipe: Recipe) -> None:
    before = wines.copy()
    describe_model(recipe, wines, NUMBERS, INTERVAL, None, candidate="Forest", **MEASURED)
    pd.testing.assert_frame_equal(wines, before)


def test_interval_and_description_take_no_time_to_speak_of(wines: pd.DataFrame) -> None:
    train, recipe = pd.concat([wines] * 4), load_recipe(ROOT / "recipe.yaml", {})
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        interval = fit_constant(train["quality"].to_numpy(), np.full(len(train), 5.6))
        describe_model(recipe, train, NUMBERS, interval, None, candidate="Forest", **MEASURED)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1


def test_evaluate_describes_the_best_candidate_and_its_interval_of_out_of_fold_predictions(trained: Project) -> None:
    reader = Reader(trained.client)
    run = trained.first("evaluate")
    lineage = {step: run.data.tags[f"recipeline.{step}_run_id"] for step in ("split", "train")}
    info, metrics = reader.load(MODEL_INFO, run.info.run_id), reader.load(METRICS, run.info.run_id)
    train, test, out_of_fold = (
        reader.load(TRAIN, lineage["split"]),
        reader.load(TEST, lineage["split"]),
        reader.load(OUT_OF_FOLD, lineage["train"]),
    )
    best = metrics.best.candidate
    measured = metrics.best.interval_90

    assert info.candidate == best
    assert info.interval.level == measured.level == 0.9
    assert info.interval.test_coverage == measured.coverage
    assert info.interval.test_rows == measured.rows == len(test)
    constant = fit_constant(train["quality"].to_numpy(), out_of_fold[f"predicted {best}"].to_numpy())
    if info.interval.method == "constant":
        assert Interval.restore(info.interval) == constant
    assert [feature.name for feature in info.features] == list(info.sample) == list(train.columns.drop("quality"))
    assert (train.drop(columns="quality") == pd.Series(info.sample)).all(axis=1).any()
