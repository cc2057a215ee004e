"""Check: all faults of recipe, profile and candidates, before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from recipeline.cli.command import FilesEntryPoint, Result, entry_point
from recipeline.cli.options import session_options
from recipeline.cli.output.results import CheckValues
from recipeline.errors import RecipelineError, UsageError

if TYPE_CHECKING:
    from recipeline.cli.environment import CommandSettings

#: The share of the expected training rows that there will be at least.
_CERTAIN = 0.8


@entry_point("check", FilesEntryPoint)
@session_options
def check(recipe: str, profile: str) -> Result:
    """Check recipe, profile and candidates; list all faults at once.

    Each candidate is built and fitted to made-up rows of the recipe's columns. No store is opened, and no row is read: of a
    Parquet file on this machine only the number of rows, which some estimators cannot be fitted to.

    \b
    Reads:  the recipe, the profile
    Example: recipeline check --profile server
    """
    from recipeline.cli.environment import open_settings
    from recipeline.data.tasks.every import TASKS

    faults, after = _find_file_faults(recipe, profile), " Candidates are checked after that."
    if not faults:
        faults, after = _find_faults(recipe, profile), ""
    if faults:
        count, them = (f"{len(faults)} faults", "them") if len(faults) > 1 else ("1 fault", "it")
        fix = f"Correct {them} before anything runs.{after}"
        raise UsageError(f"{count} in the recipe or the profile.", fix=fix, details=faults)
    settings = open_settings(recipe, profile)
    found = settings.recipe
    doubt = TASKS[found.task].doubt_recipe(found)
    features = [name for name in found.features if name not in found.patterns]
    matching = f" and the columns that {' and '.join(map(repr, found.patterns))} match" if found.patterns else ""
    words = (
        f"{found.path.name} and the profile '{settings.profile_name}' are valid: {len(features)} features{matching}, "
        f"target '{found.target}', {len(found.candidates)} candidates, each fitted to made-up rows."
        + (f"\nWarning: {doubt}" if doubt else "")
    )
    values = CheckValues(
        str(found.path), settings.profile_name, found.target, tuple(found.features), tuple(found.candidates), doubt or ""
    )
    return Result(words, values=values)


def _find_file_faults(recipe: str, profile: str) -> list[str]:
    """Return all faults of the files of recipe and profile."""
    from recipeline.cli.environment import enter_project, find_recipe
    from recipeline.config.profile import find_profile, load_profile
    from recipeline.config.recipe import load_recipe

    root, cwd = enter_project()
    faults: list[str] = []
    with _collected(faults):
        load_recipe(find_recipe(recipe, cwd, root), os.environ)
    with _collected(faults):
        load_profile(find_profile(profile, root / "profiles", cwd), os.environ)
    return faults


def _find_faults(recipe: str, profile: str) -> list[str]:
    """Return all faults of data source, split, metrics, hooks and candidates."""
    from recipeline.cli.environment import open_settings
    from recipeline.config.measuring.scoring import build_scorer
    from recipeline.data.origin.made import load_functions
    from recipeline.data.origin.sources import check_source
    from recipeline.data.splits import find_custom
    from recipeline.training.scaling import find_unscalable
    from recipeline.training.trial import find_faults

    settings = open_settings(recipe, profile)
    faults: list[str] = []
    with _collected(faults):
        check_source(settings.profile.data, settings.recipe, folder=settings.cwd)
    with _collected(faults):
        load_functions(settings.recipe)
    with _collected(faults):
        settings.profile.service.load_hooks()
    trusted = settings.profile.service.trusted_types
    with _collected(faults):
        find_custom(settings.recipe)
    with _collected(faults):
        build_scorer(settings.recipe)
    names = list(settings.recipe.candidates)
    faults += [error.sentence for error in find_faults(settings.recipe, names, trusted)]
    if faults:
        return faults
    rows = _least_rows(settings)
    return [error.sentence for error in find_unscalable(settings.recipe, names, rows)] if rows else []


def _least_rows(settings: CommandSettings) -> int:
    """Return a number of rows that models will certainly be fitted to; 0: not known.

    It is known of Parquet files on this machine, which say how many rows they have, unless the recipe filters rows, or leaves
    out those without a target or some between training and test rows.
    """
    import pyarrow.parquet

    from recipeline.data.origin.paths import local_paths
    from recipeline.data.origin.sources import is_named
    from recipeline.errors import missing_file

    recipe, data = settings.recipe, settings.profile.data
    leaves_out = recipe.rows.filter or recipe.missing_target == "drop"
    if is_named(data, recipe) or leaves_out or recipe.split.custom or recipe.split.gap:
        return 0
    paths = local_paths(data, settings.cwd, missing_file)
    if not paths or not all(path.is_file() and path.suffix == ".parquet" for path in paths):
        return 0
    try:
        rows = sum(pyarrow.parquet.read_metadata(path).num_rows for path in paths)
    except (OSError, pyarrow.ArrowException):  # ingest says what is wrong with a file
        return 0
    # Groups are not of one size: the share of the test rows is not exact.
    least, limit = int(rows * (1 - recipe.split.test_size) * _CERTAIN), settings.profile.engine.max_train_rows
    return least if limit is None else min(least, limit)


@contextmanager
def _collected(faults: list[str]) -> Iterator[None]:
    """Add the faults of an error raised in the block to a list: its details if any."""
    try:
        yield
    except RecipelineError as error:
        name = error.sentence.partition(":")[0]
        faults += [f"{name}: {line}" for line in error.details] or [error.sentence]
