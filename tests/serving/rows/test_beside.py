from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline.inference.model_info import Feature
from recipeline.serving.logs.background import as_line
from recipeline.serving.rows.beside import UNSAID, Beside
from recipeline.serving.rows.mlflow_formats import parse_csv, parse_json
from recipeline.serving.rows.schema import Schema

PORTS = {"type": "category", "categories": ("Cork", "Kiel"), "train_min": 0.0, "train_max": 1.0}
SCHEMA = Schema(
    (Feature("km"), Feature("port", **PORTS)),
    others=frozenset({"person", "day", "secret"}),
    private=frozenset({"secret"}),
)
ROWS: list[dict[str, Any]] = [
    {"km": 1, "port": "Cork", "person": 7, "day": "2024-05-01", "secret": "x"},
    {"km": 2.5, "port": " Nice ", "person": None},
    {"km": 3, "port": "Nice, 2"},
]


def told(beside: Beside) -> tuple[dict[tuple[int, int], str], list[dict[str, Any]]]:
    return beside.words, [beside.of_row(row) for row in range(len(ROWS))]


WORDS = {(1, 1): "Nice", (2, 1): "Nice, 2"}
OTHERS = [{"person": 7, "day": "2024-05-01"}, {"person": None}, {}]


def test_a_body_of_json_says_words_and_other_columns_on_the_fast_and_on_the_slow_path() -> None:
    for body in (json.dumps(ROWS), json.dumps(ROWS).replace("Cork", "\\u0043ork")):
        beside = Beside()
        values = SCHEMA.parse(body.encode(), max_rows=9, beside=beside)
        assert values.tolist() == [[1, 0], [2.5, 2], [3, 2]]
        assert told(beside) == (WORDS, OTHERS)
        assert SCHEMA.show(values, beside)[1] == [2.5, "Nice"]


def test_mlflows_formats_and_csv_say_the_same_of_rows_that_have_all_columns() -> None:
    rows = [{"km": 1, "port": "Cork", "person": "7", "secret": "x"}, {"km": 2, "port": "Nice", "person": None, "secret": "y"}]
    columns = list(rows[0])
    bodies = [
        {"dataframe_records": rows},
        {"dataframe_split": {"columns": columns, "data": [list(row.values()) for row in rows]}},
        {"instances": rows},
        {"inputs": {name: [row[name] for row in rows] for name in columns}},
    ]
    found = []
    for body in bodies:
        beside = Beside()
        parse_json(json.dumps(body).encode(), SCHEMA, max_rows=9, beside=beside)
        found.append((beside.words, beside.others))
    beside = Beside()
    parse_csv(b"km,port,person,secret\n1,Cork,7,x\n2,Nice,,y\n", SCHEMA, max_rows=9, beside=beside)
    found.append((beside.words, beside.others))
    assert found == [({(1, 1): "Nice"}, {"person": ["7", None]})] * 5


def test_what_is_no_single_value_or_very_long_counts_as_not_sent() -> None:
    beside = Beside()
    beside.add("a", [[1], {"b": 2}, "x" * 1001, UNSAID])
    beside.add("b", [[1], "x" * 1000, True, None])
    assert beside.others == {"b": [UNSAID, "x" * 1000, True, None]}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers() | st.integers(min_value=10**15, max_value=10**400),
    lambda value: st.lists(value) | st.dictionaries(st.text(), value),
    max_leaves=3,
)


@given(JSON, JSON)
@example(2**64, -(2**63) - 1)
@example(10**400, "\U0001f600")
def test_whatever_another_column_has_the_log_can_have_and_every_door_says_the_same(value: Any, other: Any) -> None:
    rows = [{"km": 1, "port": "Nice", "person": value}, {"km": 2, "port": "Cork", "person": other}]
    found = []
    for parse, body in ((SCHEMA.parse, rows), (parse_records, {"dataframe_records": rows})):
        beside = Beside()
        parse(json.dumps(body).encode(), max_rows=99, beside=beside)
        found.append([as_line(beside.of_row(row)) for row in range(2)])
    assert found[0] == found[1]


def parse_records(body: bytes, **options: Any) -> object:
    return parse_json(body, SCHEMA, **options)


def test_a_key_twice_or_of_no_column_is_refused_beside_other_columns_too() -> None:
    from recipeline.serving.rows.faults import BadRows

    for body in (b'{"km":1,"port":"Cork","person":1,"person":2}', b'{"km":1,"port":"Cork","persn":1}'):
        with pytest.raises(BadRows):
            SCHEMA.parse(body, max_rows=9)
