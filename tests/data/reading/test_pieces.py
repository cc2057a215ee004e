from __future__ import annotations

from recipeline.data.reading.pieces import Ragged


def test_a_line_that_is_no_row_says_its_fault_as_a_sentence() -> None:
    assert Ragged(3, ("1", ""), "must have 2 fields", "1").fault == "must have 2 fields. Got 1 instead."
