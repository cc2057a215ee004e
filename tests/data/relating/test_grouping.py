from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.data.relating.grouping import (
    COPIES,
    count_distinct,
    hash_features,
    is_among,
    row_groups,
    rows_digest,
    training_rows,
)


def test_negative_zero_is_zero_and_nan_is_nan() -> None:
    frame = pd.DataFrame({"a": [0.0, -0.0, np.nan, np.nan], "b": [1.0, 1.0, 2.0, 2.0]})
    groups = row_groups(frame)
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]


def test_copies_are_one_group_whatever_their_place_and_the_other_rows() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 1.0], "b": [3.0, 4.0, 3.0]})
    first, other, copy = row_groups(frame)
    assert first == copy != other
    assert row_groups(frame.iloc[[2]].reset_index(drop=True)).tolist() == [copy]
    assert row_groups(frame.astype({"b": int})).tolist() == [first, other, copy]


def test_the_same_values_in_other_columns_are_another_row() -> None:
    one, other = row_groups(pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]}))
    assert one != other


def test_the_rows_that_were_learned_from_are_there_once_each_and_sorted(wines: pd.DataFrame) -> None:
    found = training_rows(wines)
    assert list(found) == ["row"]
    assert found["row"].is_monotonic_increasing
    assert set(found["row"]) == set(row_groups(wines))
    assert len(found) == len(wines.drop_duplicates())


def test_the_digest_of_rows_does_not_depend_on_their_order_and_does_on_how_often_each_is_there(wines: pd.DataFrame) -> None:
    digest = rows_digest(wines)
    assert rows_digest(wines.iloc[::-1]) == digest
    assert rows_digest(pd.concat([wines, wines.head(1)])) != digest
    assert rows_digest(wines.assign(pH=wines["pH"] + 0.01)) != digest


few = settings(max_examples=25, deadline=None)
short_decimals = st.integers(-(10**6), 10**6).flatmap(lambda n: st.sampled_from([1, 10, 100, 1000]).map(lambda by: n / by))
decimals = st.one_of(short_decimals, st.fractions(0, 20, max_denominator=9).map(float))


@few
@given(st.lists(st.tuples(decimals, decimals), min_size=1, max_size=20))
def test_a_key_survives_float32_and_another_order_of_the_columns(rows: list[tuple[float, float]]) -> None:
    frame = pd.DataFrame(rows, columns=["b", "a"])
    expected = row_groups(frame).tolist()
    assert row_groups(frame.astype("float32")).tolist() == expected
    assert row_groups(frame.astype("float32").astype("float64")[["a", "b"]]).tolist() == expected
    assert row_groups(frame.astype({"a": "float32"})).tolist() == expected


@few
@given(st.integers(-(2**53), 2**53 - 100), st.integers(1, 100))
def test_whole_numbers_are_never_merged(number: int, more: int) -> None:
    one, other = row_groups(pd.DataFrame({"a": [float(number), float(number + more)]}))
    assert one != other


@few
@given(st.floats(15_000, 60_000), st.sampled_from([60, 3600]))
def test_times_in_days_and_seconds_a_minute_apart_are_never_merged(days: float, seconds: int) -> None:
    for times in ([days, days + seconds / 86_400], [86_400 * days, 86_400 * days + seconds]):
        one, other = row_groups(pd.DataFrame({"time": times}))
        assert one != other


@few
@given(st.floats(1e-300, 1e-40), st.floats(1.001, 1000))
def test_numbers_below_those_of_float32_are_never_merged(number: float, by: float) -> None:
    one, other = row_groups(pd.DataFrame({"a": [number, number * by]}))
    assert one != other


def test_the_wines_are_the_same_rows_after_float32_in_any_order_of_columns(wines: pd.DataFrame) -> None:
    np.testing.assert_array_equal(row_groups(wines.astype("float32")[wines.columns[::-1]]), row_groups(wines))


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_values_are_looked_for_and_counted_as_numpy_does(values: list[int], others: list[int]) -> None:
    one, other = np.array(values, dtype=np.uint64), np.array(others, dtype=np.uint64)
    assert is_among(one, other).tolist() == np.isin(one, other).tolist()
    assert count_distinct(one) == len(set(values))
    assert one.tolist() == values


def test_a_column_of_the_table_that_is_called_as_the_hashes_are_is_a_column() -> None:
    table = pd.DataFrame({COPIES: [1.0, 1.0, 2.0], "a": [1.0, 2.0, 2.0]})
    np.testing.assert_array_equal(hash_features(table, ["a"]), row_groups(table[["a"]]))
    np.testing.assert_array_equal(hash_features(table, ["a", COPIES]), row_groups(table))
    np.testing.assert_array_equal(hash_features(table, ["b"]), table[COPIES])
