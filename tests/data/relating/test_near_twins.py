from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.data.relating.grouping import row_groups
from recipeline.data.relating.near_twins import find_near
from tests.large import holding, store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("near")


@given(st.integers(0, 99), st.integers(1, 60))
@settings(max_examples=8, deadline=None)
def test_rows_near_one_of_a_side_are_found_among_all_rows(folder: Path, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(40, size=60)
    # Pairs of a value, of which one may be moved by a hundredth of the limit, by nothing, or far.
    moved = base + rng.choice([0.0, 0.0001, 0.3], 60)
    table = pd.DataFrame({"a": moved, "text": pd.Series(rng.choice(["x", "y"], 60), dtype="str")})
    places = np.sort(rng.choice(60, count, replace=False))
    sides = [rng.random(60) < 0.5, np.zeros(60, dtype=bool)]
    limit = 0.01 / (table["a"].iloc[places].std(ddof=0) or 1)
    with holding(20):
        found = find_near(store(table, folder), row_groups(table), places, sides, ["a", "text"], limit)
    for side, near in zip(sides, found, strict=True):
        others = table[side]
        expected = [
            bool(((others["text"] == row.text) & (others["a"] != row.a) & ((others["a"] - row.a).abs() < 0.01)).any())
            for row in table.iloc[places].itertuples()
        ]
        assert near.tolist() == expected


def test_a_missing_value_is_near_a_missing_one_only(folder: Path) -> None:
    table = pd.DataFrame({"a": [np.nan, np.nan, 1.0, 1.0], "b": [1.0, 1.00001, 1.0, 5.0]})
    with holding(2):
        (near,) = find_near(store(table, folder), row_groups(table), np.arange(4), [np.ones(4, dtype=bool)], ["a", "b"], 1e-3)
    assert near.tolist() == [True, True, False, False]
