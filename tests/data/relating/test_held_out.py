from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import COPIES
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.stored_rows import StoredRows
from recipeline.inference.columns import Columns


def hold_few(patch: pytest.MonkeyPatch, cells: int) -> None:
    """Let so few cells be held that a small table is read in batches."""
    patch.setattr("recipeline.data.stored_rows.HELD", cells)
    patch.setattr("recipeline.data.stored_rows._BATCH", max(1, cells // 2))


def stored(rows: pd.DataFrame, folder: Path) -> StoredRows:
    rows.to_parquet(folder / "rows.parquet")
    return StoredRows(folder / "rows.parquet")


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cells=st.integers(100, 1_500), places=st.lists(st.integers(0, 79), max_size=9))
def test_stored_rows_are_what_rows_in_memory_are(
    wines: pd.DataFrame, recipe: Recipe, tmp_path: Path, cells: int, places: list[int]
) -> None:
    rows = wines.iloc[::5]
    columns, target = Columns.learn(recipe, rows), list(recipe.features)
    known, chosen = HeldOut.of(rows), np.array(places, dtype=int)
    with pytest.MonkeyPatch.context() as patch:
        hold_few(patch, cells)
        found = HeldOut.open(stored(rows, tmp_path), recipe)
        assert (found.stored is None) == (cells >= rows.size)
        assert len(found) == len(known) == 80
        assert found.columns == known.columns
        pd.testing.assert_index_equal(found.index, known.index, exact=False)
        pd.testing.assert_frame_equal(found.take(chosen), known.take(chosen))
        pd.testing.assert_frame_equal(found.take(chosen, target[:2]), known.take(chosen, target[:2]))
        parts = [*found.parts(target)]
        pd.testing.assert_frame_equal(pd.concat([part for _, part in parts]), rows[target])
        assert [place for places, _ in parts for place in range(80)[places]] == [*range(80)]
        for place in range(len(target)):
            np.testing.assert_array_equal(columns.codes(found.rows)[:, place], columns.codes(known.rows)[:, place])
    assert (COPIES in found.keys) == (found.stored is not None)
