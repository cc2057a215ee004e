from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from recipeline.artifacts import FINGERPRINT, FITTED, TRAIN
from recipeline.data.results import FittedRows
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.lineage import (
    find_fitted,
    fitted_tags,
    lineage_of,
    lineage_of_chain,
    lineage_of_version,
    load_fitted,
    recorded,
)
from recipeline.tracking.results import Recorded
from recipeline.tracking.runs import open_run
from recipeline.tracking.tags import run_id_tag
from tests.tracking.helpers import WHO, finish


def test_the_lineage_of_a_run_is_in_the_order_of_the_steps_and_ends_with_it(store: Store) -> None:
    ingest, split = finish(store, "ingest"), finish(store, "split")
    with open_run(store.client, "train", store.experiment("toy"), WHO) as run:
        run.set_lineage({"split": split, "ingest": ingest})
    found = store.client.get_run(run.id)
    assert list(lineage_of(found, ("ingest", "split", "train")).items()) == [
        ("ingest", ingest),
        ("split", split),
        ("train", run.id),
    ]
    alone = store.client.get_run(finish(store))
    assert lineage_of(alone, ("ingest",)) == {"ingest": alone.info.run_id}


def test_what_a_result_depends_on_is_recorded(store: Store) -> None:
    content = Recorded({"data": "auto"}, {"cv.folds": "5"})
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        run.save(FINGERPRINT, content)
    assert recorded(Reader(store.client), store.client.get_run(run.id)) == content


def test_a_result_whose_record_is_gone_depends_on_nothing_that_is_known(store: Store, tmp_path: Path) -> None:
    with open_run(store.client, "ingest", store.experiment("toy"), WHO) as run:
        run.save(FINGERPRINT, Recorded({"data": "auto"}, {}))
    (path,) = (tmp_path / "mlruns").rglob("fingerprint.json")
    path.write_text("{}", encoding="utf-8")
    assert recorded(Reader(store.client), store.client.get_run(run.id)) == Recorded({}, {})


def test_the_lineage_of_a_chain_ends_where_it_ended(store: Store) -> None:
    ingest, split = finish(store, "ingest"), finish(store, "split")
    chain = store.client.get_run(finish(store, "main", split_run_id=split, ingest_run_id=ingest))
    assert list(lineage_of_chain(chain, ("ingest", "split", "train")).items()) == [("ingest", ingest), ("split", split)]
    assert lineage_of_chain(store.client.get_run(finish(store, "main")), ("ingest",)) == {}


def test_the_lineage_of_a_version_is_what_its_tags_say_in_the_order_of_the_steps() -> None:
    tags = [ModelVersionTag(run_id_tag(step), run_id) for step, run_id in (("split", "b"), ("ingest", "a"))]
    assert list(lineage_of_version(ModelVersion("Toy", "1", 0, tags=tags), ("ingest", "split", "train")).items()) == [
        ("ingest", "a"),
        ("split", "b"),
    ]


ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize(
    ("limit", "fitted"), [(None, None), (10, None), (3, FittedRows(2, 4, 3))], ids=["no limit", "room", "limited"]
)
def test_later_steps_read_the_rows_that_train_fitted_to_and_how_many_they_were(
    store: Store, limit: int | None, fitted: FittedRows | None
) -> None:
    experiment = store.experiment("toy")
    with open_run(store.client, "split", experiment, {}) as split:
        split.save(TRAIN, ROWS)
    with open_run(store.client, "train", experiment, {}) as train:
        train.set_lineage({"split": split.id})
        assert find_fitted(train) == (None, None)
        train.tag(**fitted_tags(limit, fitted))
        if fitted:
            train.save(FITTED, ROWS.head(2))
    with open_run(store.client, "evaluate", experiment, {}) as evaluate:
        evaluate.set_lineage({"split": split.id, "train": train.id})
        assert find_fitted(evaluate) == (limit, fitted)
        pd.testing.assert_frame_equal(load_fitted(evaluate), ROWS.head(2) if fitted else ROWS)
