from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from recipeline.artifacts import ADDED_REQUESTS, DATASET
from recipeline.orchestration.added_rows import find_contents, find_requests
from recipeline.orchestration.session import Session
from recipeline.tracking.connection.store import Store
from tests.sessions import open_toys
from tests.toys import ROWS


def add(session: Session, before: str, after: str, file: str, request: int) -> None:
    with session.open_run("retrain") as run:
        run.save(ADDED_REQUESTS, pd.DataFrame({"request": np.array([request], dtype=np.uint64)}))
        run.tag(base_digest=before, combined_digest=after, added_digest=file)


def test_files_and_requests_of_all_additions_are_known_and_no_others(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    with session.open_run("ingest") as ingest:
        ingest.save(DATASET, ROWS)
    for number, (before, after, file) in enumerate([("a", "b", "f"), ("b", "c", "g"), ("c", "d", "h")]):
        add(session, before, after, file, 10 + number)
    contents = find_contents(session, ingest.id, "c")
    assert contents == {"a", "b", "c", "f", "g"}
    assert find_requests(session, ingest.id, contents).tolist() == [10, 11]
    assert find_contents(session, ingest.id, "a") == {"a"}
    assert len(find_requests(session, ingest.id, {"a"})) == 0
