from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.config.helpers import assert_refused, load


def with_filter(**conditions: Any) -> Any:
    def change(content: dict[str, Any]) -> None:
        content["columns"]["day"] = {"type": "datetime", "role": "ignore"}
        content["columns"]["port"] = {"type": "category"}
        content["columns"]["night"] = {"type": "boolean"}
        content["rows"] = {"filter": conditions}

    return change


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"alchol": {"min": 1}}, ["'rows.filter.alchol' must be one of the columns", "Did you mean 'alcohol'?"]),
        ({"alcohol": {"min": "low"}}, ["'rows.filter.alcohol.min' must be a number", "type number", "Got low"]),
        ({"alcohol": {"in": [1, True]}}, ["'rows.filter.alcohol.in' must be a number", "Got True"]),
        ({"alcohol": {"min": 3, "max": 2}}, ["'rows.filter.alcohol'", "min must not be above max", "3 and 2"]),
        ({"alcohol": {}}, ["'rows.filter.alcohol'", "give min, max, in, not_in, missing"]),
        ({"alcohol": {"is": 3}}, ["'rows.filter.alcohol.is' is not a known key", "Known: min, max, in, not_in, missing"]),
        ({"alcohol": {"in": []}}, ["'rows.filter.alcohol.in'", "at least 1 item"]),
        ({"port": {"min": "a"}}, ["'rows.filter.port.min' is for columns of the types number, integer, datetime", "category"]),
        ({"port": {"not_in": [True]}}, ["'rows.filter.port.not_in' must be text"]),
        ({"night": {"in": ["yes"]}}, ["'rows.filter.night.in' must be true or false", "Got yes"]),
        ({"day": {"min": "May"}}, ["'rows.filter.day.min' must be a date in ISO 8601", "Got May"]),
        ({"day": {"min": "2010-02-30"}}, ["'rows.filter.day.min' must be a date"]),
        ({"day": {"min": "2011-01-01", "max": "2010-12-31"}}, ["min must not be above max", "2011-01-01 and 2010-12-31"]),
        ({"day": {"min": "2011-01-01T10:00:00Z", "max": "2011-01-01 10:30+02:00"}}, ["min must not be above max"]),
        ({"day": {"min": 2010}}, ["'rows.filter.day.min' must be a date"]),
        ("alcohol >= 10", ["'rows.filter'", "an object"]),
    ],
)
def test_a_condition_on_no_column_or_of_another_type_is_refused(tmp_path: Path, conditions: Any, words: list[str]) -> None:
    def change(content: dict[str, Any]) -> None:
        with_filter()(content)
        content["rows"]["filter"] = conditions

    assert_refused(tmp_path, change, words)


def test_all_wrong_conditions_are_named_at_once(tmp_path: Path) -> None:
    assert_refused(tmp_path, with_filter(alchol={"min": 1}, port={"max": 1}), ["alchol", "rows.filter.port.max"])


def test_conditions_are_of_the_columns_types(tmp_path: Path) -> None:
    conditions = {
        "alcohol": {"min": 1, "max": 2.5, "not_in": [2]},
        "port": {"in": ["Cork", 7]},
        "night": {"in": [True]},
        "day": {"min": "2010-01-01", "max": "2011-01-01T10:00:00Z", "missing": True},
    }
    found = load(tmp_path, with_filter(**conditions)).rows.filter
    assert (found["alcohol"].max, found["port"].in_, found["day"].missing) == (2.5, ("Cork", 7.0), True)
