from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.inference.model_info import Feature
from recipeline.serving.rows.faults import BadRows, TooManyRows, UnreadableBody
from recipeline.serving.rows.mlflow_formats import parse_csv, parse_json
from recipeline.serving.rows.schema import Schema

SCHEMA = Schema((Feature("alcohol"), Feature("pH")))
ROWS = [[10.0, 3.0], [9.5, 3.25]]


def parse(body: Any) -> list[list[float]]:
    found: list[list[float]] = parse_json(json.dumps(body).encode(), SCHEMA, max_rows=100).tolist()
    return found


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["pH", "color", "alcohol"], "data": [[3, "red", 10], [3.25, None, 9.5]]}},
        {"dataframe_split": {"index": [5, 6], "columns": ["alcohol", "pH"], "data": ROWS}},
        {"dataframe_records": [{"pH": 3, "alcohol": 10, "color": "red"}, {"alcohol": 9.5, "pH": 3.25}]},
        {"instances": [{"pH": 3, "alcohol": 10}, {"alcohol": 9.5, "pH": 3.25}]},
        {"instances": ROWS},
        {"inputs": {"pH": [3, 3.25], "alcohol": [10, 9.5], "color": ["red", "red"]}},
        {"inputs": [{"pH": 3, "alcohol": 10}, {"alcohol": 9.5, "pH": 3.25}]},
        {"inputs": ROWS, "params": {}},
    ],
)
def test_mlflows_formats_give_the_rows_in_the_models_order_without_extra_columns(body: Any) -> None:
    assert parse(body) == ROWS


def test_a_single_row_of_columns_needs_no_lists() -> None:
    assert parse({"inputs": {"pH": 3, "alcohol": 10}}) == [[10.0, 3.0]]


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ([], None, "must be an object with one of"),
        ({}, None, "must have exactly one of"),
        ({"alcohol": 10, "pH": 3}, None, "/predict takes rows by column name"),
        ({"instances": [], "inputs": []}, None, "must have exactly one of"),
        ({"dataframe_split": [1]}, "dataframe_split", "columns and data"),
        ({"dataframe_split": {"columns": 3, "data": ROWS}}, "dataframe_split", "list of names"),
        ({"dataframe_split": {"columns": ["alcohol"], "data": [[1]]}}, "pH", "is required"),
        ({"dataframe_split": {"columns": ["alcohol", "pH", "pH"], "data": [[1, 2, 3]]}}, "pH", "must be unique"),
        ({"dataframe_split": {"columns": ["alcohol", "pH"], "data": [[1]]}}, None, "must have 2 values"),
        ({"dataframe_split": {"columns": ["alcohol", "pH"], "data": []}}, None, "at least one row"),
        ({"dataframe_records": {}}, "dataframe_records", "list of objects"),
        ({"dataframe_records": []}, None, "at least one row"),
        ({"dataframe_records": [3]}, "dataframe_records", "must be an object"),
        ({"dataframe_records": [{"alcohol": 1, "pH": 2}, {"alcohol": 1}]}, "pH", "must not be null"),
        ({"instances": [[1, None]]}, "pH", "must not be null"),
        ({"instances": [[1, "3"]]}, "pH", "must be a number"),
        ({"instances": [[1, 2, 3]]}, None, "must have 2 values"),
        ({"instances": 3}, "instances", "list of objects or of lists"),
        ({"inputs": {"alcohol": [1], "pH": [1, 2]}}, "inputs", "one length"),
        ({"inputs": {}}, "alcohol", "is required"),
    ],
)
def test_what_is_not_one_of_the_formats_is_a_fault(body: Any, field: str | None, rule: str) -> None:
    with pytest.raises(BadRows) as caught:
        parse(body)
    assert caught.value.faults[0].field == field
    assert rule in caught.value.faults[0].rule


def test_a_missing_column_names_the_one_that_is_meant() -> None:
    with pytest.raises(BadRows) as caught:
        parse({"inputs": {"Alcohol": [1], "pH": [1]}})
    assert "Did you mean 'Alcohol'?" in caught.value.faults[0].got


def test_csv_is_read_by_its_header() -> None:
    assert parse_csv(b"\xef\xbb\xbfpH,color,alcohol\r\n3,red,10\r\n3.25,,9.5\r\n", SCHEMA, max_rows=100).tolist() == ROWS


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"", None, "at least one row"),
        (b"alcohol,pH\n", None, "at least one row"),
        (b"alcohol pH\n1 2\n", "alcohol", "is required"),
        (b"alcohol;pH\n9,4;3\n", "alcohol", "must be a number"),
        ("alcohol,pH\n\u0669,3\n".encode(), "alcohol", "must be a number"),
        (b"alcohol,pH\n1\n", None, "must have 2 values"),
        (b"alcohol,pH\n1,\n", "pH", "must not be null"),
        (b"alcohol,pH\n1,abc\n", "pH", "must be a number"),
        (b"alcohol,pH\n1,1_000\n", "pH", "must be a number"),
        (b"alcohol,pH\n1,nan\n", "pH", "must be a number"),
        (b"alcohol,pH\n1,inf\n", "pH", "must be finite"),
    ],
)
def test_bad_csv_is_a_fault(body: bytes, field: str | None, rule: str) -> None:
    with pytest.raises(BadRows) as caught:
        parse_csv(body, SCHEMA, max_rows=100)
    assert caught.value.faults[0].field == field
    assert rule in caught.value.faults[0].rule


def test_csv_that_is_no_text_is_unreadable() -> None:
    with pytest.raises(UnreadableBody):
        parse_csv(b"\xff\xfe\x00", SCHEMA, max_rows=100)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(TooManyRows):
        parse_csv(b"alcohol,pH\n" + b"1,2\n" * 101, SCHEMA, max_rows=100)


def test_a_field_of_many_digits_that_is_no_number_stops_nobody() -> None:
    began = time.process_time()
    with pytest.raises(BadRows):
        parse_csv(b"alcohol,pH\n" + b"1" * 100_000 + b"x,3\n", SCHEMA, max_rows=100)
    assert time.process_time() - began < 3  # a minute, where each place to split the digits is tried


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = st.sampled_from(["alcohol", "pH", "columns", "data"]) | st.text(max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
formats = st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params"])


@given(st.dictionaries(formats, values, max_size=2) | values)
def test_whatever_json_is_sent_gives_finite_rows_or_faults(body: Any) -> None:
    try:
        found = parse_json(json.dumps(body).encode(), SCHEMA, max_rows=100)
    except (BadRows, TooManyRows):
        return
    assert found.shape[1] == 2
    assert np.isfinite(found).all()


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_whatever_bytes_are_sent_as_csv_give_rows_faults_or_no_csv(body: bytes) -> None:
    for sent in (body, b"alcohol,pH\n" + body):
        try:
            found = parse_csv(sent, SCHEMA, max_rows=100)
        except (BadRows, TooManyRows, UnreadableBody):
            continue
        assert np.isfinite(found).all()


@pytest.mark.parametrize("end", ["", "\n", "\n2,a\n3,b\n"])
def test_a_quote_that_is_never_closed_takes_no_rows_and_no_half_text_for_one(end: str) -> None:
    schema = Schema((Feature("km"), Feature("port", type="category", categories=("a", "b"), train_min=0.0, train_max=1.0)))
    whole = b'km,port\n0,a\n1,"a' + end.encode()
    with pytest.raises(UnreadableBody, match=r"a quote is never closed\."):
        parse_csv(whole, schema, max_rows=9)
    for last in (b'"', b'"\n', b'"\n\n'):
        assert len(parse_csv(whole + last, schema, max_rows=9)) == 2


separators = st.sampled_from([",", ";", "\t", "|"])
spaces = st.sampled_from(["", " ", "  "])


@given(separators, spaces, spaces, st.booleans(), st.permutations(["alcohol", "pH", "color"]))
def test_csv_is_read_as_files_are_whatever_separates_it(
    separator: str, before: str, after: str, quoted: bool, columns: list[str]
) -> None:
    values = {"alcohol": ["10", "9.5"], "pH": ["3", "3.25"], "color": ["red", ""]}
    lines = [columns, *[[values[name][row] for name in columns] for row in (0, 1)]]
    mark = '"' if quoted else ""
    text = "\n".join(
        separator.join(f"{before}{mark}{cell}{mark}{after if not quoted else ''}" for cell in line) for line in lines
    )
    assert parse_csv(text.encode(), SCHEMA, max_rows=100).tolist() == ROWS


WIDE = b",".join(b"c%d" % number for number in range(60_000))


@pytest.mark.parametrize(
    "body",
    [
        b"a\n" * (5 << 20),
        b"alcohol,pH\n" + b"1,2\n" * (5 << 19),
        b"alcohol,pH\n" + b"\n" * (1 << 20) + b"1,2\n" * 101,
        b"," * (10 << 20),
        b"alcohol,pH," + b"x," * (5 << 20) + b"\n1,2\n",
        WIDE + b"\n1\n",
        b'"' + b"a\n" * (5 << 20),
        b"alcohol,pH\n" + b'"' + b"a\n" * (5 << 20),
        b"alcohol,pH\n" + b"12," * (3 << 20),
        b"alcohol,pH\n" + b'"x\n",' * (2 << 20),
        b"alcohol,pH\n1,2\n" + b'"12",' * (2 << 20) + b"\n1,2\n",
    ],
    ids=[
        *("one letter", "rows", "empty lines", "commas", "wide header", "many names", "open quote", "open quote below"),
        *("one row", "one row on many lines", "one row among others"),
    ],
)
def test_ten_megabytes_of_csv_are_refused_before_much_is_made_of_them(body: bytes) -> None:
    refused_cheaply(lambda: parse_csv(body, SCHEMA, max_rows=100), 30 << 20)


@pytest.mark.parametrize(
    ("name", "one"),
    [("dataframe_records", b"{}"), ("instances", b"[]"), ("inputs", b'{"":1}'), ("rows", b"[{}]"), ("dataframe_split", b"[1]")],
)
def test_ten_megabytes_of_json_rows_are_refused_before_anything_is_made_of_them(name: str, one: bytes) -> None:
    rows = b"[" + b",".join([one] * ((10 << 20) // (len(one) + 1))) + b"]"
    value = b'{"data": ' + rows + b"}" if name == "dataframe_split" else rows
    body = b'{"%s": %s}' % (name.encode(), value)
    refused_cheaply(lambda: parse_json(body, SCHEMA, max_rows=100_000), 1 << 20)
    refused_cheaply(lambda: SCHEMA.parse(rows, max_rows=100_000), 1 << 20)


@pytest.mark.parametrize(
    "body",
    [
        '{"inputs": [[10, 3]], "inputs": [[9.5, 3.25]]}',
        '{"dataframe_records": [{"alcohol": 10, "pH": 3}], "dataframe_records": []}',
        '{"inputs": {"alcohol": [10], "pH": [3], "alcohol": [9]}}',
        '{"instances": {"alcohol": [10], "pH": [3], "pH": [3]}}',
        '{"dataframe_split": {"columns": ["alcohol", "pH"], "data": [[10, 3]], "data": [[9, 3]]}}',
        '{"dataframe_split": {"columns": ["a"], "data": [[10, 3]], "columns": ["alcohol", "pH"]}}',
        '{"instances": [{"alcohol": 10, "pH": 3, "alcohol": 9}]}',
        '{"dataframe_split": {"columns": ["alcohol", "pH", "pH"], "data": [[10, 3, 4]]}}',
    ],
)
def test_what_is_there_twice_is_a_fault_and_no_part_of_it_is_answered(body: str) -> None:
    with pytest.raises(BadRows):
        parse_json(body.encode(), SCHEMA, max_rows=100)


@pytest.mark.parametrize("value", [b"1.5", b"1"])
def test_columns_of_too_many_values_are_refused_before_they_become_rows(value: bytes) -> None:
    cells = b",".join([value] * 250_000)
    body = b'{"inputs":{"alcohol":[%s],"pH":[%s]}}' % (cells, cells)
    refused_cheaply(lambda: parse_json(body, SCHEMA, max_rows=100), 30 << 20)


def refused_cheaply(work: Callable[[], object], most_bytes: int) -> None:
    """Assert that rows are refused within a second and little memory.

    A second of the processor; the peak of what Python allocates.
    """
    tracemalloc.start()
    try:
        with pytest.raises((TooManyRows, BadRows, UnreadableBody)):
            work()
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()
    begun = time.process_time()
    with pytest.raises((TooManyRows, BadRows, UnreadableBody)):
        work()
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("name", ["a [C]", "{a}", "[{[a"])
def test_as_many_rows_as_may_be_are_taken_whatever_their_columns_are_called(name: str) -> None:
    schema, rows = Schema((Feature(name), Feature("b"))), [{name: 1, "b": 2}] * 100
    for body in (
        rows,
        {"dataframe_records": rows},
        {"instances": [[1, 2]] * 100},
        {"inputs": {name: [1] * 100, "b": [2] * 100}},
    ):
        content = json.dumps(body).encode()
        found = schema.parse(content, max_rows=100) if body is rows else parse_json(content, schema, max_rows=100)
        assert found.shape == (100, 2)
    assert parse_csv(f"{name},b\n".encode() + b"1,2\n" * 100, schema, max_rows=100).shape == (100, 2)
