"""Only copies that nothing leads to, and that nobody is writing, are deleted."""

from __future__ import annotations

import pytest

from recipeline.orchestration.session import Session
from recipeline.orchestration.transfer import leftovers
from recipeline.orchestration.transfer.leftovers import delete_left
from recipeline.tracking.connection import store
from recipeline.tracking.tags import RunTags
from tests.tracking.helpers import finish, list_one_by_one

HERE = {RunTags.SOURCE_URI: "http://dev:5000", RunTags.SOURCE_HOST: "here", RunTags.MODEL_NAME: "Wines"}


def add(session: Session, **changes: str) -> str:
    tags = {str(name).removeprefix("recipeline."): value for name, value in HERE.items()} | changes
    return finish(session.store, **tags)


def active(session: Session, run_id: str) -> bool:
    return bool(session.store.client.get_run(run_id).info.lifecycle_stage == "active")


def test_copies_of_this_machine_from_this_source_to_this_model_are_deleted(dev: Session) -> None:
    tags = {**HERE, RunTags.MODEL_NAME: dev.registry.name}
    left = add(dev, model_name=dev.registry.name)
    kept = [
        add(dev, model_name=dev.registry.name, source_uri="http://another:5000"),
        add(dev, model_name=dev.registry.name, source_host="another"),  # perhaps it is at work
        add(dev, model_name="Cars"),
        finish(dev.store),
    ]
    version = dev.registry.version("1")
    used = add(dev, model_name=dev.registry.name)
    dev.store.client.set_model_version_tag(version.name, "1", "recipeline.ingest_run_id", used)
    elsewhere = add(dev, model_name=dev.registry.name)
    dev.store.client.create_registered_model("Other")  # by `--to models:/Other`, before the version was pruned
    dev.store.client.create_model_version("Other", version.source, tags={"recipeline.train_run_id": elsewhere})
    delete_left(dev, tags)
    assert not active(dev, left)
    assert all(active(dev, run_id) for run_id in (*kept, used, elsewhere))


def test_copies_in_all_experiments_are_found(dev: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {**HERE, RunTags.MODEL_NAME: dev.registry.name}
    left = add(dev, model_name=dev.registry.name)
    dev.store.experiment("a newer one")
    list_one_by_one(dev.store, monkeypatch)
    delete_left(dev, tags)
    assert not active(dev, left)


def test_copies_on_many_pages_are_all_deleted(dev: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted one makes place for those behind it."""
    monkeypatch.setattr(store, "_PAGE", 2)
    tags = {**HERE, RunTags.MODEL_NAME: dev.registry.name}
    left = [add(dev, model_name=dev.registry.name) for _ in range(7)]
    delete_left(dev, tags)
    assert not any(active(dev, run_id) for run_id in left)


@pytest.mark.full
def test_copies_of_another_machine_are_deleted_after_a_day(dev: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    tags = {**HERE, RunTags.MODEL_NAME: dev.registry.name}
    run_id = add(dev, model_name=dev.registry.name, source_host="another")
    for left_ms, stays in ((24 * 3600 * 1000, True), (-1000, False)):
        monkeypatch.setattr(leftovers, "_LEFT_MS", left_ms)
        delete_left(dev, tags)
        assert active(dev, run_id) is stays
