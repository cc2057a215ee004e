"""Neighbours are one group, whatever the unit, the origin and what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.data.relating.grouping import row_groups
from recipeline.data.relating.neighbours import join_neighbours


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-9, 1e9), st.floats(-1e6, 1e6))
def test_neighbours_are_joined_whatever_the_unit_and_origin_of_a_column(seed: int, unit: float, origin: float) -> None:
    rng = np.random.default_rng(seed)
    places = np.repeat(np.arange(20.0), 3)  # 20 rows, three of each, all apart by more than the tolerance
    near = pd.DataFrame({"a": unit * (places + rng.uniform(0, 0.01, 60) + origin), "b": np.where(places < 5, np.nan, 1.0)})
    joined = join_neighbours(near, 0.01)
    assert [len(set(joined[places == place])) for place in range(20)] == [1] * 20
    assert len(set(joined)) == 20
    assert set(joined) <= set(row_groups(near))
    np.testing.assert_array_equal(join_neighbours(near, 0.0), row_groups(near))


def test_a_missing_value_is_no_neighbour_of_any_other() -> None:
    rows = pd.DataFrame({"a": [1.0, 1.0, np.nan, np.nan, 2.0], "b": [0.0, 1e-9, 0.0, 1e-9, 1.0]})
    groups = join_neighbours(rows, 1e-3)
    assert groups[0] == groups[1] != groups[2] == groups[3] != groups[4]
