from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
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
