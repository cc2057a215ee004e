from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import pandas as frames

from recipeline.data.reading.frames import as_batch, as_table
from recipeline.errors import DataError

ROWS = pd.DataFrame({"a": [1.5, np.nan, 3.0], "b": ["x", None, "z"]})


@pytest.mark.parametrize(
    "frame",
    [
        ROWS,
        ROWS.convert_dtypes(),
        ROWS.convert_dtypes(dtype_backend="pyarrow"),
        ROWS.assign(a=pd.arrays.SparseArray([1.5, np.nan, 3.0])),
        ROWS.astype({"b": object}),
        ROWS.set_axis(["x", "y", "y"]),
        pd.concat([ROWS.iloc[:1], ROWS.iloc[1:]]),  # text in two chunks
    ],
    ids=["plain", "nullable", "arrow", "sparse", "objects", "an index", "joined"],
)
def test_a_frame_of_any_make_is_the_same_table(frame: pd.DataFrame) -> None:
    expected = {"a": [1.5, None, 3.0], "b": ["x", None, "z"]}
    assert as_table(frame).to_pydict() == expected
    assert as_batch(frame).to_pydict() == expected


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_frame_without_rows_or_columns_is_a_table_without_them(count: int) -> None:
    frame = ROWS.iloc[:0, :count]
    assert as_batch(frame).num_rows == as_table(frame).num_rows == 0
    assert as_batch(frame).schema.names == list(frame.columns)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1.0, "x", 2.0], "Could not convert"),
        ([2**70] * 3, "too large"),
        ([1j, 2j, 3j], "Unsupported numpy type"),
        ([object()] * 3, "did not recognize Python value type"),
        (["a", "\ud800", "b"], "surrogates not allowed"),
    ],
    ids=["mixed", "large", "complex", "objects", "half a character"],
)
def test_values_without_a_type_in_common_are_told_with_their_column(values: list[object], reason: str) -> None:
    frame = ROWS.assign(c=pd.Series(values, dtype=None if reason.startswith("Unsupported") else object))
    with pytest.raises(DataError, match=f"The column 'c' must have values of one type.* Got '.*{reason}"):
        as_table(frame)


def test_names_that_are_no_text_become_text_and_twice_is_refused() -> None:
    assert as_table(ROWS.set_axis([1, "x"], axis=1)).column_names == ["1", "x"]
    with pytest.raises(DataError, match="several columns named 1, a"):
        as_table(pd.concat([ROWS, ROWS], axis=1).set_axis(["a", 1, "1", "a"], axis=1))


VALUES: list[st.SearchStrategy[Any]] = [st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text()]
VALUES += [st.binary(), st.decimals(), st.dates(), st.timedeltas(), st.datetimes(), st.lists(st.integers(), max_size=2)]
VALUES += [st.just(pd.NaT), st.just(pd.NA)]
ANY = st.one_of(*VALUES, st.characters(categories=["Cs"]))


@given(frames.data_frames([frames.column(name, elements=ANY, dtype=object) for name in "ab"]))
def test_any_frame_is_a_table_of_its_rows_or_an_error_that_names_a_column(frame: pd.DataFrame) -> None:
    table: pa.Table | None = None
    try:
        table = as_table(frame)
    except DataError as error:
        refused = error.sentence
    if table is None:
        assert refused.startswith(("The column 'a' must have", "The column 'b' must have"))
        return
    assert (table.num_rows, table.column_names) == (len(frame), ["a", "b"])
    assert isinstance(as_batch(frame), pa.RecordBatch)
