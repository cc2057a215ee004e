"""The engine that a profile names, and its workers before MLflow is imported."""

from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recipeline.cli.process import BEFORE_SKOPS
from recipeline.config.import_path import import_paths
from recipeline.config.profile import Engine, find_profile, load_profile
from recipeline.config.recipe import Recipe, load_recipe
from recipeline.data.origin.sources import check_source
from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Workers
from recipeline.errors import RecipelineError

#: What the workers of this machine import at their start.
_PRELOAD = "recipeline.training.cross_validation"

#: The workers of this machine that were started before the store was opened, by `n_jobs`.
_STARTED: dict[int, LocalWorkers] = {}

#: Variables that name another project, run or store than the one that is looked for here.
_ELSEWHERE = ("RECIPELINE_PROJECT", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI")


def fork_workers(engine: Engine) -> None:
    """Start the workers of a local engine as forks, for the next `open_workers`.

    The process must be one that `may_fork` before this module is imported.
    """
    if engine.kind == "local" and engine.n_jobs not in {1, *_STARTED}:
        importlib.import_module(BEFORE_SKOPS)
        atexit.register(_STARTED.clear)  # a command that fails before it opens a session has them still
        _STARTED[engine.n_jobs] = workers = LocalWorkers(engine.n_jobs, preload=_PRELOAD)
        workers.start(forks=True)


def open_workers(engine: Engine, recipe: Recipe, root: Path, say: Callable[[str], None]) -> Workers:
    """Return the workers of a profile's engine for the project in `root`.

    Nothing is started. `say` gets a sentence on a cluster when it is first used.
    """
    if engine.kind == "local":
        return _STARTED.pop(engine.n_jobs, None) or LocalWorkers(engine.n_jobs, preload=_PRELOAD)
    from recipeline.engine.dask import DaskWorkers, Tls

    files = None
    if engine.tls:
        files = Tls(*(str(root / path) for path in (engine.tls.ca, engine.tls.cert, engine.tls.key)))
    return DaskWorkers(
        engine.address,
        n_jobs=engine.n_jobs,
        wait_for_workers=engine.wait_for_workers,
        timeout=engine.timeout,
        tls=files,
        packages=own_packages(recipe, root),
        announce=lambda words: say(f"engine: {words}"),
    )


def fork_for_chain(steps: Path, *, recipe: str, profile: str, data: str) -> None:
    """Fork the workers of a chain that must fit: its store is a new SQLite file.

    The process has imported then what they need, and not yet what starts threads. In all other cases the workers start with the
    session. `steps` is the file of the project's package; a fault is left to the command, which says it.
    """
    if any(name in os.environ for name in _ELSEWHERE):
        return
    root, cwd = steps.resolve().parents[1], Path.cwd()
    with suppress(RecipelineError, OSError):
        where = load_profile(find_profile(profile, root / "profiles", cwd), os.environ)
        if not _is_new(where.store.tracking_uri, root):
            return
        path = next((it for it in (cwd / recipe, root / recipe) if it.is_file()), cwd / recipe)
        check_source(data or where.data, load_recipe(path, os.environ), folder=cwd)
        fork_workers(where.engine)


def _is_new(uri: str, root: Path) -> bool:
    """Whether a URI is plainly that of a SQLite file that does not exist yet."""
    kind, _, path = uri.partition(":///")
    return kind == "sqlite" and not {*path} & {"%", "?"} and not (root / path).exists()


def own_packages(recipe: Recipe, root: Path) -> list[str]:
    """Return the project's own packages and modules that the recipe names."""
    names = {path.partition(".")[0] for path in import_paths(recipe.model_dump(mode="json"))}
    return sorted(name for name in names if (root / name).is_dir() or (root / f"{name}.py").is_file())
