"""The exceptions a user can cause, and the exit code of each.

::

    RecipelineError
    ├── UsageError        2   parameter, profile, recipe or environment
    ├── DataError         3   unreadable, empty, wrong schema, digest mismatch, too few rows
    └── UnavailableError  6   run, model version, store, server or network

Anything else that escapes is a bug and keeps its traceback (exit code 1).
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recipeline.escape import for_cell

#: Exit code of `register` and `main` when the best candidate fails an absolute gate; an outcome, not an error.
EXIT_REJECTED = 4

#: Exit code of `doctor` when something is broken.
EXIT_BROKEN = 7


def renamed(text: str, words: Mapping[str, str]) -> str:
    """Return a text with names in it replaced by others."""
    for old, new in words.items():
        text = text.replace(old, new)
    return text


class RecipelineError(Exception):
    """An expected failure: the problem, the value found, the fix, and details.

    Parameters
    ----------
    problem : the problem and its place, or the rule that was broken; a full sentence.
    got : the value that was found, for a rule on values; leave it out for something absent.
    fix : the next action; a full sentence.
    details : one line for each of several faults.
    """

    exit_code = 1

    def __init__(self, problem: str, *, got: object = None, fix: str = "", details: Sequence[str] = ()) -> None:
        parts = [problem, f"Got {got} instead." if got is not None else "", fix]
        # It is printed, logged, and kept in tags; the user's own words in it cannot look like a line of ours.
        self.sentence = for_cell(" ".join(part for part in parts if part))
        self.details = tuple(map(for_cell, details))
        super().__init__(self._message())

    def _message(self) -> str:
        return "\n".join([self.sentence, *(f"  {line}" for line in self.details)])

    def __reduce__(self) -> tuple[Any, ...]:
        # As it is: kinds of it are made of other things than the sentence, and come back from other processes.
        return type(self).__new__, (type(self), *self.args), self.__dict__

    def rename(self, words: Mapping[str, str]) -> None:
        """Replace names in its text by others."""
        self.sentence, self.details = renamed(self.sentence, words), tuple(renamed(line, words) for line in self.details)
        self.args = (self._message(),)


class EndedError(SystemExit):
    """A command ends with this exit code: SIGTERM, or a reader of stdout that is gone.

    It is raised so that an open run is closed on the way out.
    """


class UsageError(RecipelineError):
    """A parameter, recipe, profile or environment that is not valid."""

    exit_code = 2


class DataError(RecipelineError):
    """Rows that cannot be used."""

    exit_code = 3


class UnavailableError(RecipelineError):
    """A run, model version, store, server or network that is not available."""

    exit_code = 6


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and all errors that caused it, each once, the nearest first.

    They are its cause or context, and errors that it wraps: requests and urllib3 wrap an error as an argument or as `reason`.
    """
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        found = todo.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            todo += [found.__cause__ or found.__context__, *found.args, getattr(found, "reason", None)]


def failed_in(error: BaseException, run_id: str) -> None:
    """Note the run that an error ended; the outermost one is the last to do so."""
    with contextlib.suppress(AttributeError):  # an exception of C code may take no attributes
        error.run_id = run_id or run_of(error)  # type: ignore[attr-defined]


def run_of(error: BaseException) -> str:
    """Return the ID of the run that an error ended; "" without one."""
    return next((found for it in causes(error) if (found := str(getattr(it, "run_id", "")))), "")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a sentence with the known word nearest to `word`, and all others."""
    names = list(known)
    return f"{guess(word, names)}Known: {', '.join(names)}."


def guess(word: str, known: Iterable[str]) -> str:
    """Return a question with the known word nearest to `word`; "" if none is near.

    A space follows it.
    """
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), names, n=1)
    return f"Did you mean '{names[close[0]]}'? " if close else ""


def missing_file(path: Path) -> DataError:
    """Return the error for a file of rows that does not exist."""
    return DataError(
        "data must be an existing file, a URI, auto or synthetic.",
        got=f"'{path}', which does not exist,",
        fix=f"{guess(path.name, ('auto', 'synthetic'))}Correct the path, or give the absolute path.",
    )


def missing_rows(path: Path, parameter: str = "input") -> DataError:
    """Return the error for a path that is neither a file nor a folder of rows."""
    return DataError(
        f"{parameter} must be an existing file or folder, or a URI.",
        got=f"'{path}', which {'is not a file' if os.path.exists(path) else 'does not exist'},",  # noqa: PTH110 - false of a name too long
        fix="Correct the path, or give the absolute path.",
    )


def exit_code_of(error: BaseException) -> int:
    """Return the exit code that `error` ends a command with."""
    if isinstance(error, RecipelineError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 130
    # Any other SystemExit is of code of the project's own that calls sys.exit(): the command did not finish.
    return error.code if isinstance(error, EndedError) and isinstance(error.code, int) else 1


def require_libraries() -> None:
    """End the process with one sentence on an old Python or missing libraries."""
    lacking = [name for name in ("click", "mlflow", "sklearn") if importlib.util.find_spec(name) is None]
    got = f"Python {sys.version.split()[0]}" if sys.version_info < (3, 11) else f"no {lacking[0]}" if lacking else ""
    if got:
        sentence = (
            f"The project's environment is not active: {got} in {sys.executable}, and Python 3.11 or newer with the project's "
            "libraries is needed. Run `source .venv/bin/activate`, or use .venv/bin/python; `make setup` creates it."
        )
        print(sentence, file=sys.stderr)
        if "--json" in sys.argv:  # as `cli.results.CommandResult`, which needs what is not there
            failed = {"command": "", "run_id": "", "outcome": "error", "exit_code": 2, "output": "", "error": sentence}
            print(json.dumps({**failed, "details": [], "values": None}))
        sys.exit(2)
