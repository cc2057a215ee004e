"""Local copies of versions."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import orjson
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import BASELINE, GOLDEN, INTERVAL, MODEL_INFO
from recipeline.tracking.manifest import Reader
from recipeline.tracking.models import model_id_of
from recipeline.tracking.store import Store

#: The folder, in that of a version's copy, of what the self-watch counts: it goes when the copy goes.
WATCHED = "watched"

_KEPT_COPIES = 3


def fetch_version(store: Store, version: ModelVersion, folder: Path) -> Path:
    """Copy what is needed to serve the version into a folder of its own below `folder`, whole or not at all; return it.

    Raises
    ------
    UnavailableError, MlflowException, OSError : something of it is not there, changed, or cannot be fetched.
    """
    target = folder / copy_name(version)
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    reader, run_id = Reader(store.client), version.tags.get("recipeline.evaluate_run_id", "(none)")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
        copy = Path(unfinished) / "copy"
        copy.mkdir()
        (copy / WATCHED).mkdir()  # made later, it would make its copy the newest one
        reader.copy(MODEL_INFO, run_id, copy)
        reader.copy(GOLDEN, run_id, copy)
        for artifact in (INTERVAL, BASELINE):
            if reader.has(artifact, run_id):
                reader.copy(artifact, run_id, copy)
        reader.copy_model(model_id_of(version), version.tags.get("recipeline.train_run_id", "(none)"), copy / "model")
        known = {
            "name": version.name,
            "version": str(version.version),
            "run_id": version.run_id,
            "source": version.source,
            "created_ms": version.creation_timestamp,
            "tags": dict(version.tags),
        }
        (copy / "version.json").write_bytes(orjson.dumps(known))
        try:
            copy.rename(target)
        except OSError:
            if not target.is_dir():  # else another worker was faster
                raise
    return target


def copy_name(version: ModelVersion) -> str:
    """Return the name of the folder that holds the copy of a version: another model under its number has another one."""
    return f"{version.version}-{hashlib.sha256(str(version.source).encode()).hexdigest()[:12]}"


def newest_copy(folder: Path) -> Path | None:
    """Return the copy that was served last; None where there is none."""
    copies = [path for path in folder.glob("[!.]*") if (path / "version.json").is_file()]
    return max(copies, key=lambda path: path.stat().st_mtime, default=None)


def mark_served(copy: Path) -> None:
    """Make the copy the newest one, and remove those that were served long before."""
    os.utime(copy)
    copies = sorted(copy.parent.glob("[!.]*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in copies[_KEPT_COPIES:]:
        shutil.rmtree(old, ignore_errors=True)
