from __future__ import annotations

import json
from pathlib import Path

import mlflow
import mlflow.data
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event

from recipeline.artifacts import TEST, TRAIN
from recipeline.config.recipe import Recipe
from recipeline.data.origin.folders import RowPath
from recipeline.data.origin.sources import Source
from recipeline.tracking import datasets
from recipeline.tracking._compat import engines_of
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.datasets import EVALUATION, TRAINING, log_dataset, log_rows
from recipeline.tracking.runs import StepRun, open_run
from tests.conftest import as_recipe, small_recipe
from tests.large import holding
from tests.large import store as store_rows
from tests.toys import ROWS
from tests.tracking.helpers import new_run


def content(folder: Path) -> list[RowPath]:
    """Return the one file of a source."""
    (folder / "rows").write_bytes(b"content")
    return [RowPath(folder / "rows", "rows")]


@pytest.fixture
def run(store: Store) -> StepRun:
    return StepRun(new_run(store), "ingest", store.client, "1", reader=Reader(store.client))


def small() -> Recipe:
    return as_recipe(small_recipe() | {"name": "toy", "target": "b", "columns": {"a": {}, "b": {}}})


def test_the_table_is_the_input_of_its_run_with_its_name_target_and_digest(run: StepRun, tmp_path: Path) -> None:
    source = Source("file", str(tmp_path / "a.csv"), content(tmp_path))
    log_dataset(run, store_rows(ROWS, tmp_path), small(), source)
    (found,) = run.client.get_run(run.id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("toy", source.sha256[:32])
    assert "a.csv" in found.dataset.source
    assert [(tag.key, tag.value) for tag in found.tags] == [("mlflow.data.context", "ingest")]


@pytest.mark.parametrize("origin", ["runs:/0123/a.csv", "custom.red_wine.draw", "nosuch://place/a.csv"])
def test_where_mlflow_has_no_word_for_the_source_the_address_is_kept_as_it_is(
    run: StepRun, origin: str, tmp_path: Path
) -> None:
    log_dataset(run, store_rows(ROWS, tmp_path), small(), Source("file", origin, content(tmp_path)))
    (found,) = run.client.get_run(run.id).inputs.dataset_inputs
    assert origin in found.dataset.source


def test_no_secret_of_an_address_is_kept(run: StepRun, tmp_path: Path) -> None:
    log_dataset(
        run,
        store_rows(ROWS, tmp_path),
        small(),
        Source("file", "https://me:secret@host.example/a.csv?key=secret", content(tmp_path)),
    )
    (found,) = run.client.get_run(run.id).inputs.dataset_inputs
    assert "secret" not in found.dataset.source
    assert "host.example/a.csv" in found.dataset.source


def test_of_two_processes_that_log_the_same_dataset_at_once_both_succeed(store: Store, run: StepRun, tmp_path: Path) -> None:
    """Each looks, finds nothing, and inserts: the other one inserts in between."""
    other = StepRun(new_run(store), "ingest", store.client, "1", reader=Reader(store.client))
    source = Source("file", str(tmp_path / "a.csv"), content(tmp_path))
    engine = next(engines_of(store.client))
    inserted: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def overtake(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO datasets") and not inserted:
            inserted.append(statement)
            log_dataset(other, store_rows(ROWS, tmp_path), small(), source)

    try:
        log_dataset(run, store_rows(ROWS, tmp_path), small(), source)
    finally:
        event.remove(engine, "before_cursor_execute", overtake)
    found = [store.client.get_run(each.id).inputs.dataset_inputs[0].dataset.digest for each in (run, other)]
    assert (len(inserted), found) == (1, [source.sha256[:32]] * 2)


def test_the_rows_of_a_step_are_the_input_of_a_run_and_of_its_candidates_and_can_be_fetched(store: Store) -> None:
    experiment = store.experiment("toy")
    with open_run(store.client, "split", experiment, {}) as split:
        split.save(TRAIN, ROWS)
        split.save(TEST, ROWS.head(2))
    with open_run(store.client, "train", experiment, {}) as run:
        run.set_lineage({"split": split.id})
        candidates = [new_run(store), new_run(store)]
        for artifact, context in ((TRAIN, TRAINING), (TEST, EVALUATION)):
            log_rows(run, artifact, small(), context, candidates)
    for run_id in (run.id, *candidates):
        found = store.client.get_run(run_id).inputs.dataset_inputs
        assert [(tag.key, tag.value) for one in found for tag in one.tags] == [
            ("mlflow.data.context", TRAINING),
            ("mlflow.data.context", EVALUATION),
        ]
        assert [one.dataset.name for one in found] == ["toy", "toy"]
        digests = [Reader(store.client).digest(artifact, split.id)[:32] for artifact in (TRAIN, TEST)]
        assert [one.dataset.digest for one in found] == digests
        sources = [mlflow.data.get_source(one.dataset) for one in found]
        rows = [pd.read_parquet(source.load()) for source in sources]
        pd.testing.assert_frame_equal(rows[0], ROWS)
        pd.testing.assert_frame_equal(rows[1], ROWS.head(2))


def test_a_large_table_has_the_schema_and_the_size_of_all_its_rows(tmp_path: Path) -> None:
    known = np.arange(40) < 39  # a few rows show no missing value
    columns = {"a": np.where(known, 0.5, np.nan), "full": np.arange(40.0), "b": np.arange(40)}
    table = pd.DataFrame(columns).assign(text=pd.Series(["x"] * 40, dtype="str").where(pd.Series(known)))
    table["late"], table["none"] = (
        pd.Series(["x"] * 40, dtype="str").where(pd.Series(~known)),
        pd.Series([None] * 40, dtype="str"),
    )
    rows, found = store_rows(table, tmp_path), []
    source = Source("file", str(tmp_path / "a.csv"), content(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "_FEW", 5)
        for cells in (10**6, 20):
            with holding(cells):
                found.append(datasets._describe(rows, small(), source.origin, source.sha256).to_dictionary())
    assert found[0] == found[1]
    fields = {it["name"]: it["required"] for it in json.loads(found[0]["schema"])["mlflow_colspec"]}
    assert fields == {"a": False, "full": True, "b": True, "text": False, "late": False, "none": False}
    assert json.loads(found[0]["profile"]) == {"num_rows": 40, "num_elements": 240}
