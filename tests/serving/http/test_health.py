from __future__ import annotations

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from recipeline.records import read_record, to_plain
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.results import ServedDescription
from tests.serving.helpers import Make, Row, post
from tests.serving.http.helpers import with_labels


def test_a_service_without_a_model_says_what_to_do(make_client: Make, row: Row) -> None:
    client = make_client(served=None)
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert "make pipeline" in ready.get_json()["advice"]
    asked = post(client, row)
    assert asked.status_code == 503
    assert "make pipeline" in asked.get_json()["message"]
    assert client.get("/ping").status_code == 503


def test_the_model_is_described(client: FlaskClient, model: ServedModel) -> None:
    found = client.get("/model").get_json()
    assert found["version"] == model.version
    assert found["features"] == to_plain(model.info.features)
    assert set(found["metrics"]) == {"cv_mean_score", "cv_std", "r2", "rmse", "mae"}
    assert {"train_run_id", "evaluate_run_id", "data_digest", "git_commit"} <= set(found["lineage"])
    assert found["answers_by"]["path"] == model.path


def test_what_is_told_of_the_model_is_a_record(client: FlaskClient, make_client: Make, model: ServedModel) -> None:
    found = client.get("/model").get_json()
    assert to_plain(read_record(ServedDescription, found)) == found
    assert "prediction_set" not in found
    served = with_labels(model, "multiclass", ["a", "b"])
    served = replace(served, tags={**served.tags, "recipeline.brier_skill": "0.25"})
    found = make_client(served).get("/model").get_json()
    assert to_plain(read_record(ServedDescription, found)) == found
    assert found["prediction_set"] == {"level": 0.9, "least": 0.2}
    assert (found["interval"], found["target"]["labels"]) == (None, ["a", "b"])
    assert set(found["metrics"]) == {"cv_mean_score", "cv_std", "brier_skill"}


def test_metrics_come_in_the_format_that_is_asked_for(client: FlaskClient) -> None:
    for accept, kind, end in (
        (
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# EOF\n",
        ),
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8", "\n"),
    ):
        response = client.get("/metrics", headers={"Accept": accept})
        assert (response.status_code, response.headers["Content-Type"], response.headers["Vary"]) == (200, kind, "Accept")
        assert response.text.endswith(end)


@pytest.mark.parametrize(
    ("said", "prefix"),
    [
        ("", "/models/toy"),
        ("/a/b-c.d_e~f", "/a/b-c.d_e~f"),
        ("/a/", "/a"),
        ("/", "/models/toy"),
        ("//evil.example", "/models/toy"),
        ("https://evil.example", "/models/toy"),
        ("/a/<script>", "/models/toy"),
        ("/a,/b", "/models/toy"),
        ("a", "/models/toy"),
    ],
)
def test_addresses_are_told_as_the_proxy_serves_them(make_client: Make, said: str, prefix: str) -> None:
    client = make_client(root_path="/models/toy")
    headers = {"X-Forwarded-Prefix": said}
    assert client.get("/", headers=headers).get_json()["links"]["predict"] == f"{prefix}/predict"
    assert client.get("/openapi.json", headers=headers).get_json()["servers"] == [{"url": prefix}]


@pytest.mark.parametrize("root", ["", "/models/toy"])
def test_a_service_is_asked_below_its_root_path_too(make_client: Make, row: Row, root: str) -> None:
    client = make_client(root_path=root, tokens=("secret",))
    bearer = {"Authorization": "Bearer secret"}
    assert post(client, row, f"{root}/predict", **bearer).status_code == 200
    assert post(client, row, f"{root}/predict").status_code == 401
    assert client.get(f"{root}/metrics").status_code == 401
    assert client.get(f"{root}/healthz").status_code == 200
    assert client.get(f"{root}/docs").status_code == 200
