"""The engine that a profile names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from recipeline.config.import_path import import_paths
from recipeline.config.profile import Engine
from recipeline.config.recipe import Recipe
from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Workers


def open_workers(engine: Engine, recipe: Recipe, root: Path, say: Callable[[str], None]) -> Workers:
    """Return the workers of a profile's engine for the project in `root`.

    Nothing is started. `say` gets a sentence on a cluster when it is first used.
    """
    if engine.kind == "local":
        return LocalWorkers(engine.n_jobs, preload="recipeline.training.cross_validation")
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


def own_packages(recipe: Recipe, root: Path) -> list[str]:
    """Return the project's own packages and modules that the recipe names."""
    names = {path.partition(".")[0] for path in import_paths(recipe.model_dump(mode="json"))}
    return sorted(name for name in names if (root / name).is_dir() or (root / f"{name}.py").is_file())
