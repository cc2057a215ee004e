from __future__ import annotations

from recipeline.inference.tally import BadRowsError, Tally


def test_a_tally_says_what_was_predicted_and_the_error_where_rules_are_broken() -> None:
    tally = Tally(rows=10, rejected=3)
    tally.groups.add("pH", "must be a number", "'x'", 7)
    assert (tally.predicted, tally.faults) == (7, 1)
    error = BadRowsError(tally, "rows.csv")
    assert "rows.csv must follow the rules of the model's columns, and breaks them in 1 place." in str(error)
    assert "row 7, pH: must be a number. Got 'x'" in str(error)
