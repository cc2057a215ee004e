from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.rules import Slice
from recipeline.data.target_codes import NUMBERS, TargetCodes, is_predicted

THREE = TargetCodes("multiclass", ("a", "b", "c"))
TWO = TargetCodes("binary", ("no", "yes"))


@given(st.integers(1, 20), st.sampled_from([NUMBERS, TWO, THREE]))
def test_predictions_come_back_from_columns_as_they_were(rows: int, codes: TargetCodes) -> None:
    predicted = np.random.default_rng(rows).random((rows, 3) if codes.is_matrix else rows)
    table = pd.DataFrame(codes.as_columns("predicted M", predicted) | {"other": np.zeros(rows)})
    np.testing.assert_array_equal(codes.from_columns("predicted M", table), predicted)


def test_columns_are_named_by_label_where_there_are_more_than_two() -> None:
    assert THREE.name_columns("prediction") == ["prediction: a", "prediction: b", "prediction: c"]
    assert TWO.name_columns("prediction") == NUMBERS.name_columns("prediction") == ["prediction"]


def test_a_row_without_a_prediction_is_told_apart() -> None:
    assert is_predicted(np.array([0.5, np.nan])).tolist() == [True, False]
    assert is_predicted(np.array([[0.5, 0.5], [np.nan, np.nan]])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("codes", "values", "rows", "expected"),
    [
        (NUMBERS, np.array([1.0, 4.0, 9.0]), Slice(min=4), [False, True, True]),
        (TWO, np.array([0.0, 1.0, 1.0]), Slice(labels=("yes",)), [False, True, True]),
        (TWO, np.array([0.0, 1.0]), Slice(labels=("no", "yes")), [True, True]),
        (THREE, np.eye(3), Slice(labels=("c", "a")), [True, False, True]),
        (THREE, np.eye(3), Slice(labels=("unknown",)), [False, False, False]),
    ],
)
def test_slices_are_of_numbers_or_of_labels(codes: TargetCodes, values: np.ndarray, rows: Slice, expected: list[bool]) -> None:
    assert codes.mask(values, rows).tolist() == expected
