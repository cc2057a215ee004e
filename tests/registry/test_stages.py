from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from recipeline.registry.stages import ARCHIVED, CHALLENGER, CHAMPION, PRODUCTION, STAGING
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import Store
from tests.registry.helpers import ANN, NAME, add, holder, move, promote, stages
from tests.toys import log_toy


def test_an_older_challenger_is_archived_and_comes_back_when_it_is_registered_again(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    add(store, registry, "b")
    assert stages(registry) == {"1": ARCHIVED, "2": STAGING}
    assert add(store, registry, "a") == ("1", False)
    assert stages(registry) == {"1": STAGING, "2": ARCHIVED}
    assert holder(registry, CHALLENGER) == "1"


def test_a_twin_whose_files_are_gone_is_registered_anew(store: Store, registry: Registry, tmp_path: Path) -> None:
    add(store, registry, "a")
    for path in (tmp_path / "mlruns").rglob("MLmodel"):
        path.unlink()
    assert add(store, registry, "a", of=log_toy(store)) == ("2", True)
    assert add(store, registry, "a", of=log_toy(store)) == ("2", False)


def test_a_registry_that_does_not_answer_is_not_one_without_a_champion(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = replace(store, client=MlflowClient(tracking_uri="http://127.0.0.1:9"))
    with pytest.raises(MlflowException):
        Registry(away, NAME).holder(CHAMPION)


def test_settling_leaves_one_production_where_there_were_two(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    add(store, registry, "b")
    promote(registry, "1")
    move(store, "2", PRODUCTION)
    registry.reconcile(ANN)
    assert stages(registry) == {"1": PRODUCTION, "2": ARCHIVED}


@pytest.mark.parametrize("stage", [STAGING, ARCHIVED, "None"])
def test_settling_brings_a_champion_back_to_production(store: Store, registry: Registry, stage: str) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    move(store, "1", stage)
    registry.reconcile(ANN)
    assert stages(registry) == {"1": PRODUCTION}


def test_without_a_champion_there_is_nothing_to_settle(store: Store, registry: Registry) -> None:
    registry.reconcile(ANN)
    add(store, registry, "a")
    registry.reconcile(ANN)
    assert stages(registry) == {"1": STAGING}


def test_there_is_a_production_at_every_moment_of_a_promotion(store: Store, registry: Registry) -> None:
    for identity in "ab":
        add(store, registry, identity)
    promote(registry, "1")
    done, counts = threading.Event(), []

    def watch() -> None:
        while not done.is_set():
            counts.append(list(stages(registry).values()).count(PRODUCTION))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for version in ("2", "1") * 5:
        promote(registry, version)
    done.set()
    watcher.join()
    assert len(counts) > 10
    assert min(counts) >= 1
