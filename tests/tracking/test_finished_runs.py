from __future__ import annotations

import pytest
from mlflow.entities import Run

from recipeline.errors import UnavailableError
from recipeline.tracking.connection.store import Store
from recipeline.tracking.finished_runs import History
from recipeline.tracking.runs import fail_run, open_run
from tests.tracking.helpers import WHO, finish, list_one_by_one


@pytest.fixture
def history(store: Store) -> History:
    return History(store.client, "toy", "test")


def ids(runs: list[Run]) -> list[str]:
    return [run.info.run_id for run in runs]


def test_the_newest_runs_come_first_whatever_their_experiment(store: Store, history: History) -> None:
    made = [finish(store, experiment=name) for name in ("a", "b", "a")]
    assert ids(history.newest("ingest")) == made[:1:-1]
    assert ids(history.newest("ingest", limit=2)) == made[:0:-1]
    assert ids(history.newest("ingest", limit=9)) == made[::-1]


def test_runs_of_all_experiments_count_however_many_these_are(
    store: Store, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [finish(store, experiment=name) for name in ("a", "b", "c")]
    list_one_by_one(store, monkeypatch)
    assert ids(history.newest("ingest", limit=9)) == made[::-1]


def test_only_finished_runs_of_the_step_recipe_and_profile_count(store: Store, history: History) -> None:
    wanted = finish(store)
    finish(store, "split")
    finish(store, recipe="other")
    finish(store, profile="other")
    with pytest.raises(ValueError, match="a bug"), open_run(store.client, "ingest", store.experiment("toy"), WHO):
        raise ValueError("a bug")
    store.client.create_run(
        store.experiment("toy"), tags={f"recipeline.{k}": v for k, v in WHO.items()} | {"recipeline.step": "ingest"}
    )
    store.client.delete_run(finish(store))
    assert ids(history.newest("ingest", limit=9)) == [wanted]


def test_a_fingerprint_picks_its_runs(store: Store, history: History) -> None:
    first, second = (finish(store, fingerprint=name) for name in ("aa", "bb"))
    assert ids(history.newest("ingest", fingerprint="aa", limit=9)) == [first]
    assert ids(history.newest("ingest", fingerprint="bb", limit=9)) == [second]
    assert history.newest("ingest", fingerprint="cc") == []


def test_runs_of_a_deleted_experiment_do_not_count(store: Store, history: History) -> None:
    finish(store, experiment="gone")
    store.client.delete_experiment(store.experiment("gone"))
    assert history.newest("ingest") == []


def test_a_finished_run_is_got_by_its_id(store: Store, history: History) -> None:
    run_id = finish(store)
    assert history.get("ingest", run_id).info.run_id == run_id


@pytest.mark.parametrize("run_id", ["0123", "", "no such run", "' or 1=1", "x" * 500])
def test_a_run_id_that_the_store_does_not_have_is_unavailable(history: History, run_id: str) -> None:
    with pytest.raises(UnavailableError, match="ingest_run_id must be the ID of a finished run of ingest") as error:
        history.get("ingest", run_id)
    assert f"Got '{run_id}', which the store does not have, instead" in error.value.sentence
    assert error.value.exit_code == 6


def test_a_run_of_another_step_or_of_no_step_is_unavailable(store: Store, history: History) -> None:
    with pytest.raises(UnavailableError, match="a run of split, instead"):
        history.get("ingest", finish(store, "split"))
    foreign = store.client.create_run(store.experiment("toy")).info.run_id
    with pytest.raises(UnavailableError, match="a run of no step of this project, instead"):
        history.get("ingest", foreign)


def test_a_run_of_another_recipe_is_unavailable(store: Store, history: History) -> None:
    """Its columns are others: a step would end in a traceback."""
    with pytest.raises(
        UnavailableError, match=r"a run of the recipe 'other', not 'toy', instead\. Name that recipe with recipe="
    ):
        history.get("ingest", finish(store, recipe="other"))


def test_a_run_that_did_not_finish_is_unavailable(store: Store, history: History) -> None:
    tags = {"recipeline.step": "ingest", "recipeline.recipe": "toy"}
    run_id = store.client.create_run(store.experiment("toy"), tags=tags).info.run_id
    with pytest.raises(UnavailableError, match="which is RUNNING"):
        history.get("ingest", run_id)
    fail_run(store.client, run_id, ValueError("a bug"))
    with pytest.raises(UnavailableError, match="which is FAILED"):
        history.get("ingest", run_id)


def test_a_deleted_run_is_unavailable_with_the_way_to_bring_it_back(store: Store, history: History) -> None:
    run_id = finish(store)
    store.client.delete_run(run_id)
    with pytest.raises(UnavailableError, match=f"mlflow runs restore --run-id {run_id}"):
        history.get("ingest", run_id)
