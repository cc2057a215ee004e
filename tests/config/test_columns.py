from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.columns import MOST_OF_A_RANGE, is_nameless, matches, refuse_names, spell_out, write_ranges
from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError
from tests.config.helpers import assert_refused, load


def test_a_type_alone_is_a_column_and_a_range_is_many_of_them(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["columns"] |= {"site": "category", "gene {08..10}": "number", "gene 09": {"max": 3}}

    columns = load(tmp_path, change).columns
    assert columns["site"].type == "category"
    assert {"gene 08", "gene 09", "gene 10"} < set(columns)
    assert columns["gene 09"].max == 3


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_two_ranges_are_refused_where_a_column_is_in_both_and_one_that_goes_down_is_none(
    a: int, b: int, c: int, d: int
) -> None:
    columns = {f"x {{{a}..{b}}}": {}, f"x {{{c}..{d}}}": {"min": 0}}
    falls, same = a > b or c > d, (a, b) == (c, d)
    overlaps = not falls and not same and max(a, c) <= min(b, d)
    faults = refuse_names(columns)
    assert bool(faults) == (falls or overlaps)
    if overlaps:
        assert f"'x {{{a}..{b}}}' and 'x {{{c}..{d}}}' both stand for the column 'x {max(a, c)}'" in faults[0]
    if not faults:
        assert set(write_ranges(columns)) == {f"x {number}" for number in (*range(a, b + 1), *range(c, d + 1))}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x {5..1}": "number"}, ["'columns'", "'x {5..1}' must have its lower number first. Got {5..1}"]),
        ({"x {1..20000}": "number"}, ["at most. Got 20,000", f"{MOST_OF_A_RANGE:,} columns"]),
        ({"x {1..5}": "number", "x {4..9}": "integer"}, ["'x {1..5}' and 'x {4..9}' both stand for the column 'x 4'"]),
        ({"x {1..5}": "number", "x *": "integer"}, ["'x {1..5}' and 'x *' both stand for the column 'x 1'"]),
        ({"x *": {"role": "weight"}}, ["'x *' is a pattern, and a weight is one column"]),
    ],
)
def test_keys_that_stand_for_no_column_or_for_one_twice_are_refused(
    tmp_path: Path, columns: dict[str, Any], words: list[str]
) -> None:
    assert_refused(tmp_path, lambda content: content["columns"].update(columns), words)


def test_the_target_and_the_columns_of_the_split_are_none_of_a_pattern(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["columns"]["x *"] = "number"
        content["split"] = {"group": "x *"}

    assert_refused(tmp_path, change, ["'split.group' must be one of the columns"])


def wide(tmp_path: Path, *patterns: str) -> Recipe:
    return load(tmp_path, lambda content: content["columns"].update(dict.fromkeys(patterns, "number")))


def test_a_pattern_stands_for_the_columns_of_a_table_in_its_order_and_an_own_entry_goes_before(tmp_path: Path) -> None:
    recipe = wide(tmp_path, "gene *", "p*H")
    found = recipe.with_columns(["gene b", "alcohol", "gene a", "Unnamed: 0", "prediction", "pH"])
    assert found == recipe.with_columns(["gene b", "alcohol", "gene a", "pH", "probability_pH", "recipeline.pH"])
    assert [name for name in found.columns if name.startswith("gene")] == ["gene b", "gene a"]
    assert found.patterns == ("p*H",)  # matches none: pH has an entry of its own
    assert found.stated is recipe
    assert found.with_columns(["gene c"]).features[-2:] == ("gene c", "p*H")
    assert found.part(["columns"]) == recipe.part(["columns"])
    assert len(recipe.with_stand_ins(5).features) == len(recipe.features) + 8


def test_two_patterns_that_match_one_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Got 'gene \*' and '\* 1' for 'gene 1' instead\. Give 'gene 1' an entry"):
        wide(tmp_path, "gene *", "* 1").with_columns(["gene 1", "gene 2"])


@pytest.mark.parametrize(
    ("name", "pattern", "is_match"),
    [
        ("gene 1", "gene *", True),
        ("gene", "gene *", False),
        ("gene ", "gene *", True),
        ("a.b", "a.*", True),
        ("axb", "a.*", False),
        ("[x] 1 (b)", "[x] * (b)", True),
        ("anything", "*", True),
    ],
)
def test_only_a_star_stands_for_other_text(name: str, pattern: str, is_match: bool) -> None:
    assert matches(name, pattern) is is_match


def test_columns_without_a_name_are_told_apart() -> None:
    assert [is_nameless(name) for name in ("Unnamed: 0", "Unnamed: 3_level_1", "__index_level_0__", "Unnamed")] == [
        *[True] * 3,
        False,
    ]


def test_a_name_that_would_stand_for_several_columns_is_spelled_otherwise_and_once() -> None:
    assert spell_out(["a", "b"]) == {}
    assert spell_out(["*", "_", "a*", "x {1..3}"]) == {"*": "__", "a*": "a_", "x {1..3}": "x (1..3)"}
    assert spell_out(["*", "_*", "__"]) == {"*": "_", "_*": "___"}
