"""Check: all faults of recipe, profile and candidates, before anything runs."""

from __future__ import annotations

from recipeline.cli.command import FilesEntryPoint, Result, entry_point
from recipeline.cli.options import session_options
from recipeline.errors import UsageError


@entry_point("check", FilesEntryPoint)
@session_options
def check(recipe: str, profile: str) -> Result:
    """Check recipe, profile and candidates; list all faults at once.

    Each candidate is built and fitted to made-up rows of the recipe's columns. No store is opened, and no data is read.

    \b
    Reads:  the recipe, the profile
    Example: recipeline check --profile server
    """
    from recipeline.cli.environment import check_settings

    settings, faults = check_settings(recipe, profile)
    if faults:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise UsageError(f"{count} in the recipe or the profile.", fix="Correct them before anything runs.", details=faults)
    assert settings is not None
    found = settings.recipe
    return Result(
        f"{found.path.name} and the profile '{settings.profile_name}' are valid: {len(found.features)} features, "
        f"target '{found.target}', {len(found.candidates)} candidates, each fitted to made-up rows."
    )
