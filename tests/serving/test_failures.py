"""Failures in the words that clients may see."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError
from recipeline.serving.failures import BUG, say_failure


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UnavailableError("The store is away.", fix="Start it."), "The store is away. Start it."),
        (MlflowException("no  such\tversion"), "no such version"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (MlflowException("half a \ud83d and \x1b[2J"), "half a \\ud83d and \\u001b[2J"),
        (KeyError("a customer's name"), BUG),
        (MlflowException("x" * 999), "x" * 300),
    ],
)
def test_an_expected_failure_is_one_line_and_a_bug_tells_nothing(error: Exception, said: str) -> None:
    assert say_failure(error) == said
