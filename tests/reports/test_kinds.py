"""Cards of every kind: a line of the schema and bars, from the column profile."""

from __future__ import annotations

import numpy as np
import pytest

from recipeline.config.table import Column
from recipeline.data.kinds.every import KINDS as TABLES
from recipeline.reports.kinds.every import KINDS


@pytest.mark.parametrize("name", KINDS)
def test_the_profile_of_a_column_has_a_line_and_bars(name: str) -> None:
    drawn = TABLES[name].draw(Column.model_validate({"type": name}), np.random.default_rng(0), 60)
    found = TABLES[name].describe(drawn)
    assert len(KINDS[name].spread(found)) == 5
    counts, ends = KINDS[name].bars(found)
    assert counts.sum() == 60
    assert " to " in ends or name == "boolean"
    empty, words = KINDS[name].bars(TABLES[name].describe(drawn.head(0)))
    assert empty.sum() == 0
    assert isinstance(words, str)


def test_values_of_json_are_points_of_an_axis() -> None:
    assert KINDS["boolean"].points([True, False]) == ["true", "false"]
    assert KINDS["datetime"].points(["2024-01-01"]) == [np.datetime64("2024-01-01")]
    assert KINDS["category"].points(["a"]) == ["a"]
