"""Files and requests whose rows are among those that a version was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipeline.artifacts import ADDED_REQUESTS
from recipeline.orchestration.session import Session
from recipeline.tracking.datasets import find_digests
from recipeline.tracking.tags import RunTags

if TYPE_CHECKING:
    import numpy as np


def find_contents(session: Session, ingest_run_id: str, digest: str) -> set[str]:
    """Return the digests of all files in the table of training rows with a digest.

    They are its own and those of the files and tables that it was assembled from. The run of ingest of a transferred version
    has those that were known where it was made.
    """
    made = dict[str | None, list[str]]()
    for run in session.history.newest("retrain", limit=1000):
        tags = run.data.tags
        if RunTags.COMBINED_DIGEST in tags:
            added = [tags.get(RunTags.BASE_DIGEST, ""), *find_digests(tags, RunTags.ADDED_DIGEST)]
            made.setdefault(tags[RunTags.COMBINED_DIGEST], []).extend(added)
    for run in session.history.newest("ingest", limit=1000):
        tags = run.data.tags
        if parts := find_digests(tags, RunTags.PART_DIGEST):
            made.setdefault(tags[RunTags.DATA_DIGEST], []).extend(parts)
    transferred = find_digests(session.reader.runs.get(ingest_run_id).data.tags, RunTags.ADDED_DIGEST)
    found, waiting = set[str](), [digest, *transferred]
    while waiting:
        it = waiting.pop()
        if it and it not in found:
            found.add(it)
            waiting += made.get(it, ())
    return found


def find_requests(session: Session, ingest_run_id: str, contents: set[str]) -> np.ndarray:
    """Return the keys of the requests whose rows are in a table of such `contents`."""
    import numpy as np

    made = [run.info.run_id for run in session.history.newest("retrain", limit=1000) if _combined(run.data.tags) in contents]
    runs = [run_id for run_id in (ingest_run_id, *made) if session.reader.has(ADDED_REQUESTS, run_id)]
    keys = [session.reader.load(ADDED_REQUESTS, run_id)["request"].to_numpy() for run_id in runs]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *keys]))


def _combined(tags: dict[str, str]) -> str | None:
    return tags.get(RunTags.COMBINED_DIGEST)
