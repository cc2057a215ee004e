from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

from recipeline.tracking.connection import patience
from recipeline.tracking.connection.store import Store
from recipeline.tracking.models import log_model
from recipeline.tracking.new_run import create_model, create_run
from recipeline.tracking.run_copies import CopyWriter, ModelCopy, read_candidate
from recipeline.tracking.runs import create_child, open_run
from tests.toys import ROWS, TARGET, log_toy


def lose_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each new run be made twice, as after a request that was sent again."""
    create: Callable[..., Run] = store.client.create_run

    def twice(*args: object, **options: object) -> Run:
        create(*args, **options)
        monkeypatch.setattr(patience._REPEATED, "count", patience.repetitions() + 1, raising=False)
        return create(*args, **options)

    monkeypatch.setattr(store.client, "create_run", twice)


def test_a_run_and_its_child_whose_answers_were_lost_are_there_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = store.experiment("toy")
    with open_run(store.client, "train", experiment, {}) as other:
        pass
    lose_answers(store, monkeypatch)
    with open_run(store.client, "train", experiment, {}) as run:
        child = create_child(run, "Linear", {})
    assert {it.info.run_id for it in store.client.search_runs([experiment])} == {other.id, run.id, child}


def test_a_search_for_twins_that_fails_is_no_failure_of_the_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> NoReturn:
        raise MlflowException("API request to http://x failed")

    lose_answers(store, monkeypatch)
    monkeypatch.setattr(store.client, "search_runs", away)
    made = create_run(store.client, store.experiment("toy"), {}, lambda *_: None)
    assert store.client.get_run(made.info.run_id).info.status == "RUNNING"


def test_a_run_that_was_asked_for_once_costs_no_further_request(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(store.client, "search_runs", lambda *words: asked.append(words))
    create_run(store.client, store.experiment("toy"), {}, lambda *_: None)
    assert not asked


def lose_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each new logged model be made twice, as after a request that was sent again."""
    create: Callable[..., LoggedModel] = MlflowClient.create_logged_model

    def twice(*args: object, **options: object) -> LoggedModel:
        create(*args, **options)
        monkeypatch.setattr(patience._REPEATED, "count", patience.repetitions() + 1, raising=False)
        return create(*args, **options)

    monkeypatch.setattr(MlflowClient, "create_logged_model", twice)


def models(store: Store) -> dict[str, str]:
    """Return the states of all logged models by ID."""
    found = store.client.search_logged_models([*store.experiments.values()])
    return {model.model_id: str(model.status) for model in found}


def test_a_model_whose_answer_was_lost_is_there_once_and_those_of_other_runs_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(store.uri)
    other, _ = log_toy(store)
    experiment = store.experiment("toy")
    pending = store.client.create_logged_model(experiment, source_run_id=store.client.create_run(experiment).info.run_id)
    before = models(store)
    lose_models(monkeypatch)
    with open_run(store.client, "train", experiment, {}) as run:
        made, _ = log_model(LinearRegression().fit(ROWS, TARGET), run.id, ROWS, packages={"sklearn"})
    assert before[pending.model_id] == "PENDING"
    assert models(store) == before | {made: "READY"}
    assert other.id != run.id


def test_a_copied_run_and_model_whose_answers_were_lost_are_there_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(store.uri)
    run, model_id = log_toy(store)
    (folder,) = (tmp_path / "mlruns").rglob(f"{model_id}/artifacts")
    copy = ModelCopy(Path(shutil.copytree(folder, tmp_path / "copy")), store.client.get_logged_model(model_id))
    lose_answers(store, monkeypatch)
    lose_models(monkeypatch)
    target = store.experiment("copies")
    copier = CopyWriter(store.client, target, ids={}, profile="p", tags={})
    opened = copier.open_run(read_candidate(store.client, run.id))
    made, _ = copier.write_model(copy, opened)
    assert [it.info.run_id for it in store.client.search_runs([target])] == [opened.id]
    assert models(store) == {model_id: "READY", made: "READY"}


def test_a_search_for_twins_of_a_model_that_fails_is_no_failure(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> NoReturn:
        raise MlflowException("API request to http://x failed")

    lose_models(monkeypatch)
    monkeypatch.setattr(store.client, "search_logged_models", away)
    experiment = store.experiment("toy")
    run = store.client.create_run(experiment)
    made = create_model(store.client, experiment, run.info.run_id, name="model", tags={}, params={})
    assert made.status == "PENDING"
