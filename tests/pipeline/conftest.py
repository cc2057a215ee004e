"""A real store in the test's folder, and a small model to put into it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from pipeline.artifacts import DATASET
from pipeline.models import log_model
from pipeline.runs import StepRun, open_run
from pipeline.store import Store, open_store

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})
TARGET = np.array([1.0, 2.0, 4.0])


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> Iterator[Store]:
    """An empty store, with its artifacts in `mlruns` beside it."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    yield open_store("sqlite:///mlflow.db", root=tmp_path, artifact_location="mlruns")
    mlflow.end_run()


def log_toy(store: Store) -> tuple[StepRun, str]:
    """Return a finished run that wrote a table and a model, and the model's ID."""
    with open_run(store.client, "ingest", store.experiment("toy"), {"recipe": "toy", "profile": "test"}) as run:
        run.save(DATASET, ROWS)
        model_id, digests = log_model(LinearRegression().fit(ROWS, TARGET), run.id, ROWS, packages={"sklearn"})
        run.add_model(model_id, digests)
    return run, model_id
