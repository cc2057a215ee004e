from __future__ import annotations

from pathlib import Path

import pandas as pd

from recipeline.orchestration.cache import Reuse, find_reusable
from recipeline.orchestration.chain import Chain, run_chain, run_step
from recipeline.orchestration.session import Session
from recipeline.tracking.connection.store import Store
from tests.conftest import as_recipe, small_recipe
from tests.sessions import NAMES, Toys, open_toys

PARAMS = {name: {"word": ""} for name in NAMES}


def chained(session: Session) -> dict[str, str]:
    """Run the chain; return the run IDs of its steps."""
    chain = Chain()
    run_chain(session, NAMES, PARAMS, chain)
    return chain.lineage


def found(session: Session, **params: str) -> Reuse:
    return find_reusable(session, NAMES, PARAMS | {name: {"word": word} for name, word in params.items()})


def test_on_an_empty_store_nothing_is_there_and_nothing_was_run_before(store: Store, tmp_path: Path) -> None:
    assert found(open_toys(store, tmp_path)) == Reuse({}, dict.fromkeys(NAMES, "not run before"))


def test_the_same_steps_again_are_there_as_they_were_made(store: Store, tmp_path: Path) -> None:
    lineage = chained(open_toys(store, tmp_path))
    assert found(open_toys(store, tmp_path)) == Reuse(lineage, {})


def test_a_word_of_one_step_is_a_miss_from_there_on_with_its_old_and_new_value(store: Store, tmp_path: Path) -> None:
    lineage = chained(open_toys(store, tmp_path))
    reuse = found(open_toys(store, tmp_path), split="other")
    assert reuse.lineage == {"ingest": lineage["ingest"]}
    assert reuse.reasons["split"] == "word default → other"
    assert reuse.reasons["train"].startswith("result of split ")


def test_other_rows_are_a_miss_of_everything(store: Store, tmp_path: Path) -> None:
    chained(open_toys(store, tmp_path))
    reuse = found(open_toys(store, tmp_path, Toys(rows=pd.DataFrame({"a": [9.0, 9.0, 9.0]}))))
    assert reuse.lineage == {}
    assert reuse.reasons["ingest"] == "content of rows [[1.0], [2.0], [3.0]] → [[9.0], [9.0], [9.0]]"


def test_an_artifact_that_is_gone_is_a_miss_that_names_it(store: Store, tmp_path: Path) -> None:
    lineage = chained(open_toys(store, tmp_path))
    (path,) = tmp_path.rglob(f"{lineage['split']}/artifacts/train.parquet")
    path.unlink()
    reuse = found(open_toys(store, tmp_path))
    assert tuple(reuse.lineage) == ("ingest",)
    assert "train.parquet" in reuse.reasons["split"]
    assert reuse.reasons["train"] == "its upstream run of split is incomplete"


def test_a_deleted_run_is_not_there(store: Store, tmp_path: Path) -> None:
    lineage = chained(open_toys(store, tmp_path))
    store.client.delete_run(lineage["ingest"])
    assert found(open_toys(store, tmp_path)).lineage == {}


def test_a_step_is_there_only_together_with_the_runs_that_it_was_made_from(store: Store, tmp_path: Path) -> None:
    first = chained(open_toys(store, tmp_path))
    again, _ = run_step(open_toys(store, tmp_path), "ingest", {"word": ""}, "")
    assert again.id != first["ingest"]
    assert found(open_toys(store, tmp_path)).lineage == first


def test_another_recipe_and_another_profile_have_runs_of_their_own(store: Store, tmp_path: Path) -> None:
    chained(open_toys(store, tmp_path))
    other = as_recipe(small_recipe() | {"name": "other"})
    for session in (open_toys(store, tmp_path, recipe=other), open_toys(store, tmp_path, profile_name="other")):
        assert found(session).reasons == dict.fromkeys(NAMES, "not run before")
