"""The model under BentoML, as in its documentation.

It runs in BentoML's environment.
"""

# No `from __future__ import annotations`: BentoML reads the annotations.
import os

import bentoml
import mlflow.sklearn
import pandas as pd


@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]))
class Wine:
    """A logged scikit-learn model; BENCH_MODEL is its folder."""

    def __init__(self) -> None:
        self._model = mlflow.sklearn.load_model(os.environ["BENCH_MODEL"])

    @bentoml.api
    def predict(self, rows: list[dict[str, float]]) -> list[float]:
        """Answer rows that are objects by column name."""
        return list(self._model.predict(pd.DataFrame(rows)))
