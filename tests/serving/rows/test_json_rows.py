from __future__ import annotations

import math

import orjson
import pytest

from recipeline.inference.model_info import Feature
from recipeline.serving.rows.faults import UnreadableBody
from recipeline.serving.rows.json_rows import read_json
from recipeline.serving.rows.schema import Schema
from tests.serving.rows.helpers import faults, parse


@pytest.mark.parametrize("body", [b'{"alcohol": 1, "alcohol": 2, "pH": 3}', b'[{"alcohol": 1, "pH": 3, "\\u0061lcohol": 1}]'])
def test_a_column_that_is_there_twice_is_a_fault(body: bytes) -> None:
    assert faults(body) == [(0, "alcohol", "must be unique", "a repeated key")]


def test_a_column_with_a_quotation_mark_in_its_name_is_read_too() -> None:
    schema = Schema((Feature('a "b"'),))
    assert parse({'a "b"': 2}, schema).tolist() == [[2.0]]
    assert faults(b'{"a \\"b\\"": 1, "a \\"b\\"": 2}', schema)[0][2] == "must be unique"


@pytest.mark.parametrize("body", [b"", b"{", b"alcohol=9", b"\xff\xfe", b'{"alcohol": 9,}', b"[" * 5000, b"1" * 5000])
def test_what_is_no_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBody, match=r"^The (JSON )?body (is not|is nested|has)"):
        parse(body, max_rows=10_000)


def test_an_object_remembers_the_keys_that_it_repeats_at_any_depth() -> None:
    outer = read_json(b'{"a": 1, "b": {"c": 1, "c": 2}, "a": 3, "a": 4}')
    assert (outer, outer.repeated) == ({"a": 4, "b": {"c": 2}}, ("a",))
    assert outer["b"].repeated == ("c",)
    assert read_json(b'{"a": 1}').repeated == ()


def test_numbers_that_json_does_not_have_are_read_as_the_floats_they_are() -> None:
    nothing, below, above = read_json(b"[NaN, -Infinity, Infinity]")
    assert math.isnan(nothing)
    assert (below, above) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"\xff", "is not UTF-8 at byte 0"),
        (b'{\n  "a": }', "at line 2, column 8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 5000, "a number with too many digits"),
    ],
)
def test_where_a_body_is_no_json_is_told(body: bytes, words: str) -> None:
    with pytest.raises(UnreadableBody, match=words):
        read_json(body)


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r'{"\uDfFf": 1}', r'[["x\ud83d\u0041"]]'])
def test_half_a_character_is_unreadable_for_every_reader(text: str) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)
    with pytest.raises(UnreadableBody, match="half a character"):
        read_json(text.encode())


def test_two_halves_and_what_only_looks_like_one_are_read() -> None:
    assert read_json(rb'["\ud83d\ude00", "\\ud800", NaN]')[:2] == ["\U0001f600", "\\ud800"]
