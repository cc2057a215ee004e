"""A small table and a small model to put into a store."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from recipeline.artifacts import DATASET
from recipeline.tracking.connection.store import Store
from recipeline.tracking.models import log_model
from recipeline.tracking.runs import StepRun, open_run

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})
TARGET = np.array([1.0, 2.0, 4.0])


def log_toy(store: Store) -> tuple[StepRun, str]:
    """Return a finished run that wrote a table and a model, and the model's ID."""
    with open_run(store.client, "ingest", store.experiment("toy"), {"recipe": "toy", "profile": "test"}) as run:
        run.save(DATASET, ROWS)
        model_id, digests = log_model(LinearRegression().fit(ROWS, TARGET), run.id, ROWS, packages={"sklearn"})
        run.add_model(model_id, digests)
    return run, model_id
