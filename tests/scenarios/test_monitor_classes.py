"""Late labels of classes: joined to a log, judged, learned from, refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.classes import class_content, draw_classes
from tests.conftest import MakeProject, Project
from tests.faults import in_fork
from tests.scenarios.test_bad_input import expect
from tests.scenarios.test_monitor import Chain, report, rows_at, table

pytestmark = pytest.mark.xdist_group("monitor classes")
LABELS = ["bad", "fair", "good"]


@pytest.fixture(scope="module")
def _grown(make_project: MakeProject) -> Path:
    project = make_project(draw_classes(LABELS, 300))
    content = class_content("multiclass", {"type": "category"})
    project.write_recipe(lambda recipe: recipe.update(content))
    assert in_fork(lambda: project.ok("main", model="lr")) == 0
    return project.folder


@pytest.fixture
def monitored(_grown: Path) -> Iterator[Project]:
    """A project of three labels in Production; shared: Production stays."""
    project = Project(_grown, draw_classes(LABELS, 300))
    project.write_recipe(lambda recipe: recipe.update(class_content("multiclass", {"type": "category"})))
    yield project
    mlflow.end_run()


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Chain:
    chain = Chain()
    monkeypatch.setattr("recipeline.commands.retrain.run_pipeline", chain)
    return chain


def later(change: Callable[[pd.DataFrame], object] = lambda _: None) -> pd.DataFrame:
    """Return later rows from the same source, changed in place by `change`."""
    rows = draw_classes(LABELS, 300, seed=5)
    change(rows)
    return rows


def noisy(rows: pd.DataFrame) -> None:
    rows["y"] = np.random.default_rng(1).permutation(rows["y"].to_numpy())


def write_log(folder: Path, rows: pd.DataFrame, shares: list[float]) -> None:
    """Write the rows as the service logs them, with the same probabilities for each."""
    folder.mkdir()
    said = {"label": "good", "probabilities": dict(zip(LABELS, shares, strict=True))}
    lines = [
        json.dumps({"time": float(number), "request_id": f"r{number}", "version": "1", "row": 0, **said, "features": values})
        for number, values in enumerate(rows[["x", "z"]].to_dict("records"))
    ]
    (folder / "predictions-20260101T000000Z-1.jsonl").write_text("\n".join(lines), encoding="utf-8")


def late(rows: pd.DataFrame, folder: Path) -> str:
    labels = pd.DataFrame({"request_id": [f"r{number}" for number in range(len(rows))], "y": rows["y"]})
    labels.loc[::10, "y"] = ""  # not yet known
    return table(folder, labels, "labels.csv")


def test_labels_of_a_log_are_scored_with_the_probabilities_in_it_and_learned_from(
    monitored: Project, chain: Chain, tmp_path: Path
) -> None:
    rows, old = later(), 300
    write_log(tmp_path / "log", rows, [0.2, 0.2, 0.6])
    outcome = monitored.run("monitor", data=str(tmp_path / "log"), labels=late(rows, tmp_path), on_drift="retrain")
    found = report(monitored, outcome)
    known = rows.drop(index=rows.index[::10])
    target = np.column_stack([known["y"] == label for label in LABELS])
    performance = found["newest"]["performance"]
    assert performance["rows"] == len(known) == found["labels"]["joined"]
    assert performance["error"] == pytest.approx(((target - [0.2, 0.2, 0.6]) ** 2).sum(axis=1).mean())
    assert performance["scores"]["accuracy"] == pytest.approx((known["y"] == "good").mean())
    assert {it["rule"] for it in found["newest"]["findings"] if it["subject"] == "labels"} >= {"loss_increase"}
    assert found["newest"]["said"]["counts"].count(300) == 1
    learned = rows_at(monitored, chain.data)
    assert len(learned) == old + len(known)
    assert learned["y"].tail(len(known)).tolist() == known["y"].tolist()


def test_a_labelled_table_is_quiet_where_nothing_changed_and_drift_where_labels_are_noise(
    monitored: Project, tmp_path: Path
) -> None:
    quiet = monitored.ok("monitor", data=table(tmp_path, later()))
    assert "Labelled: Brier score" in quiet.stdout
    assert "inside of their prediction set, whose level is 90%." in quiet.stdout
    drifted = monitored.run("monitor", data=table(tmp_path, later(noisy)))
    assert drifted.exit_code == 5
    found = {(it["rule"], it["subject"], it["verdict"]) for it in report(monitored, drifted)["newest"]["findings"]}
    assert {("loss_increase", "labels", "drift"), ("coverage", "labels", "drift")} <= found
    metrics = monitored.client.get_run(drifted.run_id).data.metrics
    assert metrics["coverage"] < 0.8
    assert {"calibration/bad", "prediction_label_psi", "brier_skill", "f1"} <= {*metrics}


def test_a_label_that_nobody_knows_is_refused_by_monitor_and_named_by_retrain(
    monitored: Project, chain: Chain, tmp_path: Path
) -> None:
    rows = later(lambda rows: rows.loc.__setitem__((slice(0, 9), "y"), "goood"))
    expect(monitored.run("monitor", data=table(tmp_path, rows)), 3, "Did you mean 'good'? Known: bad, fair, good.")
    rows.loc[20:29, "y"] = ""  # not yet known
    outcome = monitored.ok("retrain", data=table(tmp_path, rows, "new.csv"))
    assert "10 new rows have labels that version 1 in Production does not know: 'goood'." in outcome.stderr
    assert len(rows_at(monitored, chain.data)) == 300 + 290
    other = monitored.ok("retrain", data=table(tmp_path, later(), "known.csv"))
    assert "does not know" not in other.stderr


def test_new_labels_of_rows_that_replace_the_others_are_named(monitored: Project, tmp_path: Path) -> None:
    rows = later(lambda rows: rows.loc.__setitem__((slice(0, 29), "y"), "goood"))
    outcome = monitored.ok("retrain", data=table(tmp_path, rows), mode="replace", promote="always", model="lr")
    monitored.ok("rollback")  # the project is shared
    assert "The rows have labels that version 1, in Production until now, does not know: 'goood'. The" in outcome.stderr


def test_limits_of_another_task_are_refused(monitored: Project, tmp_path: Path) -> None:
    def change(recipe: dict[str, Any]) -> None:
        recipe.update(class_content("multiclass", {"type": "category"}, monitoring={"mae_increase": {"warn": 1, "drift": 2}}))

    monitored.write_recipe(change)
    words = "'monitoring.mae_increase' is a setting of the task regression"
    expect(monitored.run("monitor", data=table(tmp_path, later())), 2, words)
