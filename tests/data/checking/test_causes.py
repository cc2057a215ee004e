from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from recipeline.data.checking.causes import LISTED, NO_NUMBER, Groups, cause_of, compare_names, require_numbers
from recipeline.errors import DataError


@pytest.mark.parametrize(
    ("field", "cause"),
    [
        ("3,51", "a decimal comma? Set data.decimal"),
        (" -,5 ", "a decimal comma?"),
        ("0,123", "a decimal comma?"),
        ("1,234", "a thousands separator?"),
        ("1,234.5", "a thousands separator?"),
        ("1 234 567", "a thousands separator?"),
        ("1'234", "a thousands separator?"),
        ("n/a", "a word for a missing value?"),
        ("?", "a word for a missing value?"),
        ("12 %", "a unit in the field?"),
        ("€ 12", "a unit in the field?"),
        ("2026-01-31", "a date?"),
        ("31.1.2026", "a date?"),
        ("TRUE", "yes or no?"),
        ("Rome", ""),
    ],
)
def test_a_field_that_is_no_number_has_its_likely_cause(field: str, cause: str) -> None:
    found = cause_of(field, ".").tell()
    assert found.startswith(cause)
    assert bool(found) == bool(cause)


def test_with_a_decimal_comma_the_point_is_what_is_odd() -> None:
    assert cause_of("3.51", ",").tell() == "a decimal point, contrary to data.decimal in the recipe?"
    assert cause_of("1.234,5", ",").tell().startswith("a thousands separator")


def lines(fields: list[str], more: int = 0) -> list[str]:
    groups = Groups()
    groups.add_values("pH", NO_NUMBER, pa.array(fields), np.arange(len(fields)) + 1, is_number=False)
    return groups.lines(len(fields) + more)


def test_a_column_and_a_cause_are_one_line_whatever_many_rows_have_it() -> None:
    assert lines(["3,51"] * 600) == [
        "pH is text in 600 rows, for example '3,51' in row 1: a decimal comma? Set data.decimal in the recipe."
    ]
    assert lines(["1,234", "3,51", "Rome"], more=1) == [
        "pH is text in 2 rows, for example '1,234' in row 1: a decimal comma? Set data.decimal in the recipe.",
        "row 3, pH: must be a number. Got 'Rome' instead.",
    ]
    assert lines(["Rome", "Oslo"]) == [
        "pH is text in 2 rows, for example 'Rome' in row 1: a category? State type: category for the column in the recipe."
    ]


def test_there_are_few_lines_of_many_columns_in_the_order_of_rows() -> None:
    groups = Groups()
    for number in range(50):
        groups.add(f"c{number}", "must not be missing", "nothing", 100 - number)
    found = groups.lines(1000)
    assert len(found) == LISTED
    assert found[0] == "row 51, c49: must not be missing. Got nothing instead."
    assert found[-1] == f"and {50 - LISTED + 1} more of the kind."
    assert groups.count == 50


@pytest.mark.parametrize(
    ("found", "got"),
    [
        ("PH", "'PH', in other letter case"),
        ("p\u200bH", "'p\\u200bH', with invisible characters"),
        ("p_H", "'p_H', with other marks between its words"),
        ("acid", ""),
    ],
)
def test_a_column_that_is_missing_is_looked_for_under_another_name(found: str, got: str) -> None:
    missing, other = compare_names([found], ["pH"])
    assert (missing.column, missing.got) == ("pH", got)
    assert missing.line == "pH: the column is missing." + (f" Got {got} instead." if got else "")
    assert other.partner == ("pH" if found != "acid" else "")
    assert compare_names([found, "pH"], ["pH"], may_have_others=True) == []


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("Unnamed: 0", "an index column, as pandas writes it; write the table without"),
        ("__index_level_0__", "an index column, as pandas writes it; write the table without"),
        ("Unnamed: 3", "a column without a name"),
        ("colour", "a column 'colour'"),
    ],
)
def test_a_column_too_many_is_named_by_its_cause(name: str, got: str) -> None:
    (fault,) = compare_names(["pH", name], ["pH"])
    assert (fault.rule, fault.got) == ("only the recipe's columns may be there", got)


def test_numbers_that_are_required_are_refused_with_their_cause() -> None:
    with pytest.raises(DataError, match=r"Got '3,5' in row 8 and 1 more rows instead\. A decimal comma\?"):
        require_numbers(pa.array(["1", "3,5", "4,5"]), "pH", (), rows=np.array([7, 8, 9]), label="x")
