"""A wide panel with other names, patterns and a filter, at all doors.

Its log is learned from.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from flask.testing import FlaskClient

from recipeline.artifacts import COLUMN_PROFILE, DATASET, DRIFT_REPORT, LEAK_AUDIT, MODEL_INFO, TRAIN, TRAINING_DATA
from recipeline.config.profile import Service as Settings
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.answers import OUTSIDE
from recipeline.serving.http.app import create_app
from recipeline.serving.http.predictions import as_lines
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from recipeline.tracking.artifacts.manifest import Reader
from tests.conftest import NAME, Project, small_recipe
from tests.serving.helpers import answer, store_of

pytestmark = pytest.mark.xdist_group("table keys")  # whose tests share a chain

PEOPLE, GENES = 90, 6
SENT = ["person", "day", "p H", "port", *(f"gene {number}" for number in range(1, GENES + 1))]


def draw(people: int = PEOPLE, seed: int = 0, port: str = "Cork") -> pd.DataFrame:
    """Return visits of people; the year 2009 and testers are filtered out."""
    rng = np.random.default_rng(seed)
    rows = 3 * people
    genes = {f"gene {number}": rng.normal(size=rows).round(3) for number in range(1, GENES + 1)}
    port_of = rng.choice([port, "Kiel"], rows)
    acid = rng.uniform(2, 4, rows).round(3)
    table = pd.DataFrame(
        {
            "person": np.repeat([f"p{number:03d}" for number in range(people)], 3),
            "day": np.tile(["2009-06-01", "2015-02-03", "2016-05-01"], people),
            "p H": acid,
            "port": port_of,
            "role": np.where(np.arange(rows) % 10 == 1, "tester", "guest"),
            "secret": "s",
            **genes,
            "grade": (5 + 2 * genes["gene 1"] + acid + (port_of == "Kiel") + rng.normal(0, 0.1, rows)).round(3),
        }
    )
    table.loc[table["day"] < "2010", "grade"] = 999  # breaks a rule, of rows that are left out
    return table


def content() -> dict[str, Any]:
    return small_recipe() | {
        "target": "grade",
        "columns": {
            "gene *": "number",
            "pH": {"min": 0, "max": 14},
            "port": "category",
            "person": {"type": "category", "role": "group"},
            "day": {"type": "datetime", "role": "time"},
            "role": {"type": "category", "role": "ignore", "nullable": True},
            "secret": {"type": "category", "role": "sensitive", "nullable": True},
            "grade": {"min": -20, "max": 30},
        },
        "data": {"min_rows": 20, "rename": {"p H": "pH"}},
        "rows": {"filter": {"day": {"min": "2010-01-01"}, "role": {"not_in": ["tester"], "missing": True}, "pH": {"max": 3.9}}},
        "split": {"group": "person"},
        "gates": {"beats_mean_predictor": False},
        "promotion": {"bootstrap_draws": 200, "repeats": 2, "margin": 0.5, "min_rows": 10},
        "candidates": {"LinearRegression": {"alias": "lr", "estimator": "sklearn.linear_model.LinearRegression"}},
    }


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Project:
    folder = tmp_path_factory.mktemp("panel")
    shutil.copy(empty_store, folder / "mlflow.db")
    project = Project(folder, draw())
    project.recipe_path.write_text(yaml.safe_dump(content(), sort_keys=False), encoding="utf-8")
    assert "2 features and the columns that 'gene *' match" in project.ok("check").stdout
    outcome = project.ok("main")
    kept = int(np.sum(trained(draw())))
    assert f"note: {3 * PEOPLE - kept} rows are left out, as the recipe's rows.filter says" in outcome.stderr
    return project


def trained(table: pd.DataFrame) -> pd.Series:
    """Return which rows the filter keeps."""
    return (table["day"] >= "2010") & (table["role"] != "tester") & (table["p H"] <= 3.9)


def load(project: Project, step: str, artifact: Any) -> Any:
    run = project.first(step) if step in ("ingest", "split", "evaluate") else project.runs(step)[0]
    return Reader(project.client).load(artifact, run.info.run_id)


@pytest.fixture(scope="module")
def client(panel: Project, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    store = store_of(panel)
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    folder = tmp_path_factory.mktemp("service")
    service = Service(NAME, Settings(prediction_log={"folder": str(folder / "log")}), Metrics(), ())
    (folder / "log").mkdir()
    files = RotatingFiles(folder / "log", max_bytes=1e6, keep_days=1)
    service.prediction_log = BackgroundLog(files.write, as_lines, lambda _: None)
    service.find_registry()
    service.serve(load_copy(fetch_version(store, champion, folder / "copies")))
    found = create_app(service).test_client()
    found.folder = folder / "log"
    found.service = service
    return found


def test_the_model_has_the_columns_of_the_table_under_the_recipes_names(panel: Project) -> None:
    info = load(panel, "evaluate", MODEL_INFO)
    assert [it.name for it in info.features] == [*(f"gene {number}" for number in range(1, GENES + 1)), "pH", "port"]
    assert (info.other_columns, info.private_columns) == (("person", "day", "role", "secret"), ("secret",))
    assert info.csv.rename == {"p H": "pH"}
    rows = load(panel, "ingest", DATASET)
    assert len(rows) == trained(draw()).sum()
    assert rows["pH"].max() <= 3.9
    profile = load(panel, "ingest", COLUMN_PROFILE)
    assert list(profile.left_out.values()) == [3 * PEOPLE - len(rows)]
    assert profile.matched == tuple(rows.columns)
    assert load(panel, "split", LEAK_AUDIT).known_group_rows == 0
    assert set(load(panel, "split", TRAIN)) == set(rows.columns)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(table.rename(columns={"p H": "pH"}).to_json(orient="records"))


def test_each_door_answers_a_row_that_training_left_out_and_says_so(
    panel: Project, client: FlaskClient, tmp_path: Path
) -> None:
    table = draw(6, seed=5)[SENT]
    table.loc[0, "p H"] = 3.95
    table.loc[1:, "p H"] = 3.0
    table[[name for name in table if name.startswith("gene")]] = 0.1
    unlike = table["day"] < "2010"
    found = answer(client, rows_of(table))
    said = {(it["row"], it["field"]): it for it in found["warnings"]}
    assert {row for row, field in said if field == "day"} == set(np.flatnonzero(unlike).tolist())
    assert said[0, "day"]["rule"] == "not trained on rows like it: rows.filter keeps at least 2010-01-01"
    assert (said[0, "pH"]["rule"], said[0, "pH"]["got"]) == (
        "not trained on rows like it: rows.filter keeps at most 3.9",
        "3.95",
    )
    records = answer(client, {"dataframe_records": rows_of(table)}, "/invocations")
    assert records["predictions"] == found["predictions"]
    sent = client.post("/invocations", data=table.to_csv(index=False), headers={"Content-Type": "text/csv"})
    assert sent.get_json()["predictions"] == found["predictions"]
    assert sent.headers[OUTSIDE] == f'"pH";count=1, "day";count={unlike.sum()}'
    # A client that does not send the column is not warned of it.
    assert {it["field"] for it in answer(client, rows_of(table.drop(columns="day")))["warnings"]} == {"pH"}
    table.to_csv(tmp_path / "in.csv", index=False)
    outcome = panel.ok("predict", input=str(tmp_path / "in.csv"), output=str(tmp_path / "out.csv"))
    scored = pd.read_csv(tmp_path / "out.csv")
    assert list(scored)[: len(SENT)] == SENT
    np.testing.assert_allclose(scored["prediction"], found["predictions"])
    assert (
        f"Warning: {unlike.sum()} rows of 'day' that the model was not trained on: rows.filter keeps at least 2010-01-01."
        in (outcome.stdout)
    )
    assert "Warning: 1 row of 'pH' that the model was not trained on: rows.filter keeps at most 3.9." in outcome.stdout


def test_monitor_leaves_them_out_of_a_table_and_counts_them(panel: Project, tmp_path: Path) -> None:
    table = draw(60, seed=7)
    table.to_csv(tmp_path / "live.csv", index=False)
    outcome = panel.run("monitor", data=str(tmp_path / "live.csv"))
    report = load(panel, "monitor", DRIFT_REPORT)
    assert (report.rows, report.filtered) == (trained(table).sum(), (~trained(table)).sum())
    assert f"{report.filtered:,} rows left out, as training left out rows like them: rows.filter." in outcome.stdout


def test_the_log_keeps_what_retraining_needs_and_nothing_that_is_sensitive(
    panel: Project, client: FlaskClient, tmp_path: Path
) -> None:
    table = draw(40, seed=11, port="Nice")  # a port that training does not have
    rows = rows_of(table[[*SENT, "secret"]])
    assert "secret" in rows[0]
    response = client.post("/predict", json=rows, headers={"X-Request-ID": "seen"})
    assert response.status_code == 200, response.get_json()
    csv = client.post(
        "/invocations",
        data=table[SENT].head(20).to_csv(index=False),
        headers={"Content-Type": "text/csv", "X-Request-ID": "csv"},
    )
    assert csv.status_code == 200
    answer(client, [{name: row[name] for name in row if name not in ("person", "day")} for row in rows[:5]])
    client.service.prediction_log.flush()
    (file,) = client.folder.glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    of_json = [line for line in lines if line["request_id"] == "seen"]
    of_csv = [line for line in lines if line["request_id"] == "csv"]
    assert of_json[4]["others"] == {"person": "p001", "day": "2015-02-03"}
    assert [line["others"] for line in of_csv] == [line["others"] for line in of_json[:20]]
    assert {line["features"]["port"] for line in of_json} == {"Nice", "Kiel"}
    assert "secret" not in file.read_text()
    assert "others" not in lines[-1]
    labels = pd.DataFrame({"request_id": "seen", "row": range(len(rows)), "grade": table["grade"].clip(upper=30)})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    outcome = panel.run("retrain", data=str(client.folder), labels=str(tmp_path / "labels.csv"), promote="never")
    assert outcome.exit_code == 0, outcome.stderr
    kept = (table["day"] >= "2010") & (table["p H"] <= 3.9)
    assert f" and {kept.sum()} new ones" in outcome.stdout
    learned = load(panel, "retrain", TRAINING_DATA).tail(kept.sum()).reset_index(drop=True)
    expected = table[kept].reset_index(drop=True)
    pd.testing.assert_series_equal(learned["person"].astype(object), expected["person"].astype(object))
    pd.testing.assert_series_equal(learned["port"].astype(object), expected["port"].astype(object))
    assert learned["day"].dt.strftime("%Y-%m-%d").tolist() == expected["day"].tolist()
    np.testing.assert_allclose(learned[["gene 1", "grade"]], expected[["gene 1", "grade"]])
    report = panel.run("monitor", data=str(client.folder), labels=str(tmp_path / "labels.csv"))
    assert "rows left out, as training left out rows like them" in report.stdout


def test_a_log_without_the_columns_says_what_to_send(panel: Project, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    line = {
        **{"time": 1.0, "request_id": "a", "version": "1", "row": 0, "prediction": 5.0},
        "features": {"pH": 3, "port": "Kiel", **{f"gene {number}": 0.5 for number in range(1, GENES + 1)}},
    }
    (folder / "predictions-a.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "labels.csv").write_text("request_id,grade\na,5\n")
    refused = panel.run("retrain", data=str(folder), labels=str(tmp_path / "labels.csv"))
    assert refused.exit_code == 3
    assert "No labelled row of the service's log has the columns that retraining needs: person, day." in refused.stderr
    assert "Send them with the rows to predict" in refused.stderr
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    refused = panel.run("retrain", data=str(tmp_path / "rows.csv"), labels=str(tmp_path / "labels.csv"))
    assert (refused.exit_code, "labels apply to the rows of the service's log" in refused.stderr) == (3, True)
    private = content()
    private["columns"]["secret"]["nullable"] = False
    panel.recipe_path.write_text(yaml.safe_dump(private, sort_keys=False), encoding="utf-8")
    refused = panel.run("retrain", data=str(folder), labels=str(tmp_path / "labels.csv"))
    panel.recipe_path.write_text(yaml.safe_dump(content(), sort_keys=False), encoding="utf-8")
    assert (refused.exit_code, "Retraining needs the columns secret, and no log has them" in refused.stderr) == (2, True)
