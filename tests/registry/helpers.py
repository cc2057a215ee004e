"""Versions of small models in a registry, and how things stand there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from sklearn.linear_model import LinearRegression

from recipeline.artifacts import TRAINING_ROWS, VERSION
from recipeline.config.recipe import Recipe
from recipeline.data.relating.relations import list_seen
from recipeline.engine.local import LocalWorkers
from recipeline.evaluation.results import RegisteredVersion
from recipeline.registry.contest import Contest
from recipeline.registry.ledger import PROMOTE, ROLLBACK, Actor, ChangedBy
from recipeline.registry.results import OPEN, Entry
from recipeline.registry.stages import CHALLENGER, CHAMPION, PREVIOUS, PRODUCTION
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import Store, open_store
from recipeline.tracking.models import log_model
from recipeline.tracking.runs import StepRun, open_run
from tests.records import some
from tests.toys import log_toy

NAME = "Toy"
ANN = ChangedBy(Actor("ann", "here"), "0" * 32)
#: By store, the run and the logged model of its versions.
_TOYS: dict[str, tuple[StepRun, str]] = {}


def add(
    store: Store, registry: Registry, identity: str, *, of: tuple[StepRun, str] | None = None, **tags: object
) -> tuple[str, bool]:
    """Register a small model; return its version and whether it is new.

    `of` is a run and a logged model.

    Versions of one store are of one logged model where nothing else is said: to log another is most of a short test's time.
    """
    if of is None:
        of = _TOYS[store.uri] = _TOYS.get(store.uri) or log_toy(store)
    run, model_id = of
    version, is_new = registry.register(
        source=f"models:/{model_id}", run_id=run.id, model_id=model_id, identity=identity, tags=tags, description="a toy"
    )
    return str(version.version), is_new


def stages(registry: Registry) -> dict[str, str]:
    """Return the stage of each version."""
    return {str(version.version): version.current_stage for version in registry.versions()}


def holder(registry: Registry, alias: str) -> str:
    """Return the version that has the alias; empty where none has it."""
    version = registry.holder(alias)
    return str(version.version) if version else ""


def aliases(registry: Registry) -> dict[str, str]:
    """Return the version of each alias."""
    return {alias: holder(registry, alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)}


def promote(registry: Registry, version: str) -> Entry | None:
    """Promote a version over whatever is the champion."""
    return registry.change(version, expected=holder(registry, CHAMPION), kind=PROMOTE, reason="better", changed_by=ANN)


def move(store: Store, version: str, stage: str) -> None:
    """Move a version by hand, as somebody may in MLflow's interface."""
    with pytest.warns(FutureWarning):
        store.client.transition_model_version_stage(NAME, version, stage)


def register(store: Store, model_id: str, run_id: str, **tags: object) -> ModelVersion:
    """Register a logged model under its own ID; return its version."""
    version, _ = Registry(store, NAME).register(
        source=f"models:/{model_id}", run_id=run_id, model_id=model_id, identity=model_id, tags=tags, description=""
    )
    return version


@dataclass
class Arena:
    """A table, the run whose lineage has it, and the registry of its models."""

    store: Store
    recipe: Recipe
    table: pd.DataFrame
    run: StepRun

    def enter(self, rows: slice, names: tuple[str, ...] = ("a", "b"), **tags: object) -> tuple[ModelVersion, LinearRegression]:
        """Register a model of the columns `names`; return its version and it."""
        seen, experiment = self.table.iloc[rows], self.store.experiment("toy")
        model = LinearRegression().fit(seen[[*names]], seen["y"])
        with open_run(self.store.client, "register", experiment, {}) as run:
            model_id, digests = log_model(model, run.id, seen[[*names]], packages={"sklearn"})
            run.add_model(model_id, digests)
            run.save(TRAINING_ROWS, list_seen(seen, self.recipe))
            run.save(VERSION, some(RegisteredVersion, {"tags": {"candidates_compared": 1}}))
        return register(self.store, model_id, run.id, register_run_id=run.id, **tags), model

    def meet(self, challenger: ModelVersion, champion: ModelVersion) -> Contest:
        """Return the contest of two versions."""
        return Contest(self.run, self.recipe, LocalWorkers(1), NAME, challenger, champion, candidates=3, attempt=1)


#: The methods of MLflow's client by which the registry writes.
WRITES = (
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_registered_model_tag",
    "set_model_version_tag",
    "delete_model_version_tag",
    "transition_model_version_stage",
)


def entries(registry: Registry) -> list[tuple[str, str, str, str]]:
    return [(entry.kind, entry.before, entry.after, entry.state) for entry in registry.ledger.read().entries]


def roll_back(registry: Registry, version: str) -> Entry | None:
    return registry.change(version, expected=holder(registry, CHAMPION), kind=ROLLBACK, reason="it was bad", changed_by=ANN)


def assert_settled(registry: Registry) -> None:
    """Assert one Production, the champion's, and a whole ledger up to it.

    Each change goes on from the one before.
    """
    champion, reading = holder(registry, CHAMPION), registry.ledger.read()
    assert [version for version, stage in stages(registry).items() if stage == PRODUCTION] == [champion]
    assert reading.faults == {}
    assert [entry.number for entry in reading.entries if entry.state == OPEN] == []
    assert [entry.before for entry in reading.changes] == ["", *(entry.after for entry in reading.changes[:-1])]
    assert reading.changes[-1].after == champion


def open_copy(path: Path, folder: Path) -> Store:
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "mlflow.db")
    return open_store("sqlite:///mlflow.db", root=folder, artifact_location="mlruns")


@contextmanager
def overtaken_at(client: MlflowClient, write: int, act: Callable[[], object]) -> Iterator[list[str]]:
    """Do `act` before the client's `write`-th write; give the writes' names.

    Counted from 1.
    """
    names: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        method = getattr(client, name)

        def call(*words: Any, **options: Any) -> Any:
            names.append(name)
            if len(names) == write:
                act()
            return method(*words, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(client, name, watched(name))
        yield names


@contextmanager
def stopped_at(client: MlflowClient, write: int) -> Iterator[list[str]]:
    """Interrupt in place of the client's `write`-th write; give their names.

    By KeyboardInterrupt, counted from 1.
    """

    def stop() -> None:
        raise KeyboardInterrupt

    with suppress(KeyboardInterrupt), overtaken_at(client, write, stop) as names:
        yield names
