"""An empty registry, and one with a table that versions can be compared on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipeline.artifacts import DATASET
from recipeline.registry.versions import Registry
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store, open_store
from recipeline.tracking.runs import StepRun, open_run
from tests.conftest import as_recipe, forget_mlflow, small_recipe
from tests.registry.helpers import NAME, Arena, add, open_copy, promote


@pytest.fixture
def registry(store: Store) -> Registry:
    """The registry of a small model, without a version."""
    return Registry(store, NAME)


@pytest.fixture
def arena(store: Store) -> Arena:
    """A table of 120 rows, and nobody in the registry yet."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"])
    table["y"] = 2 * table["a"] + table["b"] ** 2 / 2
    recipe = as_recipe(small_recipe() | {"target": "y", "columns": {name: {} for name in table}})
    with open_run(store.client, "ingest", store.experiment("toy"), {}) as ingest:
        ingest.save(DATASET, table)
    run = StepRun(
        store.client.create_run(store.experiment("toy")).info.run_id, "promote", store.client, "1", reader=Reader(store.client)
    )
    run.set_lineage({"ingest": ingest.id})
    return Arena(store, recipe, table, run)


@pytest.fixture(scope="session")
def promoted_twice(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A store of versions 1 and 2, both promoted, and 3, the challenger.

    Made once, copied often.
    """
    forget_mlflow()
    folder = tmp_path_factory.mktemp("promoted")
    shutil.copy(empty_store, folder / "mlflow.db")
    store = open_store("sqlite:///mlflow.db", root=folder, artifact_location="mlruns")
    registry = Registry(store, NAME)
    for version in ("1", "2", "3"):
        add(store, registry, version)
        if version != "3":
            promote(registry, version)
    return folder / "mlflow.db"


@pytest.fixture
def toy_store(promoted_twice: Path, tmp_path: Path) -> Store:
    return open_copy(promoted_twice, tmp_path)


@pytest.fixture
def toy(toy_store: Store) -> Registry:
    """Versions 1 (previous), 2 (champion) and 3 (challenger)."""
    return Registry(toy_store, NAME)
