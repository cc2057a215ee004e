"""A typed table with labels, the same and as probable at every door."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings

from recipeline.config.profile import Service as Settings
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.app import create_app
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from tests.conftest import NAME, MakeProject, Project
from tests.scenarios.test_typed import COLUMNS, FEATURES, ROWS, draw_fares
from tests.serving.helpers import answer, post, store_of

pytestmark = pytest.mark.xdist_group("typed classes")  # whose tests share a chain

#: The target's column, and what is made of a fare; of two labels the positive one, which is the first of the alphabet, too.
TARGETS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "binary": ({"type": "category"}, lambda fare: np.where(fare > fare.quantile(0.7), "dear", "fair"), "dear"),
    "multiclass": ({"type": "integer"}, lambda fare: pd.qcut(fare, 3, labels=[1, 2, 5]).astype(int), None),
}


@dataclass(frozen=True)
class Door:
    """A project with a classifier, a client of its service, and its model.

    As MLflow loads it.
    """

    project: Project
    client: FlaskClient
    texts: tuple[str, ...]
    pyfunc: Any
    fitted: Any


def draw_levels(task: str, rows: int = 400, seed: int = 0) -> pd.DataFrame:
    table = draw_fares(rows, seed)
    return table.drop(columns="fare").assign(level=TARGETS[task][1](table["fare"]))


@pytest.fixture(scope="module", params=TARGETS)
def door(request: pytest.FixtureRequest, make_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Door:
    project = make_project(draw_levels(request.param))
    column, _, positive = TARGETS[request.param]
    impute = "sklearn.impute.SimpleImputer"

    def change(content: dict[str, Any]) -> None:
        content |= {
            "task": request.param,
            "target": "level" if positive is None else {"column": "level", "positive": positive},
            "columns": {name: COLUMNS[name] for name in FEATURES} | {"level": column},
            "candidates": {
                "Logistic": {
                    "alias": "lr",
                    "estimator": "sklearn.linear_model.LogisticRegression",
                    "preprocess": {"number": [impute, "sklearn.preprocessing.StandardScaler"]},
                },
                "Forest": {
                    "alias": "rf",
                    "estimator": "sklearn.ensemble.RandomForestClassifier",
                    "params": {"n_estimators": 20},
                    "preprocess": {"number": [impute], "category": "ordinal", "datetime": ["hour", "elapsed"]},
                },
                "Mean": {"alias": "mean", "members": ["Logistic", "Forest"]},
            },
            "gates": {"validation_criteria": [{"metric": "brier_skill", "threshold": 0.1}]},
            "promotion": {},
            "monitoring": {},
        }
        if positive:
            content["decision"] = {"cost": {"fp": 1, "fn": 4}}

    project.write_recipe(change)
    project.ok("main", model="mean")
    store = store_of(project)
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    model = load_copy(fetch_version(store, champion, tmp_path_factory.mktemp("copies")))
    assert model.path.startswith("compiled (mean of ")
    service = Service(NAME, Settings(), Metrics(), ())
    service.find_registry()
    service.serve(model)
    project.client  # noqa: B018 - it names the store
    uri = f"models:/{NAME}/Production"
    loaded = mlflow.pyfunc.load_model(uri), mlflow.sklearn.load_model(uri)
    return Door(project, create_app(service).test_client(), model.info.target.codes.texts, *loaded)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS)
def test_service_and_mlflow_say_the_same_labels_row_by_row(door: Door, rows: list[dict[str, Any]]) -> None:
    served = answer(door.client, rows, "/predict?set=true")
    assert [answer(door.client, row)["predictions"][0] for row in rows] == served["predictions"]
    assert answer(door.client, {"dataframe_records": rows}, "/invocations") == {"predictions": served["predictions"]}
    table = pd.DataFrame(rows)[FEATURES]
    sent = door.client.post("/invocations", data=table.to_csv(index=False), headers={"Content-Type": "text/csv"})
    assert sent.get_json()["predictions"] == served["predictions"]
    frame = table.astype({"pickup": "datetime64[us]", "night": float, "seats": float, "km": float})
    assert door.pyfunc.predict(frame).tolist() == served["predictions"]
    theirs = door.fitted.predict_proba(frame)
    ours = np.array([[shares[text] for text in sorted(door.texts)] for shares in served["probabilities"]])
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-12)
    for shares, inside in zip(served["probabilities"], served["set"]["labels"], strict=True):
        assert max(shares, key=lambda text: shares[text]) in map(str, inside)


def test_a_file_is_predicted_as_the_service_answers(door: Door, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("batch")
    table = draw_fares(150, seed=1)[FEATURES]
    table.loc[3, "city"] = "Atlantis"
    table.to_csv(folder / "in.csv", index=False)
    outcome = door.project.ok("predict", input=str(folder / "in.csv"), output=str(folder / "out.csv"))
    assert "city 1" in outcome.stdout
    scored = pd.read_csv(folder / "out.csv")
    columns = [f"probability_{text}" for text in door.texts]
    assert list(scored) == [*table, "prediction", *columns, "model_version"]
    rows = json.loads(table.assign(night=table["night"] == "yes").to_json(orient="records"))
    served = answer(door.client, rows)
    assert scored["prediction"].tolist() == served["predictions"]
    shares = [[row[text] for text in door.texts] for row in served["probabilities"]]
    np.testing.assert_allclose(scored[columns], shares, atol=1e-9)
    table.assign(pickup=pd.to_datetime(table["pickup"])).to_parquet(folder / "in.parquet")
    door.project.ok("predict", input=str(folder / "in.parquet"), output=str(folder / "out.parquet"))
    again = pd.read_parquet(folder / "out.parquet")
    assert again["prediction"].tolist() == served["predictions"]
    np.testing.assert_allclose(again[columns], scored[columns], rtol=1e-12)


def test_the_sample_rows_answer_is_shown(door: Door) -> None:
    found = answer(door.client, door.client.get("/model").get_json()["sample"])
    said = str(found["predictions"][0])
    text = door.project.ok("predict").stdout
    assert f"level: {said} (probabilities: " in text
    for label in door.texts:
        assert f"{label} {found['probabilities'][0][label]:.3f}" in text


@pytest.mark.parametrize("wish", ["interval", "grade"])
def test_what_numbers_have_is_refused(door: Door, wish: str) -> None:
    sample = door.client.get("/model").get_json()["sample"]
    assert post(door.client, sample, f"/predict?{wish}=true").status_code == 422
