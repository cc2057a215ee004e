from __future__ import annotations

from flask.testing import FlaskClient

from recipeline.serving.model.loading import ServedModel
from tests.serving.helpers import Make, Row, post


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
    assert found["features"] == model.info["features"]
    assert set(found["metrics"]) == {"cv_mean_score", "cv_std", "r2", "rmse", "mae"}
    assert {"train_run_id", "evaluate_run_id", "data_digest", "git_commit"} <= set(found["lineage"])
    assert found["answers_by"]["path"] == model.path
