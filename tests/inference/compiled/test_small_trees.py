from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from recipeline.inference import _compat
from recipeline.inference.compiled.small_trees import FEW_SPLITS, SmallTrees


@pytest.mark.parametrize("leaves", [2, 5, FEW_SPLITS + 1])
def test_small_trees_add_up_to_what_the_model_says(leaves: int) -> None:
    rng = np.random.default_rng(leaves)
    rows = rng.normal(size=(300, 3)).round(2)
    model = HistGradientBoostingRegressor(max_iter=7, max_leaf_nodes=leaves, min_samples_leaf=5, max_bins=20)
    model.fit(rows, rows @ [1.0, -2.0, 0.5])
    found = SmallTrees.of(_compat.histogram_nodes(model)).add_up(rows, _compat.histogram_baseline(model))
    np.testing.assert_array_equal(found, model.predict(rows))


def test_trees_share_their_splits() -> None:
    rows = np.repeat([[0.0], [1.0]], 20, axis=0)
    model = HistGradientBoostingRegressor(max_iter=5, max_leaf_nodes=2, min_samples_leaf=5).fit(rows, rows[:, 0])
    found = SmallTrees.of(_compat.histogram_nodes(model))
    assert len(found.splits) == 1
    assert len(found.trees) == 5
