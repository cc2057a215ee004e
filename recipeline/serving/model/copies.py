"""Local copies of versions."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

import orjson
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import BASELINE, GOLDEN, INTERVAL, MODEL_INFO
from recipeline.errors import UnavailableError
from recipeline.inference.trust import RefusedModel
from recipeline.serving.model.loading import VERSION
from recipeline.tracking.artifacts.artifact_cache import file_digest
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.lineage import run_of_version
from recipeline.tracking.models import model_id_of

#: The folder, in that of a version's copy, of what the self-watch counts: it goes when the copy goes.
WATCHED = "watched"

#: The file, in a version's copy, with the sha256 of each file that was fetched, as the runs noted it, and of VERSION.
DIGESTS = "digests.json"

#: The folder, in a version's copy, of the logged model.
MODEL = "model"

#: The file, in a version's copy, that says that it was served; it is as old as the last time that it began to be.
_SERVED = "served"

_KEPT_COPIES = 3

#: Folders that a copy is made in, or removed in.
_UNFINISHED = ".unfinished-"

#: Other files in the folder of copies that are older than this were left by a killed worker.
_LEFT_SECONDS = 3600


def fetch_version(store: Store, version: ModelVersion, folder: Path) -> Path:
    """Copy the files that serve the version, whole or not at all; return the folder.

    It is a new folder below `folder`.

    Raises
    ------
    UnavailableError, MlflowException, OSError : a file is missing, changed, or cannot be downloaded.
    """
    target = folder / copy_name(version)
    if target.is_dir():
        return target
    _require_cache(folder)
    reader, run_id = Reader(store.client), run_of_version(version, "evaluate")
    with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as unfinished:
        copy = Path(unfinished) / "copy"
        copy.mkdir()
        reader.copy(MODEL_INFO.name, run_id, copy)
        reader.copy(GOLDEN.name, run_id, copy)
        for artifact in (INTERVAL, BASELINE):
            if reader.has(artifact, run_id):
                reader.copy(artifact.name, run_id, copy)
        reader.copy_model(model_id_of(version), run_of_version(version, "train"), copy / MODEL)
        known = {
            "name": version.name,
            "version": str(version.version),
            "run_id": version.run_id,
            "source": version.source,
            "created_ms": version.creation_timestamp,
            "tags": dict(version.tags),
        }
        (copy / VERSION).write_bytes(orjson.dumps(known))
        noted = _noted_digests(reader, version) | {VERSION: file_digest(copy / VERSION)}
        (copy / DIGESTS).write_bytes(orjson.dumps(noted))
        try:
            copy.rename(target)
        except OSError:
            if not target.is_dir():  # else another worker was faster
                raise
    return target


def require_whole(copy: Path) -> None:
    """Raise RefusedModel unless each file of a copy has its recorded digest.

    A file without a recorded digest is refused too.
    """
    try:
        noted = dict(orjson.loads((copy / DIGESTS).read_bytes()))
        changed = sorted(name for name, digest in noted.items() if _digest(copy / name) != digest)
        unknown = sorted({VERSION, MODEL_INFO.name, GOLDEN.name, f"{MODEL}/MLmodel"} - noted.keys())
    except (OSError, ValueError, TypeError):
        changed, unknown = [], [DIGESTS]
    # An optional file is a fault if it exists and was not fetched.
    unknown += [it.name for it in (INTERVAL, BASELINE) if not unknown and (copy / it.name).exists() and it.name not in noted]
    if changed or unknown:
        raise RefusedModel(
            f"The file {changed[0]} of its local copy is missing or has changed."
            if changed
            else f"The file {unknown[0]} of its local copy has no recorded digest.",
        )


def is_as_noted(store: Store, version: ModelVersion, copy: Path) -> bool:
    """Whether a copy equals the version in the store, by the digests of its runs."""
    try:
        require_whole(copy)
    except RefusedModel:
        return False
    kept = dict(orjson.loads((copy / DIGESTS).read_bytes()))
    return all(kept.get(name) == digest for name, digest in _noted_digests(Reader(store.client), version).items())


def _noted_digests(reader: Reader, version: ModelVersion) -> dict[str, str]:
    """Return the sha256 of each file of a version from its runs' manifests.

    Keys are paths in a copy.
    """
    run_id = run_of_version(version, "evaluate")
    files = {it.name: reader.digest(it, run_id) for it in (MODEL_INFO, GOLDEN, INTERVAL, BASELINE) if reader.has(it, run_id)}
    model = reader.model_digests(model_id_of(version), run_of_version(version, "train"))
    return files | {f"{MODEL}/{name}": digest for name, digest in model.items()}


def _digest(path: Path) -> str:
    """Return the sha256 of a file; empty where it does not exist."""
    return file_digest(path) if path.is_file() else ""


def _require_cache(folder: Path) -> None:
    """Create the folder of copies.

    Raises
    ------
    UnavailableError : this user may not write to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        raise UnavailableError(
            f"The cache folder {folder} must be writable.",
            got=f"'{error}'",
            fix="Set the environment variable RECIPELINE_CACHE to another folder.",
        ) from None


def copy_name(version: ModelVersion) -> str:
    """Return the folder name of a version's copy.

    Another model under the same number has another name.
    """
    return f"{version.version}-{hashlib.sha256(str(version.source).encode()).hexdigest()[:12]}"


def served_copies(folder: Path) -> list[Path]:
    """Return the copies that were served, the last one first.

    Copies that were never served are left out: their version may be refused.
    """
    return sorted((mark.parent for mark in folder.glob(f"[!.]*/{_SERVED}")), key=_served_at, reverse=True)


def mark_served(copy: Path) -> None:
    """Record that the copy is served, and delete the ones served long before.

    Errors of writing are ignored: the copy is served from a read-only folder too. The mark is younger than all others, also
    where the clock was set back since.
    """
    with contextlib.suppress(OSError):
        before = max((_served_at(it) for it in served_copies(copy.parent) if it != copy), default=0)
        (copy / _SERVED).touch()
        if _served_at(copy) <= before:
            os.utime(copy / _SERVED, ns=(before + 1, before + 1))
        served = served_copies(copy.parent)
        left = [path for path in copy.parent.iterdir() if path not in served and _age(path) > _LEFT_SECONDS]
        for old in [*served[_KEPT_COPIES:], *left]:
            discard(old)


def discard(copy: Path) -> None:
    """Delete a copy atomically, so that no process reads a part of it."""
    with (
        contextlib.suppress(OSError),
        tempfile.TemporaryDirectory(dir=copy.parent, prefix=_UNFINISHED, ignore_cleanup_errors=True) as folder,
    ):
        copy.rename(Path(folder) / "copy")


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _served_at(copy: Path) -> int:
    """Return when a copy was served last, in nanoseconds since 1970."""
    try:
        return (copy / _SERVED).stat().st_mtime_ns
    except OSError:  # another worker removed it meanwhile
        return 0
