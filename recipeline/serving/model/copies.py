"""Local copies of versions."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from pathlib import Path

import orjson
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import BASELINE, GOLDEN, INTERVAL, MODEL_INFO
from recipeline.errors import UnavailableError
from recipeline.serving.model.loading import VERSION
from recipeline.tracking.manifest import Reader
from recipeline.tracking.models import model_id_of
from recipeline.tracking.store import Store

#: The folder, in that of a version's copy, of what the self-watch counts: it goes when the copy goes.
WATCHED = "watched"

#: The file, in a version's copy, that says that it was served; it is as old as the last time that it began to be.
_SERVED = "served"

_KEPT_COPIES = 3

#: Folders that a copy is made in, or removed in.
_UNFINISHED = ".unfinished-"

#: Whatever else is in the folder of copies for so long was left by a worker that was killed.
_LEFT_SECONDS = 3600


def fetch_version(store: Store, version: ModelVersion, folder: Path) -> Path:
    """Copy what is needed to serve the version into a folder of its own below `folder`, whole or not at all; return it.

    Raises
    ------
    UnavailableError, MlflowException, OSError : something of it is not there, changed, or cannot be fetched.
    """
    target = folder / copy_name(version)
    if target.is_dir():
        return target
    _require_cache(folder)
    reader, run_id = Reader(store.client), version.tags.get("recipeline.evaluate_run_id", "(none)")
    with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as unfinished:
        copy = Path(unfinished) / "copy"
        copy.mkdir()
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
        (copy / VERSION).write_bytes(orjson.dumps(known))
        try:
            copy.rename(target)
        except OSError:
            if not target.is_dir():  # else another worker was faster
                raise
    return target


def _require_cache(folder: Path) -> None:
    """Make the folder of copies. Raises UnavailableError where this user may not write to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        raise UnavailableError(
            f"The cache folder {folder} must be writable.",
            got=f"'{error}'",
            fix="Name another one in the environment variable RECIPELINE_CACHE.",
        ) from None


def copy_name(version: ModelVersion) -> str:
    """Return the name of the folder that holds the copy of a version: another model under its number has another one."""
    return f"{version.version}-{hashlib.sha256(str(version.source).encode()).hexdigest()[:12]}"


def served_copies(folder: Path) -> list[Path]:
    """Return the copies that were served, the last one first; a copy that never was may be of a version that is refused."""
    return sorted((mark.parent for mark in folder.glob(f"[!.]*/{_SERVED}")), key=_served_at, reverse=True)


def mark_served(copy: Path) -> None:
    """Record that the copy is served, and remove those that were served long before.

    A folder that cannot be written is no reason not to serve what is in it.
    """
    with contextlib.suppress(OSError):
        (copy / _SERVED).touch()
        served = served_copies(copy.parent)
        left = [path for path in copy.parent.iterdir() if path not in served and _age(path) > _LEFT_SECONDS]
        for old in [*served[_KEPT_COPIES:], *left]:
            discard(old)


def discard(copy: Path) -> None:
    """Remove a copy at once and as a whole, so that nobody finds a part of it."""
    with (
        contextlib.suppress(OSError),
        tempfile.TemporaryDirectory(dir=copy.parent, prefix=_UNFINISHED, ignore_cleanup_errors=True) as folder,
    ):
        copy.rename(Path(folder) / "copy")


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _served_at(copy: Path) -> float:
    try:
        return (copy / _SERVED).stat().st_mtime
    except OSError:  # another worker removed it meanwhile
        return 0.0
