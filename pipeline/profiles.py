"""Profiles: WHERE the pipeline runs and WITH WHAT. One small file per environment, only what differs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.errors import UsageError, nearest
from pipeline.settings import Settings, load_settings

Policy = Literal["auto", "manual", "never", "always"]


class Store(Settings):
    """The MLflow store. A relative SQLite path or artifact folder lies in the project's folder."""

    tracking_uri: str = Field(min_length=1)
    artifact_location: str | None = None


class Engine(Settings):
    """What does the fitting: worker processes on this machine, -1 for one per core."""

    n_jobs: int = -1


class Profile(Settings):
    """One environment; `data` is auto, synthetic, the name of the recipe's download, a path or a URI."""

    store: Store
    data: str = Field(min_length=1)
    promote: Policy = "auto"
    cache: bool = True
    engine: Engine = Engine()


def find_profile(name: str, folder: Path, cwd: Path) -> Path:
    """Return the file of the profile `name`: one of `folder`, or a path to a YAML file, relative to `cwd`.

    Raises
    ------
    UsageError : there is no such profile.
    """
    if name.endswith((".yaml", ".yml")):
        if not re.fullmatch(r"[\w.-]+", Path(name).name):
            raise UsageError(
                "The file of a profile must be named with letters, digits, '.', '-' and '_'.",
                got=f"'{name}'",
                fix="Rename it: the name marks the profile's runs.",
            )
        return cwd / name
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise UsageError(
            f"profile must be one of {folder.name}/, or a path to a .yaml file.",
            got=f"'{name}'",
            fix=nearest(name, known),
        )
    return folder / f"{name}.yaml"


def load_profile(path: Path, environment: Mapping[str, str]) -> Profile:
    """Return the profile in the file `path`. Raises UsageError as `load_settings` does."""
    return load_settings(path, Profile, environment)
