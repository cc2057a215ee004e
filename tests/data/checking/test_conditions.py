"""Conditions of rows: on typed values, on tables of text, in the recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.data.checking.conditions import Condition, conditions_of, find_broken, keep_rows
from recipeline.data.checking.schema import FILTERED, SchemaViolations, validate_table
from recipeline.errors import DataError
from tests.conftest import as_recipe, small_recipe

NUMBERS = st.none() | st.integers(-5, 5).map(float)


def expected(value: Any, stated: dict[str, Any]) -> bool:
    """Return whether a value fulfils a condition, by its definition."""
    limits = {key: it for key, it in stated.items() if key != "missing"}
    if value is None:
        return bool(stated.get("missing", False))
    if not limits and stated.get("missing"):
        return False
    return (
        value >= limits.get("min", value)
        and value <= limits.get("max", value)
        and value in limits.get("in_", (value,))
        and value not in limits.get("not_in", ())
    )


STATED = st.fixed_dictionaries(
    {},
    optional={
        "min": st.integers(-5, 5).map(float),
        "max": st.integers(-5, 5).map(float),
        "in_": st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=3).map(tuple),
        "not_in": st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=3).map(tuple),
        "missing": st.booleans(),
    },
).filter(bool)


@given(st.lists(NUMBERS, min_size=1, max_size=8), STATED)
def test_numbers_fulfil_a_condition_alike_as_numbers_and_as_text(values: list[float | None], stated: dict[str, Any]) -> None:
    condition, wanted = Condition("a", **stated), [expected(value, stated) for value in values]
    for fields in (
        pa.array(values, pa.float64()),
        pa.array([None if it is None else f" {it:g}" for it in values], pa.string()),
    ):
        assert keep_rows([condition], {"a": fields}, len(values)).tolist() == wanted
        broken = find_broken([condition], {"a": fields})
        assert (~broken["a"]).tolist() == wanted if broken else all(wanted)


WORDS = st.none() | st.sampled_from(["Cork", "007", "7"])


@given(st.lists(WORDS, min_size=1, max_size=6), st.sampled_from(["in_", "not_in"]), st.booleans())
def test_categories_are_compared_as_text(values: list[str | None], key: str, missing: bool) -> None:
    stated: dict[str, Any] = {key: ("Cork", 7.0), "missing": missing}
    condition = Condition("a", type="category", **stated)
    wanted = [expected(value, {key: ("Cork", "7"), "missing": missing}) for value in values]
    assert keep_rows([condition], {"a": pa.array(values, pa.string())}, len(values)).tolist() == wanted


def test_dates_and_booleans_have_their_own_values() -> None:
    days = pa.array(["2009-12-31", "2010-01-01", "2010-01-01T00:30:00+01:00", "01.02.2011", ""])
    condition = Condition("day", type="datetime", min="2010-01-01", format="%d.%m.%Y")
    assert keep_rows([condition], {"day": days}, 5).tolist() == [False, True, False, True, False]
    nights = pa.array(["yes", "no", "1", ""])
    condition = Condition("night", type="boolean", in_=(True,))
    assert keep_rows([condition], {"night": nights}, 4).tolist() == [True, False, True, False]


def test_what_cannot_be_read_or_is_not_there_breaks_no_condition() -> None:
    condition = Condition("a", min=3.0)
    assert keep_rows([condition], {"a": pa.array(["1", "x", "5"])}, 3).tolist() == [False, True, True]
    assert keep_rows([condition], {"b": pa.array(["1"])}, 1).tolist() == [True]
    assert keep_rows([condition], {"a": pa.array([True])}, 1).tolist() == [True]  # a fault of the column's type
    target = Condition("a", min=3.0, is_target=True)
    assert keep_rows([target], {"a": pa.array([1.0, None, 5.0])}, 3).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"min": 2010.0}, "at least 2010"),
        ({"min": 1.5, "max": 3.0, "unit": "km"}, "at least 1.5 km and at most 3 km"),
        ({"in_": ("Cork", "Kiel"), "type": "category", "missing": True}, "one of Cork, Kiel or no value"),
        ({"not_in": tuple(map(float, range(12)))}, "none of 0, 1, 2, 3, 4, 5, 6, 7 and 4 more"),
        ({"in_": (True,), "type": "boolean"}, "one of true"),
        ({"missing": True}, "no value"),
        ({"missing": False}, "any value that is not missing"),
    ],
)
def test_a_condition_is_told_in_words(stated: dict[str, Any], words: str) -> None:
    assert Condition("a", **stated).words == words
    assert Condition("a", **stated).rule == f"not trained on rows like it: rows.filter keeps {words}"


# --- tables --------------------------------------------------------------------------------------------------------------


def filtered(**conditions: Any) -> Any:
    return as_recipe(small_recipe() | {"rows": {"filter": conditions}})


def test_a_table_lacks_the_rows_that_break_a_condition_and_counts_them(wines: pd.DataFrame) -> None:
    recipe = filtered(alcohol={"min": 10}, pH={"not_in": [3.3]}, quality={"max": 7})
    found = validate_table(wines, recipe, origin="it")
    kept = wines[(wines["alcohol"] >= 10) & (wines["pH"] != 3.3) & (wines["quality"] <= 7)]
    assert found["alcohol"].tolist() == kept["alcohol"].tolist()
    assert found.attrs[FILTERED] == len(wines) - len(kept)
    assert [it.column for it in conditions_of(recipe)] == ["alcohol", "pH", "quality"]
    assert [it.is_target for it in conditions_of(recipe)] == [False, False, True]


def test_a_row_that_is_left_out_is_not_checked_and_the_numbers_of_the_others_are_those_of_the_file(wines: pd.DataFrame) -> None:
    table = wines.astype(object)
    table.loc[0, ["alcohol", "pH"]] = "9", "broken"
    table.loc[3, ["alcohol", "pH"]] = "11", "broken"
    table.loc[4, ["alcohol", "pH"]] = "strong", 3.3
    with pytest.raises(SchemaViolations) as error:
        validate_table(table.astype(str), filtered(alcohol={"min": 10}), origin="it")
    assert list(error.value.table[["row", "column"]].itertuples(index=False, name=None)) == [(4, "pH"), (5, "alcohol")]


def test_a_table_of_which_no_row_is_kept_is_refused_with_the_reason(wines: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=f"no rows to train on: rows.filter leaves out all of its {len(wines)} rows"):
        validate_table(wines, filtered(alcohol={"min": 1000}), origin="it")
    with pytest.raises(DataError, match=r"at least \d+ rows. Got \d+ and \d+ that rows.filter leaves out"):
        validate_table(wines, filtered(alcohol={"min": float(np.sort(wines["alcohol"])[-5])}), origin="it")
