from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from recipeline.tracking.connection import patience
from recipeline.tracking.connection.store import Store
from recipeline.tracking.new_run import create_run
from recipeline.tracking.runs import create_child, open_run


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
