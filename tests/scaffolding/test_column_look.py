from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.scaffolding.column_look import Look


def look_at(*pieces: list[object]) -> Look:
    look = Look("y")
    for piece in pieces:
        look.add(pa.array(piece), ("?",))
    return look


@pytest.mark.parametrize(
    ("values", "found", "is_of_two"),
    [
        (["0", "1", "1.0", " 0"] * 10, "number", True),
        ([0.0, 1.0] * 10, "number", True),
        ([1, 2, None] * 10, "number", True),
        ([0.5, 1.0] * 10, "number", False),
        ([0, 1, 2] * 10, "number", False),
        ([1] * 20, "number", False),
        (["yes", "no"] * 10, "boolean", False),
        ([True, False] * 10, "boolean", False),
        (["a", "b"] * 10, "category", False),
        ([f"text {place}" for place in range(20)], "", False),
        (list(range(1000)), "number", False),
    ],
)
def test_a_column_has_the_first_type_that_all_values_have(values: list[object], found: str, is_of_two: bool) -> None:
    look = look_at(values)
    assert (look.found, look.is_of_two_numbers) == (found, is_of_two)


@given(st.lists(st.lists(st.sampled_from(["a", "b", " a", "", "?"]), min_size=1), min_size=1))
def test_values_are_counted_over_all_pieces_and_missing_ones_are_none(pieces: list[list[str]]) -> None:
    look, words = look_at(*pieces), [word.strip() for piece in pieces for word in piece]
    known = [word for word in words if word not in ("", "?")]
    assert look.values == {word: known.count(word) for word in {*known}}
    assert (look.rows, look.missing) == (len(words), len(words) - len(known))


#: Texts of every kind that a look tells apart.
TEXTS = st.one_of(
    st.integers(0, 300).map(str),
    st.integers(0, 300).map("{:03}".format),
    st.integers(0, 300).map("{}%".format),
    st.integers(0, 300).map("{:,}.50 EUR".format),
    st.integers(0, 30).map("V{}".format),
    st.builds("{}{}".format, st.integers(0, 300), st.sampled_from("abcK")),
    st.sampled_from(
        ["", "?", "X", "yes", "no", "1e400", "-1e39", "9007199254740993", "2024-02-30", "31/12/2024", "0,5", "\u0663"]
    ),
    st.text(max_size=3),
)


@settings(max_examples=300)
@given(st.lists(TEXTS, min_size=1, max_size=12, unique=True), st.integers(1, 30), st.integers(0, 150))
def test_a_column_of_any_text_has_a_type_or_a_reason_why_it_has_none(texts: list[str], times: int, padded: int) -> None:
    look = look_at(texts * times + [f"{number:04}" for number in range(padded)])
    assert bool(look.found) != bool(look.fault)


@pytest.mark.parametrize("names", [50, 100])
def test_codes_that_begin_with_zeros_are_categories_however_many(names: int) -> None:
    assert look_at([f"{place % names:05}" for place in range(400)]).found == "category"


def test_too_many_codes_that_begin_with_zeros_are_no_amounts() -> None:
    codes = look_at([f"{place:05}" for place in range(400)], [f"{place:05}" for place in range(9900, 12000)])
    assert (codes.found, codes.is_number) == ("", False)
    assert codes.fault == "y: numbers of one length that begin with zeros: names, and too many for a category"
    assert look_at([*(f"{place:05}" for place in range(400)), "7", "100000"]).found == "number"


@pytest.mark.parametrize(
    ("texts", "is_number", "words"),
    [
        (["207a", "207b", "208a"], False, "y: names, and too many for a category, for example '207a'"),
        (["V57", "E10"], False, "y: names, and too many for a category, for example 'V57'"),
        (["20a", "30a"], True, "y: text in 2 of 302 rows, for example '20a': a unit in the field? Write numbers alone."),
        (["12K", "2M"], True, "y: text in 2 of 302 rows, for example '12K': a unit in the field? Write numbers alone."),
    ],
)
def test_numbers_beside_codes_are_names_and_beside_amounts_they_are_not(texts: list[str], is_number: bool, words: str) -> None:
    look = look_at([*map(str, range(100, 400)), *texts])
    assert (look.is_number, look.fault) == (is_number, words)
    few = look_at([*map(str, range(100, 130))] * 10 + texts)
    assert few.found == ("" if is_number else "category")
