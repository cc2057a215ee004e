"""Private parts of MLflow that this library uses, all of them; each was seen in MLflow 3.17.

They may change with any release of MLflow: `tests/tracking/test_compat.py` tries each.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlflow import MlflowClient
from sqlalchemy import Engine


def engines_of(client: MlflowClient) -> Iterator[Engine]:
    """Yield the SQLAlchemy engines of the tracking store and the registry that a client of a database asks.

    MLflow gives no other way to set up its connections to a store, and to no other database.
    """
    for store in (client._tracking_client.store, client._get_registry_client().store):
        engine = getattr(store, "engine", None)
        if isinstance(engine, Engine):
            yield engine
