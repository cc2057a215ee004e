"""Typed values of tables: text and Arrow types give the same values.

Faults are told apart from missing values.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.table import Column
from recipeline.data.checking.schema import SchemaViolations, validate_table
from recipeline.data.kinds.datetime import as_dates, as_seconds
from recipeline.data.kinds.described import DescribedValues
from recipeline.data.kinds.every import KINDS
from recipeline.data.relating.grouping import row_groups
from recipeline.records import read_record, to_plain
from tests.conftest import as_recipe, small_recipe

DATES = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)


def typed(name: str, fields: Any, na: tuple[str, ...] = (), **rules: Any) -> list[Any]:
    """Return the typed values that a kind reads, NaN and NaT as None."""
    column = Column.model_validate({"type": name, **rules})
    array = fields if isinstance(fields, pa.Array) else pa.array(fields, pa.string())
    read = KINDS[name].read(array, na, column)
    assert not (read.missing & read.unreadable).any()
    series = KINDS[name].series(read.typed)
    return [None if missing else value for value, missing in zip(series.tolist(), series.isna(), strict=True)]


def faults(name: str, texts: list[Any], **rules: Any) -> list[tuple[str, int]]:
    """Return the rules that text breaks, with the place of the row."""
    column = Column.model_validate({"type": name, **rules})
    read = KINDS[name].read(pa.array(texts, pa.string()), ("NA",), column)
    return [(rule, int(row)) for rule, rows in KINDS[name].broken(read, column) for row in np.flatnonzero(rows)]


def test_leading_zeros_of_a_category_stay() -> None:
    assert typed("category", ["007", " 7 ", "", None, "NA"], ("NA",)) == ["007", "7", None, None, None]


@pytest.mark.parametrize("array", [pa.array([7, None]), pa.array([7.0, None]), pa.array(["7", None]).dictionary_encode()])
def test_a_category_is_its_text_whatever_type_a_file_has(array: pa.Array) -> None:
    assert typed("category", array) == ["7", None]


@pytest.mark.parametrize("size", [pa.float16(), pa.float32(), pa.float64()])
def test_a_number_as_a_category_is_written_as_short_as_its_type_allows(size: pa.DataType) -> None:
    array = pa.array([0.5, 7.25, 7.0, None], size)
    assert typed("category", array) == ["0.5", "7.25", "7", None]
    assert typed("category", pa.array(np.array([0.1, 1.1], size.to_pandas_dtype()))) == ["0.1", "1.1"]


def test_booleans_are_read_from_words_numbers_and_booleans() -> None:
    assert typed("boolean", ["Yes", "no", "TRUE", "0", "", "1.0"]) == [1, 0, 1, 0, None, 1]
    assert typed("boolean", pa.array([True, None, False])) == [1, None, 0]
    assert typed("boolean", pa.array([1, 0])) == [1, 0]
    assert faults("boolean", ["maybe", "2", "yes"]) == [("must be true or false", 0), ("must be true or false", 1)]


@given(st.lists(DATES, min_size=1, max_size=5))
def test_dates_are_the_same_out_of_text_and_out_of_a_timestamp(dates: list[datetime]) -> None:
    expected = [pd.Timestamp(date) for date in dates]
    assert typed("datetime", [date.isoformat(" ") for date in dates]) == expected
    assert typed("datetime", [f"{date.isoformat()}Z" for date in dates]) == expected
    assert typed("datetime", pa.array(dates, pa.timestamp("us"))) == expected
    assert typed("datetime", pa.array(dates, pa.timestamp("us", "UTC"))) == expected


@given(DATES, st.integers(-14 * 60, 14 * 60))
def test_a_time_with_a_zone_is_the_time_in_utc(date: datetime, minutes: int) -> None:
    zoned = date.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert typed("datetime", [zoned.isoformat()]) == [pd.Timestamp(zoned.astimezone(UTC).replace(tzinfo=None))]


BEYOND = ["0000-01-01", "0001-01-01T00:00+12:00", "9999-12-31T23:59-12:00"]


@pytest.mark.parametrize("text", BEYOND)
def test_a_date_that_no_calendar_of_python_has_is_none(text: str) -> None:
    assert faults("datetime", [text, "0001-01-01", "9999-12-31"]) == [("must be a date", 0)]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([10**13, 0, None], pa.timestamp("s")),
        pa.array([-(10**15), 0, None], pa.timestamp("ms", "UTC")),
        pa.array([253_402_300_800_000_000, 0, None], pa.timestamp("us")),
        pa.array([10**8, 0, None], pa.date32()),
    ],
)
def test_a_date_of_a_file_beyond_the_calendar_is_refused_and_shown(values: pa.Array) -> None:
    assert typed("datetime", values) == [None, pd.Timestamp(0), None]
    read = KINDS["datetime"].read(values, (), Column(type="datetime"))
    assert (read.unreadable.tolist(), read.missing.tolist()) == ([True, False, False], [False, False, True])
    recipe = as_recipe(small_recipe() | {"columns": {"when": {"type": "datetime", "nullable": True}, "quality": {}}})
    table = pa.table({"when": values, "quality": [1.0, 2.0, 3.0]})
    with pytest.raises(SchemaViolations, match="must be a date"):
        validate_table(table, recipe, origin="rows", is_all=False)


@given(st.datetimes(datetime(1834, 1, 1), datetime(2106, 1, 1)))
def test_seconds_are_exact_to_the_microsecond(date: datetime) -> None:
    dates = np.array([date, "NaT"], dtype="datetime64[us]")
    np.testing.assert_array_equal(as_dates(as_seconds(dates)), dates)


def test_a_format_is_read_first_and_iso_8601_after_it() -> None:
    found = typed("datetime", ["31/12/2024 08:30", "2024-12-31"], format="%d/%m/%Y %H:%M")
    assert found == [pd.Timestamp("2024-12-31 08:30"), pd.Timestamp("2024-12-31")]


@pytest.mark.parametrize("text", ["2024-02-30", "yesterday", "2024-13-01", "20240101", "2024-01-01 25:00", "1", "2024-1-1"])
def test_what_is_no_date_breaks_the_rule_of_dates(text: str) -> None:
    assert faults("datetime", [text]) == [("must be a date", 0)]


def test_values_that_a_category_must_have_are_told() -> None:
    assert faults("category", ["a", "c", ""], values=("a", "b")) == [("must not be missing", 2), ("must be one of a, b", 1)]


@pytest.mark.parametrize("name", KINDS)
def test_made_up_values_break_no_rule_and_have_an_order(name: str) -> None:
    drawn = KINDS[name].draw(Column.model_validate({"type": name}), np.random.default_rng(0), 60)
    numbers = KINDS[name].as_numbers(drawn)
    assert numbers.dtype == float
    assert len(np.unique(numbers)) == drawn.nunique() > 1
    assert drawn.iloc[np.argsort(numbers, kind="stable")].is_monotonic_increasing
    assert faults(name, [str(value) for value in drawn]) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_profile_counts_what_is_there_and_nothing_where_nothing_is(name: str) -> None:
    import json

    drawn = KINDS[name].draw(Column.model_validate({"type": name}), np.random.default_rng(0), 60)
    for column in (drawn, drawn.head(0)):
        found = KINDS[name].describe(column)
        assert read_record(DescribedValues, json.loads(json.dumps(to_plain(found), allow_nan=False))) == found
        assert found.distinct == column.nunique()


@given(st.lists(st.tuples(WORDS, DATES, st.floats(-1e3, 1e3)), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_key_of_a_row_depends_on_its_values_alone(rows: list[tuple[str, datetime, float]], random: Any) -> None:
    frame = pd.DataFrame(
        {
            "word": KINDS["category"].series(np.array([row[0] for row in rows], dtype=object)),
            "date": pd.Series([row[1] for row in rows]).astype("datetime64[us]"),
            "number": [row[2] for row in rows],
        }
    )
    keys = row_groups(frame)
    order = random.sample(range(len(rows)), len(rows))
    shuffled = frame.iloc[order][["number", "date", "word"]]
    np.testing.assert_array_equal(row_groups(shuffled), keys[order])
    assert len(set(keys)) == len(frame.drop_duplicates())


def test_a_missing_value_is_equal_to_a_missing_value_and_to_nothing_else() -> None:
    words = KINDS["category"].series(np.array([None, None, "nan", "None", "a"], dtype=object))
    assert len(set(row_groups(pd.DataFrame({"word": words})))) == 4


def test_free_text_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="category where each value is a name"):
        Column.model_validate({"type": "text"})


OTHERS = [{"type": "category", "min": 1}, {"type": "number", "values": ("a",)}, {"unit": "g", "type": "datetime"}]


@pytest.mark.parametrize("own", OTHERS)
def test_a_setting_of_another_type_is_refused(own: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is a setting of columns of the type"):
        Column.model_validate(own)


def test_quotes_behind_spaces_are_no_part_of_a_value_of_any_kind() -> None:
    assert typed("category", [' "Paris" ', '  ""', '"as it is"']) == ["Paris", None, '"as it is"']
    assert typed("boolean", [' "yes"']) == [1]
    assert typed("datetime", [' "2024-01-01"']) == [pd.Timestamp("2024-01-01")]
    assert typed("number", [' "1.5"']) == [1.5]
