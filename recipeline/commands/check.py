"""Check: all faults of recipe, profile and candidates, before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from recipeline.cli.command import FilesEntryPoint, Result, entry_point
from recipeline.cli.options import session_options
from recipeline.cli.output.results import CheckValues
from recipeline.errors import RecipelineError, UsageError


@entry_point("check", FilesEntryPoint)
@session_options
def check(recipe: str, profile: str) -> Result:
    """Check recipe, profile and candidates; list all faults at once.

    Each candidate is built and fitted to made-up rows of the recipe's columns. No store is opened, and no data is read.

    \b
    Reads:  the recipe, the profile
    Example: recipeline check --profile server
    """
    from recipeline.cli.environment import open_settings
    from recipeline.data.tasks.every import TASKS

    faults = _find_faults(recipe, profile)
    if faults:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise UsageError(f"{count} in the recipe or the profile.", fix="Correct them before anything runs.", details=faults)
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


def _find_faults(recipe: str, profile: str) -> list[str]:
    """Return all faults of recipe, profile, data source and candidates."""
    from recipeline.cli.environment import enter_project, find_recipe, open_settings
    from recipeline.config.measuring.scoring import build_scorer
    from recipeline.config.profile import find_profile, load_profile
    from recipeline.config.recipe import load_recipe
    from recipeline.data.origin.sources import check_source
    from recipeline.training.trial import find_faults

    root, cwd = enter_project()
    faults: list[str] = []
    with _collected(faults):
        load_recipe(find_recipe(recipe, cwd, root), os.environ)
    with _collected(faults):
        load_profile(find_profile(profile, root / "profiles", cwd), os.environ)
    if faults:
        return faults
    settings = open_settings(recipe, profile)
    with _collected(faults):
        check_source(settings.profile.data, settings.recipe, folder=settings.cwd)
    trusted = settings.profile.service.trusted_types
    with _collected(faults):
        build_scorer(settings.recipe)
    return faults + [error.sentence for error in find_faults(settings.recipe, list(settings.recipe.candidates), trusted)]


@contextmanager
def _collected(faults: list[str]) -> Iterator[None]:
    """Add the faults of an error raised in the block to a list: its details if any."""
    try:
        yield
    except RecipelineError as error:
        name = error.sentence.partition(":")[0]
        faults += [f"{name}: {line}" for line in error.details] or [error.sentence]
