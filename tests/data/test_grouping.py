from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.data.grouping import row_groups, rows_digest, training_rows


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
