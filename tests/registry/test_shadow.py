"""The comparison in shadow that a decision has as evidence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import DRIFT_REPORT
from recipeline.monitoring.results import DriftReport, Monitored, ShadowCompared
from recipeline.registry.shadow import find_shadow
from recipeline.tracking.artifact_writer import Writer
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from tests.records import some
from tests.tracking.helpers import list_one_by_one


def version(number: str) -> ModelVersion:
    found: Any = SimpleNamespace(name="M", version=number)
    return cast(ModelVersion, found)


class Monitoring:
    """Runs of monitor in a real store."""

    def __init__(self, store: Store) -> None:
        self.client = store.client
        self.experiment = store.experiment("monitoring")

    def write(
        self,
        rows: int,
        *,
        champion: str = "1",
        challenger: str = "2",
        name: str = "M",
        recipe: str = "r",
        status: str = "FINISHED",
    ) -> str:
        """Write a run whose report compares two versions; return its ID."""
        run_id = str(self.client.create_run(self.experiment).info.run_id)
        tags = {"step": "monitor", "recipe": recipe, "model_version": champion, "shadow_version": challenger}
        for key, value in tags.items():
            self.client.set_tag(run_id, f"recipeline.{key}", value)
        shadow = some(ShadowCompared, {"champion": champion, "challenger": challenger, "rows": rows, "run_id": ""})
        model = some(Monitored, {"name": name, "version": champion})
        writer = Writer(self.client, run_id)
        writer.save(DRIFT_REPORT, some(DriftReport, {"shadow": shadow, "model": model}))
        writer.close()
        if status == "FINISHED":
            self.client.set_terminated(run_id, status)
        return run_id

    def find(self, challenger: str = "2", champion: str = "1") -> ShadowCompared | None:
        return find_shadow(self.client, Reader(self.client), "r", version(challenger), version(champion))


@pytest.fixture
def monitoring(store: Store) -> Monitoring:
    return Monitoring(store)


def test_the_newest_finished_comparison_of_the_two_is_found(monitoring: Monitoring) -> None:
    assert monitoring.find() is None
    monitoring.write(10)
    newest = monitoring.write(20)
    monitoring.write(30, champion="3")
    monitoring.write(40, challenger="3")
    monitoring.write(50, name="another model")
    monitoring.write(60, status="RUNNING")
    found = monitoring.find()
    assert found
    assert (found.rows, found.run_id) == (20, newest)
    assert monitoring.find(challenger="4") is None


def test_runs_of_another_project_with_the_same_numbers_hide_nothing(monitoring: Monitoring) -> None:
    kept = monitoring.write(10)
    for _ in range(10):
        monitoring.write(20, name="theirs", recipe="theirs")
    found = monitoring.find()
    assert found
    assert found.run_id == kept


def test_runs_of_all_experiments_are_searched(monitoring: Monitoring, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = monitoring.write(10)
    store.experiment("a newer one")
    list_one_by_one(store, monkeypatch)
    found = monitoring.find()
    assert found
    assert found.run_id == kept


def test_a_report_that_was_changed_is_passed_over(monitoring: Monitoring) -> None:
    kept = monitoring.write(10)
    changed = monitoring.write(20)
    monitoring.client.log_text(changed, "{}", DRIFT_REPORT.name)
    found = monitoring.find()
    assert found
    assert found.run_id == kept
