"""Writes the store of this version: a chain, a second one that replaced its model, and the log of a service.

Usage: python -m tests.stores.keep
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path

from recipeline import __version__
from recipeline.config.recipe import load_recipe
from recipeline.data.schema import validate_table
from recipeline.data.sources import read_source
from tests.conftest import ROOT, Project, rename_places

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
        log = [
            {
                "time": 1_790_000_000 + row,
                "request_id": f"r{row}",
                "version": "2",
                "row": 0,
                "prediction": 5.5,
                "features": features,
            }
            for row, features in enumerate(rows[list(recipe.features)].head(150).to_dict("records"))
        ]
        folder = Path(name) / "log"
        folder.mkdir()
        lines = "".join(json.dumps(line) + "\n" for line in log)
        (folder / "predictions-20261129T000000Z-1-0000.jsonl").write_text(lines, encoding="utf-8")
        rename_places(Path(name) / "mlflow.db", name, PLACE)
        with tarfile.open(target, "w:xz") as archive:
            for part in ("mlflow.db", "mlruns", "log", "recipe.yaml"):
                archive.add(Path(name) / part, arcname=part)
    print(target, target.stat().st_size)


if __name__ == "__main__":
    main()
