"""The errors of a cluster, in one line."""

from __future__ import annotations

from recipeline.engine.dask_batch import reason_of


def test_the_words_of_an_error_are_one_line_without_a_full_stop_and_never_empty() -> None:
    assert reason_of(ValueError("one\n  two.")) == "one two"
    assert reason_of(TimeoutError()) == "TimeoutError"
    assert len(reason_of(ValueError("x" * 1000))) == 300
