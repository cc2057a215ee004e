"""An empty registry, and one with a table that versions can be compared on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recipeline.artifacts import DATASET
from recipeline.registry.versions import Registry
from recipeline.tracking.manifest import Reader
from recipeline.tracking.runs import StepRun, open_run
from recipeline.tracking.store import Store
from tests.conftest import as_recipe, small_recipe
from tests.registry.helpers import NAME, Arena


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
