"""The exceptions a user can cause, and the exit code of each.

::

    RecipelineError
    ├── UsageError        2   parameter, profile, recipe or environment
    ├── DataError         3   unreadable, empty, wrong schema, digest mismatch, too few rows
    └── UnavailableError  6   run, model version, store, server or network

Anything else that escapes is a bug and keeps its traceback (exit code 1).
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recipeline.escape import for_cell

#: Exit code of `register` and `main` when the best candidate fails an absolute gate; an outcome, not an error.
EXIT_REJECTED = 4

#: Exit code of `doctor` when something is broken.
EXIT_BROKEN = 7


class RecipelineError(Exception):
    """An expected failure, told in one sentence: the rule, what was got, what to do next; then the list, if any.

    Parameters
    ----------
    rule : what and where, and the rule that was broken; a full sentence.
    got : what was found instead, in the user's own words.
    fix : what to do next; a full sentence.
    details : one line each, where there are several faults.
    """

    exit_code = 1

    def __init__(self, rule: str, *, got: object = None, fix: str = "", details: Sequence[str] = ()) -> None:
        parts = [rule, f"Got {got} instead." if got is not None else "", fix]
        # It is printed, logged, and kept in tags; the user's own words in it cannot look like a line of ours.
        self.sentence = for_cell(" ".join(part for part in parts if part))
        self.details = tuple(map(for_cell, details))
        super().__init__("\n".join([self.sentence, *(f"  {line}" for line in self.details)]))


class UsageError(RecipelineError):
    """The command, recipe, profile or environment asks for something that does not exist or cannot be."""

    exit_code = 2


class DataError(RecipelineError):
    """The rows cannot be used."""

    exit_code = 3


class UnavailableError(RecipelineError):
    """A run, a model version, the store, a server or the network is not there."""

    exit_code = 6


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and all errors that led to it, each once, the nearest first: raised from, in the wake of, or wrapped.

    requests and urllib3 wrap an error as an argument, or as the `reason`, of their own.
    """
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        found = todo.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            todo += [found.__cause__ or found.__context__, *found.args, getattr(found, "reason", None)]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the known word nearest to `word`, and all of them."""
    names = list(known)
    return f"{guess(word, names)}Known: {', '.join(names)}."


def guess(word: str, known: Iterable[str]) -> str:
    """Return a question that names the known word nearest to `word`, with a space after it; nothing where none is near."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, n=1)
    return f"Did you mean '{names[close[0]]}'? " if close else ""


def require_there(path: Path) -> None:
    """Raise DataError where nothing is at the path of the data, as where its name is too long to be one."""
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises of a name that is too long
        raise missing_file(path)


def missing_file(path: Path) -> DataError:
    """Return what is raised of a file of rows that does not exist."""
    return DataError(
        "data must be an existing file, a URI, auto or synthetic.",
        got=f"'{path}', which does not exist,",
        fix=f"{guess(path.name, ('auto', 'synthetic'))}Correct the path; give an absolute one where in doubt.",
    )


def missing_rows(path: Path, parameter: str = "input") -> DataError:
    """Return what is raised of a path of rows, a file's or a folder's, where there is neither."""
    return DataError(
        f"{parameter} must be an existing file or folder, or a URI.",
        got=f"'{path}', which {'is no file' if os.path.exists(path) else 'does not exist'},",  # noqa: PTH110 - false of a name too long
        fix="Correct the path; give an absolute one where in doubt.",
    )


def require_libraries() -> None:
    """End the process in one sentence where this Python is too old or lacks the libraries of the project."""
    lacking = [name for name in ("click", "mlflow", "sklearn") if importlib.util.find_spec(name) is None]
    got = f"Python {sys.version.split()[0]}" if sys.version_info < (3, 11) else f"no {lacking[0]}" if lacking else ""
    if got:
        print(
            f"The environment of the project must be active: Python 3.11 or newer, with its libraries. Got {got} in "
            f"{sys.executable} instead. Type `source .venv/bin/activate`, or .venv/bin/python for python; "
            "`make setup` makes it.",
            file=sys.stderr,
        )
        sys.exit(2)
