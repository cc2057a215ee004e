from __future__ import annotations

import json
from typing import Any

import pytest

from recipeline.data.checking.numbers import FINITE
from recipeline.serving.rows import slow_path
from recipeline.serving.rows.faults import LISTED_FAULTS, BadRows
from recipeline.serving.rows.slow_path import SlowPath
from tests.serving.rows.helpers import GOOD, SCHEMA, faults, parse


@pytest.mark.parametrize(
    ("value", "rule", "got"),
    [
        ("null", "must not be null", "null"),
        ('"9.5"', "must be a number", "'9.5'"),
        ('""', "must not be null", "''"),
        ('" "', "must not be null", "' '"),
        ("true", "must be a number", "true"),
        ("NaN", FINITE, "nan"),
        ("-Infinity", FINITE, "-inf"),
        ("1e39", FINITE, "1e+39"),
        ("1e999", FINITE, "inf"),
        ("1" + "0" * 400, FINITE, "a number of more than 38 digits"),
        ("[9.5]", "must be a number", "a list"),
        ('{"alcohol": 9.5}', "must be a number", "an object"),
    ],
)
def test_a_value_that_is_no_finite_number_is_a_fault(value: str, rule: str, got: str) -> None:
    assert faults(f'[{json.dumps(GOOD)}, {{"alcohol": {value}, "pH": 3}}]'.encode()) == [(1, "alcohol", rule, got)]


def test_every_fault_of_every_row_is_told() -> None:
    found = faults([{"alcohol": None}, {"alcohol": "a", "pH": True, "ph": 3}, 7])
    assert found == [
        (0, "pH", "is required", "nothing"),
        (0, "alcohol", "must not be null", "null"),
        (1, "ph", "must be one of the model's columns", "'ph'"),
        (1, "alcohol", "must be a number", "'a'"),
        (1, "pH", "must be a number", "true"),
        (2, None, "must be an object of columns", "a number"),
    ]


def test_a_column_of_another_name_is_guessed() -> None:
    assert faults({"alcool": 9, "pH": 3})[1][3] == "'alcool'. Did you mean 'alcohol'?"
    assert faults({"ALCOHOL": 9, "pH": 3})[1][3] == "'ALCOHOL'. Did you mean 'alcohol'?"


@pytest.mark.parametrize("body", [[], "text", 3, True, None, [[1, 2]], [[GOOD]], {"rows": [GOOD]}, [None]])
def test_what_is_no_object_and_no_list_of_objects_is_a_fault(body: Any) -> None:
    assert faults(body)


def test_of_many_unknown_columns_the_words_of_few_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(slow_path, "shorten", lambda text: shown.append(text) or text)
    with pytest.raises(BadRows) as error:
        SCHEMA.parse(b"[{%s}]" % b",".join(b'"c%05d":1' % number for number in range(5000)), max_rows=100)
    assert (error.value.count, len(error.value.faults)) == (5002, LISTED_FAULTS)
    assert len(shown) <= LISTED_FAULTS


def test_rows_that_the_fast_path_takes_are_the_same_on_the_slow_one() -> None:
    slow = SlowPath(SCHEMA.features, SCHEMA.others, {})
    rows = [GOOD, {"pH": 3, "alcohol": 9.5}]
    assert slow.read(json.dumps(rows).encode(), 2)[0].tolist() == parse(rows).tolist()
    assert slow.check([[10, 3.5], [9.5, 3]]).tolist() == parse(rows).tolist()


def test_every_value_of_every_row_in_order_is_checked() -> None:
    with pytest.raises(BadRows) as caught:
        SCHEMA.check([[None, 3.5], [10, "a"]])
    assert [(fault.row, fault.field, fault.rule) for fault in caught.value.faults] == [
        (0, "alcohol", "must not be null"),
        (1, "pH", "must be a number"),
    ]
