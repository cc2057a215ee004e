"""Runs of a small recipe."""

from __future__ import annotations

import pytest

from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import open_run

WHO = {"recipe": "toy", "profile": "test"}


def finish(store: Store, step: str = "ingest", *, experiment: str = "toy", **tags: str) -> str:
    """Return the ID of a new finished run of `step`."""
    with open_run(store.client, step, store.experiment(experiment), WHO | tags) as run:
        pass
    return run.id


def list_one_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store name one experiment at a time, as it names a thousand of more."""
    search = store.client.search_experiments
    monkeypatch.setattr(store.client, "search_experiments", lambda **options: search(**{**options, "max_results": 1}))


def new_run(store: Store) -> str:
    """Return the ID of a run that was begun by no step."""
    return str(store.client.create_run(store.experiment("toy")).info.run_id)
