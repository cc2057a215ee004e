from __future__ import annotations

import pytest

from recipeline.serving.rows.faults import LISTED_FAULTS, BadRows, Fault, Faults, describe, kind_of, no_rows
from tests.serving.rows.helpers import faults, parse


def test_faults_are_counted_and_so_many_are_listed() -> None:
    with pytest.raises(BadRows) as caught:
        parse([{}] * LISTED_FAULTS, max_rows=10**6)
    assert caught.value.count == 2 * LISTED_FAULTS
    assert len(caught.value.faults) == LISTED_FAULTS


def test_a_long_text_is_shortened_and_its_control_characters_are_shown_as_such() -> None:
    got = faults({"alcohol": "x\n\x1b[31m" + "y" * 1000, "pH": 3})[0][3]
    assert len(got) < 50
    assert got.isprintable()


def test_further_faults_are_counted_when_there_is_no_room_for_them() -> None:
    faults = Faults(Fault(row, "a", "must be a number", "null") for row in range(LISTED_FAULTS + 3))
    assert (faults.count, len(faults.listed), faults.full) == (LISTED_FAULTS + 3, LISTED_FAULTS, True)
    assert not Faults().full
    assert BadRows(faults).count == LISTED_FAULTS + 3
    assert BadRows(no_rows()).faults == (no_rows(),)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (9.5, "9.5"),
        (10**50, "a number of more than 38 digits"),
        ("a", "'a'"),
        ([1], "a list"),
        ({}, "an object"),
    ],
)
def test_a_value_is_described_in_few_words(value: object, words: str) -> None:
    assert describe(value) == words


@pytest.mark.parametrize(("value", "kind"), [(None, "null"), ("a", "text"), (True, "a boolean"), (1, "a number")])
def test_the_kinds_of_json_are_told_apart(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_fault_is_plain_values() -> None:
    assert Fault(0, "a", "is required", "nothing").as_dict() == {
        "row": 0,
        "field": "a",
        "rule": "is required",
        "got": "nothing",
    }
