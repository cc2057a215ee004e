"""Options and words that several commands take."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from recipeline.data.paths import Missing, local_paths
from recipeline.errors import UsageError, missing_file, missing_rows, nearest

#: How the name of a table ends; a word without it may be the name of a source.
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".gz", ".zip")


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every entry point has."""
    command = click.option(
        "--profile",
        default="local",
        show_default=True,
        help="Where to run: a file of profiles/, by name, or the path of a .yaml file.",
    )(command)
    return click.option("--recipe", default="recipe.yaml", show_default=True, help="What to learn: the path of a recipe.")(
        command
    )


def choose_word(name: str, word: str, known: tuple[str, ...], *, default: str = "") -> str:
    """Return the parameter `name`, or its default (empty: the first that is known) where it is empty.

    Raises
    ------
    UsageError : it is none of the known words.
    """
    if word and word not in known:
        words = " or ".join(known) if len(known) < 3 else f"one of {', '.join(known)}"
        raise UsageError(f"{name} must be {words}.", got=f"'{word}'", fix=nearest(word, known))
    return word or default or known[0]


def parse_switch(name: str, word: str, *, default: bool) -> bool:
    """Return whether the parameter `name` is on; an empty word is the default. Raises UsageError where it is neither word."""
    switch = {"": default, "on": True, "off": False}
    if word not in switch:
        raise UsageError(f"{name} must be on or off.", got=f"'{word}'", fix=nearest(word, ["on", "off"]))
    return switch[word]


def check_path(_: click.Context, __: click.Parameter, data: str) -> str:
    """Return the option `data`. Raises DataError where it is a path that does not exist, before anything is imported or opened.

    A bare word may be the name of a source, and under `mlflow run` the folder that it was typed in is not known yet: both are
    looked at later.
    """
    if "/" in data or data.endswith(_TABLES):
        _require_there(data, missing_file)
    return data


def check_rows(_: click.Context, parameter: click.Parameter, rows: str) -> str:
    """Return an option that names a file or a folder of rows, and no source; raises DataError as `check_path` does."""
    if rows:
        _require_there(rows, lambda path: missing_rows(path, str(parameter.name)))
    return rows


def _require_there(rows: str, missing: Missing) -> None:
    if not rows.startswith(("file:", "~")) and "MLFLOW_RUN_ID" not in os.environ:
        local_paths(rows, Path.cwd(), missing)
