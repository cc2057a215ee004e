"""Options and option values that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from recipeline.errors import UsageError, missing_file, missing_rows, nearest
from recipeline.escape import is_remote

#: How the name of a table ends; a word without it may be the name of a source.
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".gz", ".zip")


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every entry point has."""
    command = click.option(
        "--profile",
        default="local",
        show_default=True,
        help="The profile: the name of a file in profiles/, or the path of a .yaml file.",
    )(command)
    return click.option("--recipe", default="recipe.yaml", show_default=True, help="The path of the recipe.")(command)


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names the rows to learn from."""
    return click.option(
        "--data",
        callback=check_path,
        default="",
        show_default="the profile's",
        help="The rows: auto, synthetic, the name of the recipe's download, a path, or a URI (CSV or Parquet).",
    )(command)


def method_option(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the option `name`, how rows are split."""
    return click.option(
        name,
        default="",
        show_default="the recipe's",
        help="grouped keeps equal rows on one side; random is scikit-learn's train_test_split.",
    )


def model_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that chooses among the recipe's candidates."""
    return click.option(
        "--model",
        default="",
        show_default="all",
        help="The candidates to train: all, or names or aliases of the recipe, comma separated.",
    )(command)


def promote_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that overrides the profile's promotion policy."""
    return click.option(
        "--promote",
        default="",
        show_default="the profile's",
        help="auto: promote if the gate passes; manual: wait for `approve` then; never; always: whatever the gate says.",
    )(command)


def choose_word(name: str, word: str, known: tuple[str, ...], *, default: str = "") -> str:
    """Return the value of the parameter `name`; if empty, its default.

    The default is `default`, or the first of `known`.

    Raises
    ------
    UsageError : it is none of the known words.
    """
    if word and word not in known:
        words = " or ".join(known) if len(known) < 3 else f"one of {', '.join(known)}"
        raise UsageError(f"{name} must be {words}.", got=f"'{word}'", fix=nearest(word, known))
    return word or default or known[0]


def parse_switch(name: str, word: str, *, default: bool) -> bool:
    """Return whether the parameter `name` is on; an empty word is the default.

    Raises
    ------
    UsageError : the word is neither on nor off.
    """
    switch = {"": default, "on": True, "off": False}
    if word not in switch:
        raise UsageError(f"{name} must be on or off.", got=f"'{word}'", fix=nearest(word, ["on", "off"]))
    return switch[word]


def check_path(_: click.Context, __: click.Parameter, data: str) -> str:
    """Return the option `data` after a check that its path exists.

    A bare word may be the name of a source, and under `mlflow run` the folder that it was typed in is not known yet: both are
    checked later.

    Raises
    ------
    DataError : the path does not exist.
    """
    if ("/" in data or data.endswith(_TABLES)) and _is_missing(data):
        raise missing_file(Path.cwd() / data)
    return data


def check_rows(_: click.Context, parameter: click.Parameter, rows: str) -> str:
    """Return an option that names a file or folder of rows, never a source.

    Raises
    ------
    DataError : as `check_path`.
    """
    if rows and _is_missing(rows):
        raise missing_rows(Path.cwd() / rows, str(parameter.name))
    return rows


def _is_missing(path: str) -> bool:
    is_here = not is_remote(path) and not path.startswith(("file:", "~")) and "MLFLOW_RUN_ID" not in os.environ
    return is_here and not os.path.exists(path)  # noqa: PTH110 - false of a name too long
