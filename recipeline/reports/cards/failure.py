"""The card of a step that failed: the error, and its details row by row."""

from __future__ import annotations

from recipeline.artifacts import VIOLATIONS
from recipeline.errors import RecipelineError
from recipeline.reports.blocks import Card, Note, Results, Section, Table

_LISTED = 200


def describe_failure(step: str, results: Results, error: BaseException) -> Card:
    """Return the card of a step that ended by `error`."""
    expected = isinstance(error, RecipelineError)
    sentence = error.sentence if isinstance(error, RecipelineError) else f"{type(error).__name__}: {error}"
    blocks: list[Note | Table] = [Note(sentence, "bad")]
    try:
        violations = results.load(VIOLATIONS)
    except Exception:  # most failures are about something else than rows
        pass
    else:
        shown = violations.head(_LISTED)
        caption = f"The first {_LISTED} of {len(violations)} violations" if len(violations) > _LISTED else "All violations"
        blocks.append(Table(list(shown.columns), shown.astype(object).values.tolist(), caption))
    how = "The step failed; later steps were not run." if expected else "This is a bug; the traceback is in the terminal."
    return Card(f"{step}: failed", how, [Section("Details", blocks)], tone="bad")
