from __future__ import annotations

import numpy as np
from scipy import stats

from recipeline.data.target_codes import TargetCodes
from recipeline.monitoring.sample import MOST_ROWS, Live
from tests.monitoring.helpers import World


def test_all_rows_are_counted_whatever_the_pieces(world: World) -> None:
    values = world.later[list(world.recipe.features)].head(5000).to_numpy(dtype=float)
    whole, pieces = (Live(world.features, world.baseline, seed=0) for _ in range(2))
    whole.add(values)
    for start in range(0, len(values), 700):
        pieces.add(values[start : start + 700])
    assert whole.rows == pieces.rows == 5000
    assert [counts.tolist() for counts in whole.counts] == [counts.tolist() for counts in pieces.counts]
    assert whole.unseen.tolist() == pieces.unseen.tolist()


def test_of_more_rows_than_are_kept_a_uniform_draw_is(world: World) -> None:
    live = Live(world.features, world.baseline, seed=0, most=1000)
    for start in range(0, 50_000, 5_000):
        live.add(np.tile(np.arange(start, start + 5_000, dtype=float)[:, None], len(world.features)))
    kept = live.kept[:, 0]
    assert len(np.unique(kept)) == 1000
    assert stats.kstest(kept, stats.uniform(0, 50_000).cdf).pvalue > 0.001
    assert Live(world.features, world.baseline, seed=0).most == MOST_ROWS


def test_rows_are_predicted_that_no_prediction_is_known_of_and_that_can_be(world: World) -> None:
    live = Live(world.features, world.baseline, seed=0)
    values = world.later[list(world.recipe.features)].head(3).to_numpy(dtype=float).copy()
    values[1, 4] = np.nan
    live.add(values, np.array([5.0, np.nan, np.nan]))
    live.predict_missing(lambda rows: np.full(len(rows), 7.0))
    np.testing.assert_equal(live.predicted, [5.0, np.nan, 7.0])


def test_rows_of_several_labels_have_a_probability_for_each_and_one_place(world: World) -> None:
    codes = TargetCodes("multiclass", ("a", "b", "c"))
    live = Live(world.features, world.baseline, seed=0, codes=codes)
    values = world.later[list(world.recipe.features)].head(3).to_numpy(dtype=float)
    known, nothing = np.array([0.2, 0.3, 0.5]), np.full(3, np.nan)
    live.add(values, np.array([known, nothing, nothing]), np.array([2.0, np.nan, 0.0]))
    np.testing.assert_equal(live.predicted, [known, nothing, nothing])
    assert len(live.labelled) == 1
    live.predict_missing(lambda rows: np.tile([0.6, 0.2, 0.2], (len(rows), 1)))
    labelled = live.labelled
    np.testing.assert_equal(live.predicted[1:], [[0.6, 0.2, 0.2]] * 2)
    np.testing.assert_equal(labelled.values, values[[0, 2]])
    np.testing.assert_equal(labelled.predicted, [known, [0.6, 0.2, 0.2]])
    np.testing.assert_equal(labelled.target, [[0, 0, 1], [1, 0, 0]])
    assert labelled.take(labelled.places == 2).predicted.tolist() == [known.tolist()]
