"""Artifacts of one command, each read once."""

from __future__ import annotations

from typing import Any

from recipeline.artifacts import Artifact, Rows, T
from recipeline.data.stored_rows import StoredRows
from recipeline.tracking.artifacts.manifest import Reader


class KeptReader:
    """A `Reader` with a cache: each artifact is read once and must not be changed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._kept: dict[tuple[str, str], Any] = {}

    def load(self, artifact: Artifact[T], run_id: str) -> T:
        """Return the artifact of the run. Raises UnavailableError as `Reader.load` does."""
        key = artifact.name, run_id
        if key not in self._kept:
            self._kept[key] = self._reader.load(artifact, run_id)
        found: T = self._kept[key]
        return found

    def open(self, artifact: Rows, run_id: str) -> StoredRows:
        """Return the rows of the run's artifact; `Reader.open` checks the file once."""
        key = f"rows of {artifact.name}", run_id
        if key not in self._kept:
            self._kept[key] = self._reader.open(artifact, run_id)
        found: StoredRows = self._kept[key]
        return found
