"""The challenger in shadow: a real service, its log, monitor and promote."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import pandas as pd
import pytest
import requests
from cryptography.fernet import Fernet

from recipeline.monitoring.live.log_files import find_log
from tests.conftest import NAME, Project
from tests.scenarios.test_backends import mlflow_server
from tests.schemas import FOLDER, LOG_LINE
from tests.serving.helpers import Server

pytestmark = pytest.mark.xdist_group("watch")


SECRET = "a secret of the webhook"
#: So that it calls this machine without TLS, and signs in every process of its own.
LOCAL = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
}


def versions(server: Server) -> set[str]:
    """Return the versions that answer, of all workers."""
    return {requests.get(f"{server.url}/readyz", timeout=5).json()["served"]["version"] for _ in range(12)}


@pytest.mark.full
def test_an_mlflow_server_tells_all_workers_of_a_promotion_at_once(waiting: Project, tmp_path: Path) -> None:
    with mlflow_server(tmp_path, workers=1, database="mlflow.db", **LOCAL) as uri:
        waiting.uri = uri
        waiting.write_profile(
            store={"tracking_uri": uri},
            service={"workers": 2, "drain_seconds": 0, "poll_seconds": 60, "webhook": {"secret": SECRET}},
        )
        server = Server(waiting)
        server.wait()
        assert versions(server) == {"1"}
        waiting.client.create_webhook(
            "service",
            url=f"{server.url}/webhook",
            events=["model_version_alias.created", "model_version_alias.deleted"],
            secret=SECRET,
        )
        waiting.ok("promote", promote="always")
        deadline = time.monotonic() + 15
        while versions(server) != {"2"}:
            assert time.monotonic() < deadline, server.log.read_text(encoding="utf-8")
            time.sleep(0.2)
        answered = requests.get(f"{server.url}/metrics", timeout=5).text
        assert 'http_requests_total{path="/webhook",status="202"}' in answered
        assert 'path="/webhook",status="401"' not in answered
        server.end()


def ask(server: Server, rows: list[dict[str, Any]], name: str) -> list[float]:
    answer = server.predict(rows, **{"X-Request-ID": name})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"]["version"] == "1"
    found: list[float] = answer.json()["predictions"]
    return found


def await_shadow(server: Server, *, rows: int) -> str:
    """Return the metrics once the shadow has handled so many rows.

    Predicted, dropped or refused.
    """
    deadline = time.monotonic() + 30
    while True:
        told = requests.get(f"{server.url}/metrics", timeout=5).text
        counts = [float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith("shadow_rows_total{")]
        if sum(counts) >= rows:
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def test_live_rows_are_predicted_by_the_challenger_too_and_the_decision_has_what_came_of_it(
    waiting: Project, wines: pd.DataFrame, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    service = {"workers": 2, "drain_seconds": 0, "prediction_log": {"folder": str(folder)}}
    waiting.write_profile(service=service | {"shadow": "challenger", "shadow_time": 1.0})
    server = Server(waiting)
    server.wait()
    deadline = time.monotonic() + 60
    while "model_swaps_total 2.0" not in requests.get(f"{server.url}/metrics", timeout=5).text or any(
        requests.get(f"{server.url}/model", timeout=5).json()["shadow"]["state"] != "predicting" for _ in range(30)
    ):  # both workers
        assert time.monotonic() < deadline
        time.sleep(0.2)
    features = wines.drop(columns="quality")
    fresh = features.assign(alcohol=features["alcohol"] + 0.001).to_dict("records")
    for number in range(10):
        ask(server, fresh[6 * number : 6 * number + 6], str(number))
    assert 'version="2"' in await_shadow(server, rows=60)  # a service that ends leaves the rest
    assert server.end() == 128 + signal.SIGTERM
    copies = {path.parent.name[0]: path.parent.parent.name for path in Path(os.environ["XDG_CACHE_HOME"]).rglob("served")}
    assert copies["2"] == f"{copies['1']} shadow"  # what was in shadow is never recalled into Production
    lines = [json.loads(line) for file in find_log(folder) for line in file.read_bytes().splitlines()]
    schema = jsonschema_rs.validator_for(json.loads((FOLDER / LOG_LINE).read_text(encoding="utf-8")))
    for line in lines:
        schema.validate(line)
    assert len(lines) == 60
    assert {(line["version"], line["shadow"]["version"]) for line in lines} == {("1", "2")}
    shadowed = [line for line in lines if "prediction" in line["shadow"]]
    assert len(shadowed) > 30

    labels = tmp_path / "labels.csv"
    rows = [f"{number},{row},{int(wines['quality'][6 * number + row])}" for number in range(10) for row in range(6)]
    labels.write_text("\n".join(["request_id,row,quality", *rows]), encoding="utf-8")
    monitored = waiting.ok("monitor", labels=str(labels), fail_on="never")
    assert "Version 2 in shadow beside version 1" in monitored.stdout
    run = waiting.client.get_run(monitored.run_id)
    assert run.data.tags["recipeline.shadow_version"] == "2"
    assert run.data.metrics["shadow_rows"] == len(shadowed)
    differences = [abs(line["shadow"]["prediction"] - line["prediction"]) for line in shadowed]
    assert run.data.metrics["shadow_absolute_difference"] == pytest.approx(sum(differences) / len(differences))
    card = Path(waiting.client.download_artifacts(monitored.run_id, "card.html")).read_text(encoding="utf-8")
    assert "Challenger in shadow" in card

    decided = waiting.ok("promote", promote="manual")
    path = waiting.client.download_artifacts(decided.run_id, "decision.json")
    shadow = json.loads(Path(path).read_text(encoding="utf-8"))["evidence"]["shadow"]
    assert (shadow["champion"], shadow["challenger"], shadow["run_id"]) == ("1", "2", monitored.run_id)
    assert shadow["rows"] == len(shadowed)
    errors = shadow["labelled"]
    assert errors["rows"] + errors["known"] <= len(shadowed)
    assert errors["gain"] == pytest.approx(errors["champion"] - errors["challenger"])

    waiting.client.set_model_version_tag(NAME, "2", "recipeline.gate_passed", "true")  # whatever it said of so few rows
    approved = waiting.ok("approve")
    assert "Version 2 in shadow beside version 1" in approved.stderr
    assert waiting.tags(approved.run_id)["recipeline.shadow_run_id"] == monitored.run_id
