"""Options and option values that several commands share."""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipeline.data.origin.paths import Missing, local_path, local_paths
from recipeline.data.origin.uris import redact
from recipeline.errors import RecipelineError, UsageError, missing_file, missing_rows, nearest
from recipeline.escape import is_remote

if TYPE_CHECKING:
    from recipeline.config.profile import Profile
    from recipeline.config.recipe import Recipe
    from recipeline.orchestration.session import Session

#: The recipe and the profile of a command that names none.
RECIPE, PROFILE = "recipe.yaml", "local"

#: How the name of a table ends; a word without it may be the name of a source.
_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".gz", ".zip")


def session_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every entry point has."""
    command = click.option(
        "--profile",
        default=PROFILE,
        show_default=True,
        help="The profile: the name of a file in profiles/, or the path of a .yaml file.",
    )(command)
    return click.option("--recipe", default=RECIPE, show_default=True, help="The path of the recipe.")(command)


def make_line(target: str, **parameters: str) -> str:
    """Return a make target as it is typed to go on with this command's project.

    A recipe and a profile that this command was given are named; outside of a command, and where they are the defaults, not.
    """
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    defaults = {"recipe": RECIPE, "profile": PROFILE}
    named = {name: given[name] for name, default in defaults.items() if given.get(name, default) != default}
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in {**named, **parameters}.items())
    if not words:
        return f"make {target}"
    quoted = shlex.quote(words) if re.search(r'["$`\\]', words) else f'"{words}"'
    return f"make {target} ARGS={quoted.replace('$', '$$')}"  # a single $ is make's own


class SettingOption(click.Option):
    """An option whose default is a setting of the recipe or the profile.

    `--help` shows its value in this project.
    """

    def __init__(self, *args: Any, setting: Callable[[Recipe, Profile], str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._setting = setting

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        """Return the default with its value in this project.

        The value is left out without a project, or if its files have faults.
        """
        extra = super().get_help_extra(ctx)
        found = _settings()
        if found and self.show_default:
            extra["default"] = f"({self.show_default}: {self._setting(*found)})"
        return extra


@functools.cache
def _settings() -> tuple[Recipe, Profile] | None:
    """Return the settings of a command without options; None if unavailable."""
    from recipeline.config.profile import load_profile
    from recipeline.config.recipe import load_recipe

    here = Path.cwd()
    folder = next((it for it in (here, *here.parents) if (it / "MLproject").is_file()), here)
    try:
        return load_recipe(folder / RECIPE, os.environ), load_profile(folder / f"profiles/{PROFILE}.yaml", os.environ)
    except RecipelineError:
        return None


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names the rows to learn from."""
    return click.option(
        "--data",
        cls=SettingOption,
        setting=lambda _, profile: "a URI" if is_remote(profile.data) else profile.data,
        callback=check_path,
        default="",
        show_default="the profile's",
        help="auto, synthetic, sql, the name of the recipe's download; or CSV or Parquet: files, folders, patterns, a URI.",
    )(command)


def method_option(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the option `name`, how rows are split."""
    return click.option(
        name,
        cls=SettingOption,
        setting=lambda recipe, _: recipe.split.method,
        default="",
        show_default="the recipe's",
        metavar="grouped|random",
        help="grouped keeps equal rows on one side; random is scikit-learn's train_test_split.",
    )


def model_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that chooses among the recipe's candidates."""
    return click.option(
        "--model",
        cls=SettingOption,
        setting=lambda recipe, _: ", ".join(f"{name} ({it.alias})" for name, it in recipe.candidates.items()),
        default="",
        show_default="all",
        help="The candidates to train: all, or names or aliases of the recipe, comma separated.",
    )(command)


def cache_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that overrides whether finished steps are reused."""
    return click.option(
        "--cache",
        cls=SettingOption,
        setting=lambda _, profile: "on" if profile.cache else "off",
        default="",
        show_default="the profile's",
        metavar="on|off",
        help="on reuses finished steps; off runs them all.",
    )(command)


def promote_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that overrides the profile's promotion policy."""
    return click.option(
        "--promote",
        cls=SettingOption,
        setting=lambda _, profile: profile.promote,
        default="",
        show_default="the profile's",
        metavar="auto|manual|never|always",
        help="auto: promote if the gate passes; manual: wait for `approve` then; never; always: whatever the gate says.",
    )(command)


def to_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that names another store to promote in."""
    return click.option(
        "--to",
        default="",
        show_default="this one",
        metavar="PROFILE|URI",
        help="Another store, or models:/NAME in this one: the version is transferred and the gate decides there.",
    )(command)


def check_target(session: Session, to: str) -> None:
    """Raise UsageError if the option `to` names no other store; empty: this one."""
    if to:
        from recipeline.cli.target import find_target

        find_target(session, to)


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
    if "/" in data or data.endswith(_TABLES):
        _require_there(data, missing_file)
    return data


def name_file(name: str, folder: Path, parameter: str) -> Path:
    """Return the path of a file of this machine, a relative one in `folder`.

    Raises
    ------
    UsageError : it is the URI of another place.
    """
    path = local_path(name, folder)
    if path is None:
        raise UsageError(
            f"{parameter} must be a file of this machine.", got=f"'{redact(name)}'", fix="Name a local file, and copy it."
        )
    return path


def check_rows(_: click.Context, parameter: click.Parameter, rows: str) -> str:
    """Return an option that names a file or folder of rows, never a source.

    Raises
    ------
    DataError : as `check_path`.
    """
    if rows:
        _require_there(rows, lambda path: missing_rows(path, str(parameter.name)))
    return rows


def _require_there(rows: str, missing: Missing) -> None:
    if not rows.startswith(("file:", "~")) and "MLFLOW_RUN_ID" not in os.environ:
        local_paths(rows, Path.cwd(), missing)
