"""Codes: values come back from them, and those of JSON and tables agree."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline.config.table import Column
from recipeline.data.kinds.every import KINDS as TABLES
from recipeline.inference.columns import Columns
from recipeline.inference.kinds.every import KINDS
from recipeline.inference.model_info import Feature


def learned(name: str, rows: int = 200, **rules: Any) -> tuple[Feature, pd.Series]:
    """Return a feature of a kind with made-up training values, some of them missing."""
    column = TABLES[name].draw(Column.model_validate({"type": name, **rules}), np.random.default_rng(1), rows)
    column = column.mask(np.arange(rows) % 7 == 0)
    return Feature("x", type=name, nullable=True, **vars(KINDS[name].learn(column))), column


@pytest.mark.parametrize("name", KINDS)
def test_values_come_back_from_their_codes(name: str) -> None:
    feature, column = learned(name)
    codes = feature.kind.encode(column, feature)
    assert codes.dtype == np.float64
    pd.testing.assert_series_equal(feature.kind.decode(codes, feature), column, check_names=False)
    np.testing.assert_array_equal(np.isnan(codes), column.isna())
    low, high = feature.low, feature.high
    assert ((codes >= low) & (codes <= high))[~np.isnan(codes)].all()


@pytest.mark.parametrize("name", KINDS)
def test_a_code_shown_in_json_is_read_as_itself(name: str) -> None:
    feature, column = learned(name)
    for code in feature.kind.encode(column, feature):
        shown = json.loads(json.dumps(feature.kind.show(float(code), feature), allow_nan=False))
        assert (shown is None) == math.isnan(code)
        if shown is not None:
            assert type(shown) in feature.kind.json_types
            assert feature.kind.read(shown, feature) == (code, "")


@pytest.mark.parametrize("name", KINDS)
@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.lists(st.integers(), max_size=2))
def test_any_value_of_json_is_a_code_or_breaks_a_rule(name: str, value: Any) -> None:
    feature, _ = learned(name)
    code, rule = feature.kind.read(value, feature)
    assert isinstance(code, float)
    assert math.isfinite(code) or rule.startswith("must be")


@pytest.mark.parametrize("name", KINDS)
def test_parts_ends_and_grid_hold_rows_that_are_there(name: str) -> None:
    feature, column = learned(name)
    codes = feature.kind.encode(column, feature)
    parts = list(feature.kind.parts(codes, feature, 5))
    assert sum(int(rows.sum()) for _, _, rows in parts) == column.notna().sum()
    assert all(rows.any() for _, rows in feature.kind.ends(codes, feature))
    grid = feature.kind.grid(codes, feature, 20)
    assert 1 < len(grid) <= 20
    assert (np.diff(grid) > 0).all()
    nothing = np.full(3, np.nan)
    assert list(feature.kind.parts(nothing, feature, 5)) == []
    assert not any(rows.any() for _, rows in feature.kind.ends(nothing, feature))
    assert not len(feature.kind.grid(nothing, feature, 20))


@pytest.mark.parametrize(
    ("time", "has_time"), [("", False), (" 00:00:00", False), (" 00:00:01", True), (" 23:59:59.999999", True)]
)
@pytest.mark.parametrize("day", ["1969-12-31", "2024-02-29"])
def test_dates_tell_whether_one_has_a_time(day: str, time: str, has_time: bool) -> None:
    column = pd.Series(pd.to_datetime([day, day + time, None], format="ISO8601").astype("datetime64[us]"))
    assert KINDS["datetime"].learn(column).has_time is has_time


def test_a_value_that_training_did_not_have_is_one_code_beyond_the_range() -> None:
    feature = Feature("port", type="category", categories=("Cork", "(other)"), train_min=0, train_max=1)
    assert feature.kind.read("Kiel", feature) == feature.kind.read("Rome", feature) == (2.0, "")
    assert feature.kind.show(2.0, feature) == "((other))"
    assert feature.limits == (0, 1)
    assert feature.trained_on == "trained on Cork, (other)"


def test_a_category_that_has_a_list_of_values_takes_no_other() -> None:
    feature = Feature("port", type="category", categories=("Cork",), values=("Cork", "Kiel"))
    assert feature.kind.read("Kiel", feature) == (1.0, "")
    assert feature.kind.read("Rome", feature)[1] == "must be one of Cork, Kiel"


def test_a_date_after_the_training_rows_is_no_surprise() -> None:
    feature, _ = learned("datetime")
    assert feature.limits == (-math.inf, math.inf)
    assert feature.kind.show(0.0, feature) == "1970-01-01"


@pytest.mark.parametrize("name", KINDS)
def test_random_rows_can_be_asked(name: str) -> None:
    feature, _ = learned(name)
    share = np.linspace(-0.2, 1.2, 50)
    drawn = feature.kind.draw(feature, share, np.zeros(50, dtype=int))
    frame = Columns((feature,)).frame(drawn[:, None])
    np.testing.assert_array_equal(Columns((feature,)).matrix(frame)[:, 0], drawn)


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59.5"])
def test_every_date_that_is_read_can_be_shown(text: str) -> None:
    feature = Feature("when", type="datetime")
    code, rule = feature.kind.read(text, feature)
    assert rule == ""
    assert feature.kind.show(code, feature)[:19] == text[:19]


@pytest.mark.parametrize("text", ["0000-01-01", "9999-12-31T23:59-12:00", "0001-01-01T00:00+12:00"])
def test_a_date_that_could_not_be_shown_is_none(text: str) -> None:
    feature = Feature("when", type="datetime")
    assert feature.kind.read(text, feature)[1].startswith("must be a date")


@given(
    st.from_regex(
        r"(0000|0001|19[0-9]{2}|20[0-9]{2}|9999)-[01][0-9]-[0-3][0-9]"
        r"([ T][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,6})?)?(Z|[+-][0-2][0-9]:?[0-6][0-9])?)?",
        fullmatch=True,
    )
)
@example("2024-02-29T23:59:59.999999+14:00")
@example("0001-01-01T00:00+00:01")
@example("2024-01-01T24:00")
def test_one_date_is_read_as_a_column_of_them(text: str) -> None:
    feature = Feature("when", type="datetime")
    column = TABLES["datetime"].read(pa.array([text]), (), Column(type="datetime"))
    np.testing.assert_equal(feature.kind.read(text, feature)[0], feature.kind.encode(column.typed, feature)[0])


@pytest.mark.parametrize(
    ("values", "words"), [([0.0, 1.0], "true and false"), ([1.0, 1.0], "true alone"), ([0.0], "false alone")]
)
def test_a_boolean_is_said_to_be_trained_on_the_values_that_were_there(values: list[float], words: str) -> None:
    feature = Feature("x", type="boolean", **vars(KINDS["boolean"].learn(pd.Series(values))))
    assert feature.trained_on == f"trained on {words}"
