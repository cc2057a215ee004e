from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recipeline.config.split import Split

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def read(**values: Any) -> Split:
    return Split.model_validate_json(json.dumps(values))


@given(st.sampled_from(sorted(UNITS)), st.integers(0, 1000), st.sampled_from(["", " "]))
def test_a_duration_is_a_gap_in_seconds_and_is_shown_as_it_is_written(unit: str, count: int, space: str) -> None:
    found = read(time="day", embargo=f"{count}{space}{unit}")
    assert found.gap == count * UNITS[unit]
    assert found.embargo_words == f"{count}{space}{unit}"
    assert found.settings()["embargo"] == f"{count}{space}{unit}"


@given(st.floats(0, 1e6))
def test_a_number_is_a_gap_in_the_columns_unit(number: float) -> None:
    found = read(time="day", embargo=number)
    assert (found.gap, found.embargo_words) == (number, f"{number:g}")


@pytest.mark.parametrize("word", ["7", "d", "-7d", "7 days", "1y", "1m", "", "7d12h", ".5d", "nan", True, None])
def test_other_words_are_no_durations(word: Any) -> None:
    with pytest.raises(ValidationError, match="embargo"):
        read(time="day", embargo=word)


def test_an_embargo_without_a_time_is_refused_and_one_of_nothing_is_none() -> None:
    with pytest.raises(ValidationError, match="embargo must come with time"):
        read(embargo="1d")
    assert read(embargo="0d").gap == 0
