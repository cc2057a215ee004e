from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.data.checking.numbers import FINITE
from recipeline.inference.model_info import Feature, ModelInfo, Target
from recipeline.serving.rows.faults import LISTED_FAULTS, BadRows, Fault, TooManyRows, UnreadableBody
from recipeline.serving.rows.schema import Schema
from tests.serving.rows.helpers import GOOD, SCHEMA, faults, parse


def test_an_object_is_one_row_in_the_models_order_and_integers_are_numbers() -> None:
    assert parse({"pH": 3, "alcohol": 10}).tolist() == [[10.0, 3.0]]


def test_a_list_of_objects_is_rows() -> None:
    assert parse([GOOD, {"pH": 3.25, "alcohol": 9.5}]).tolist() == [[10.0, 3.5], [9.5, 3.25]]


def test_too_many_rows_are_refused_before_they_are_looked_at() -> None:
    with pytest.raises(TooManyRows):
        parse([None] * 11, max_rows=10)
    assert len(parse([GOOD] * 10, max_rows=10)) == 10


def test_a_nullable_column_takes_null_as_nan_and_no_other_nan() -> None:
    schema = Schema((Feature("a", nullable=True), Feature("b")))
    assert math.isnan(parse({"a": None, "b": 1}, schema)[0, 0])
    assert faults(b'{"a": NaN, "b": 1}', schema) == [(0, "a", FINITE, "nan")]


def test_a_whole_number_is_asked_for_where_the_column_is_one() -> None:
    schema = Schema((Feature("n", type="integer"),))
    assert parse({"n": 3.0}, schema).tolist() == [[3.0]]
    assert faults({"n": 3.5}, schema) == [(0, "n", "must be a whole number", "3.5")]


def test_what_lies_outside_of_the_training_rows_is_told_with_their_range() -> None:
    found = SCHEMA.outside(np.array([[10, 3.0], [7.5, 3.0], [0, 9.0]]))
    assert found is not None
    assert found.counts == {"alcohol": 2, "pH": 1}
    assert found.faults == [
        Fault(1, "alcohol", "trained on 8 to 15 % vol", "7.5"),
        Fault(2, "alcohol", "trained on 8 to 15 % vol", "0"),
        Fault(2, "pH", "trained on 2.7 to 4", "9"),
    ]
    assert SCHEMA.outside(np.array([[8, 2.7], [15, 4]])) is None


def test_all_that_lies_outside_is_counted_also_beyond_what_is_listed() -> None:
    found = SCHEMA.outside(np.array([[7.5, 9.0]] * 700))
    assert found is not None
    assert len(found.faults) == LISTED_FAULTS == 1000
    assert found.counts == {"alcohol": 700, "pH": 700}


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES_OF = st.text(max_size=8)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(VALUES_OF, inner, max_size=3))
names = st.sampled_from(["alcohol", "pH"]) | st.text(max_size=3)
rows = st.lists(st.dictionaries(names, scalars | values, max_size=3) | values, max_size=4)


@given(rows | values)
def test_whatever_json_is_sent_gives_finite_rows_or_faults(body: Any) -> None:
    try:
        found = parse(json.dumps(body).encode())
    except (BadRows, TooManyRows):
        return
    assert np.isfinite(found).all()
    sent = [body] if isinstance(body, dict) else body
    assert found.tolist() == [[float(row["alcohol"]), float(row["pH"])] for row in sent]


@given(st.binary(max_size=60))
def test_whatever_bytes_are_sent_give_rows_faults_or_no_json(body: bytes) -> None:
    try:
        found = parse(body)
    except (BadRows, TooManyRows, UnreadableBody):
        return
    assert found.shape[1] == 2


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it))
)
def test_a_column_that_is_no_feature_may_be_there_with_anything_in_it(value: Any) -> None:
    schema = Schema((Feature("a"), Feature("b")), others=frozenset({"person"}))
    row = {"a": 1, "b": 2}
    assert parse([row | {"person": value}, row], schema).tolist() == [[1, 2], [1, 2]]
    assert faults({**row, "person": value, "persom": 1}, schema) == [
        (0, "persom", "must be one of the model's columns", "'persom'")
    ]


def test_a_description_says_which_columns_are_no_features() -> None:
    info = ModelInfo(Target("y"), (Feature("a"),), other_columns=("person",))
    assert Schema.of(info).others == {"person"}
    assert Schema.of(replace(info, other_columns=())).others == set()
