from __future__ import annotations

import json

import numpy as np
import pytest

from recipeline.data.checking.conditions import Condition
from recipeline.inference.model_info import Feature
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.faults import LISTED_FAULTS, BadRows, Fault
from recipeline.serving.rows.row_filter import RowFilter
from recipeline.serving.rows.schema import Schema
from recipeline.serving.rows.training_range import TrainingRange

FEATURES = (
    Feature("km", min=0, train_min=3, train_max=9),
    Feature("port", type="category", categories=("Cork",), train_min=0.0, train_max=0.0),
)
CONDITIONS = (
    Condition("km", min=3.0),
    Condition("port", type="category", not_in=("Nice",)),
    Condition("year", type="integer", min=2010.0),
)


def test_a_value_has_one_warning_that_of_the_condition_and_the_word_that_was_sent() -> None:
    rows = [
        {"km": 1, "port": "Lund"},
        {"km": 10, "port": "Nice", "year": 2009},
        {"km": 5, "port": "Cork", "year": 2011},
    ]
    schema, beside = Schema(FEATURES, others=frozenset({"year"})), Beside()
    values = schema.parse(json.dumps(rows).encode(), max_rows=9, beside=beside)
    found = TrainingRange(FEATURES, RowFilter(CONDITIONS, FEATURES)).outside(values, beside)
    assert found is not None
    unlike = "not trained on rows like it: rows.filter keeps "
    assert found.faults == [
        Fault(0, "port", "trained on Cork", "Lund"),
        Fault(0, "km", f"{unlike}at least 3", "1"),
        Fault(1, "km", "trained on 3 to 9", "10"),
        Fault(1, "port", f"{unlike}none of Nice", "Nice"),
        Fault(1, "year", f"{unlike}at least 2010", "2009"),
    ]
    assert found.counts == {"km": 2, "port": 2, "year": 1}
    assert found.unlike is not None
    assert found.unlike.tolist() == [True, True, False]


def test_rows_like_those_of_training_have_no_warning_and_an_impossible_value_is_refused() -> None:
    known = TrainingRange(FEATURES, RowFilter(CONDITIONS, FEATURES))
    assert known.outside(np.array([[5.0, 0.0]])) is None
    assert known.outside(np.array([[5.0, 0.0], [9.0, np.nan]]), Beside()) is not None  # a condition on no missing value
    with pytest.raises(BadRows):
        known.outside(np.array([[-1.0, 0.0]]))


def test_many_warnings_are_counted_and_the_first_are_listed() -> None:
    known = TrainingRange(FEATURES, RowFilter(CONDITIONS, FEATURES))
    found = known.outside(np.tile([1.0, 1.0], (LISTED_FAULTS, 1)))
    assert found is not None
    assert len(found.faults) == LISTED_FAULTS
    assert found.counts == {"km": LISTED_FAULTS, "port": LISTED_FAULTS}
