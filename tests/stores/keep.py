"""Write the store of this version: two chains, and its service's log.

The second chain replaced the model of the first.

A part of the log lies beside it, as the service wrote it.

Usage: python -m tests.stores.keep
"""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from recipeline import __version__
from recipeline.config.profile import Service as Settings
from recipeline.config.recipe import load_recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.origin.sources import read_source
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.app import create_app
from recipeline.serving.http.predictions import as_lines
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from recipeline.tracking.connection.store import open_store
from tests.conftest import NAME, ROOT, Project, rename_places

#: Where the store was when it was packed: its database names its artifacts by their full path.
PLACE = "/kept/store"


def main() -> None:
    """Write the archive of this version; there must be none yet."""
    target = Path(__file__).with_name(f"{__version__}.tar.xz")
    if target.exists():
        raise SystemExit(f"{target.name} is there: a released store is never written again.")
    recipe = load_recipe(ROOT / "recipe.yaml", {})
    source = read_source("synthetic", recipe, folder=ROOT, cache=ROOT)
    rows = validate_table(source.open(recipe), recipe, origin="the synthetic wines").astype(float)
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name), rows)
        project.ok("main", model="dt")
        project.ok("main", model="lr,dt", promote="always")
        log = write_log(project, Path(name) / "log", rows[list(recipe.features)].head(150).to_dict("records"))
        lines = log.read_bytes().splitlines(keepends=True)
        target.with_name(f"{__version__}.predictions.jsonl").write_bytes(b"".join(lines[:24]))
        rename_places(Path(name) / "mlflow.db", name, PLACE)
        with tarfile.open(target, "w:xz") as archive:
            for part in ("mlflow.db", "mlruns", "log", "recipe.yaml"):
                archive.add(Path(name) / part, arcname=part)
    print(target, target.stat().st_size)


def write_log(project: Project, folder: Path, rows: Sequence[Mapping[str, float]]) -> Path:
    """Ask the service one row at a time and all at once; return its log.

    The prediction log, in `folder`.
    """
    store = open_store(project.uri, root=project.folder)
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    settings, metrics = Settings(prediction_log={"folder": str(folder)}), Metrics()
    service = Service(NAME, settings, metrics)
    service.serve(load_copy(fetch_version(store, champion, project.folder / "copies")))
    files = RotatingFiles(folder, max_bytes=2**20, keep_days=1)
    service.prediction_log = BackgroundLog(files.write, as_lines, metrics.dropped.labels("predictions").inc)
    client = create_app(service).test_client()
    for asked in (*rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        assert client.post("/predict", json=asked).status_code == 200
    service.prediction_log.close()
    (log,) = folder.iterdir()
    return log


if __name__ == "__main__":
    main()
