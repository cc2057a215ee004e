"""Failures in the words that clients may see."""

from __future__ import annotations

from mlflow.exceptions import MlflowException

from recipeline.errors import RecipelineError
from recipeline.escape import for_terminal

#: The public message for an unexpected failure.
BUG = "an error of the service; its log has it"


def say_failure(error: Exception) -> str:
    """Return an expected failure as one line, and a general sentence for a bug.

    The message of a bug may contain data that clients must not see.
    """
    if not isinstance(error, RecipelineError | MlflowException | OSError):
        return BUG
    text = error.sentence if isinstance(error, RecipelineError) else str(error)
    return for_terminal(" ".join(text.split()))[:300]  # half a character cannot be sent
