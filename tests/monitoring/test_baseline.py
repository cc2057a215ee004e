from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import NUMBERS
from recipeline.inference.columns import Columns
from recipeline.monitoring.baseline import MOST_ROWS, describe_baseline, draw_reference
from recipeline.monitoring.results import Baseline
from recipeline.records import read_record, to_plain
from tests.monitoring.helpers import World, class_world

FLOATS = st.floats(-1e6, 1e6, allow_nan=False)


def test_a_baseline_says_how_the_model_errs_also_by_slice(recipe: Recipe, wines: pd.DataFrame) -> None:
    target = wines["quality"].to_numpy(dtype=float)
    found = describe_baseline(wines, target + 0.5, recipe, Columns.learn(recipe, wines), NUMBERS)
    assert list(found.features) == list(recipe.features)
    assert found.errors.error == pytest.approx(0.5)
    assert found.errors.error_std == pytest.approx(0)
    low = found.errors.slices["low grades"]
    assert low.rows == (target <= 4).sum()
    assert low.error == low.bias == pytest.approx(0.5)


def test_of_many_rows_some_are_kept_and_each_with_its_prediction(recipe: Recipe, wines: pd.DataFrame) -> None:
    many = pd.concat([wines] * 20, ignore_index=True)
    assert len(many) > MOST_ROWS
    kept = draw_reference(many, many["alcohol"].to_numpy(), recipe, Columns.learn(recipe, many), NUMBERS)
    assert len(kept) == MOST_ROWS
    assert (kept["prediction"] == kept["alcohol"]).all()
    pd.testing.assert_frame_equal(
        kept, draw_reference(many, many["alcohol"].to_numpy(), recipe, Columns.learn(recipe, many), NUMBERS)
    )


@pytest.mark.parametrize("kind", ["two", "rare", "five"])
def test_a_baseline_of_classes_has_the_shares_of_decided_labels_and_their_calibration(kind: str) -> None:
    world = class_world(kind, LogisticRegression(), rows=600)
    baseline, size = world.baseline, len(world.codes.labels)
    assert baseline.said
    assert baseline.said.names == (*sorted(world.codes.texts, key=lambda it: -_share_of(world, it)), "other values")
    assert sum(baseline.said.counts) == baseline.errors.rows == 600
    assert baseline.errors.calibration
    assert len(baseline.errors.calibration) == (1 if size == 2 else size)
    assert all(abs(it.observed - it.predicted) < 0.03 for it in baseline.errors.calibration.values())
    assert world.reference.shape == (600, 4 + world.codes.width)
    assert read_record(Baseline, to_plain(baseline)) == baseline


def _share_of(world: World, label: str) -> int:
    assert world.baseline.said
    return dict(zip(world.baseline.said.names or (), world.baseline.said.counts, strict=True))[label]
