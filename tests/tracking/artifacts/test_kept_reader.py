from __future__ import annotations

from pathlib import Path

from recipeline.artifacts import DATASET
from recipeline.tracking.artifacts.kept_reader import KeptReader
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from tests.toys import log_toy


def test_an_artifact_is_read_once(store: Store, tmp_path: Path) -> None:
    run, _ = log_toy(store)
    reader = KeptReader(Reader(store.client))
    table = reader.load(DATASET, run.id)
    (path,) = (tmp_path / "mlruns").rglob("dataset.parquet")
    path.unlink()
    assert reader.load(DATASET, run.id) is table


def test_rows_are_opened_once(store: Store) -> None:
    run, _ = log_toy(store)
    reader = KeptReader(Reader(store.client))
    assert reader.open(DATASET, run.id) is reader.open(DATASET, run.id)
    assert len(reader.open(DATASET, run.id)) == len(reader.load(DATASET, run.id))
