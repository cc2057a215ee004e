"""Values in the filters that MLflow's searches take."""

from __future__ import annotations

from recipeline.errors import UsageError


def quoted(value: str) -> str:
    """Return a value as a filter takes it, in quotes.

    Raises
    ------
    UsageError : it has both kinds of quotes, or a backslash: MLflow has no way to write it.
    """
    quote = '"' if "'" in value else "'"
    if quote in value or "\\" in value:
        fix = 'Use a name without " and \\.'
        raise UsageError("A name must be one that the store can look for.", got=value, fix=fix)
    return f"{quote}{value}{quote}"
