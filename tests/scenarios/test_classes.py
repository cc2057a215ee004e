"""Tables of classes, from the file to a Production that is monitored.

Two, three and ten labels, and a rare one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from flask.testing import FlaskClient
from sklearn import datasets

from recipeline.config.profile import Service as Settings
from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.http.app import create_app
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service
from tests.conftest import NAME, MakeProject, Project
from tests.serving.helpers import store_of

SCALE = "sklearn.preprocessing.StandardScaler"
CANDIDATES: dict[str, Any] = {
    "Logistic": {"alias": "lr", "preprocess": [SCALE], "estimator": "sklearn.linear_model.LogisticRegression"},
    "Forest": {"alias": "rf", "estimator": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 20}},
    "Svc": {"alias": "svc", "preprocess": [SCALE], "estimator": "sklearn.svm.SVC", "calibrate": "sigmoid"},
    "Mean": {"alias": "mean", "members": ["Logistic", "Forest"]},
}

#: A table, and what its recipe says of the target.
Drawn = tuple[pd.DataFrame, dict[str, Any]]


def shipped(load: Callable[..., Any], *, words: bool) -> Drawn:
    """Return a table that comes with scikit-learn, its labels as words or numbers."""
    bunch = load(as_frame=True)
    table = bunch.frame.rename(columns={"target": "kind"})
    if words:
        table["kind"] = np.array(bunch.target_names)[table["kind"]]
    return table, {"task": "multiclass", "target": "kind", "kind": {"type": "category" if words else "integer"}}


def cancer() -> Drawn:
    table, _ = shipped(datasets.load_breast_cancer, words=True)
    rest = {"task": "binary", "target": {"column": "kind", "positive": "malignant"}, "decision": {"recall": 0.95}}
    return table, rest | {"kind": {"type": "category", "values": ["benign", "malignant"]}}


def iris() -> Drawn:
    return shipped(datasets.load_iris, words=True)


def wine() -> Drawn:
    return shipped(datasets.load_wine, words=False)


def digits() -> Drawn:
    return shipped(datasets.load_digits, words=False)


def rare(rows: int = 3000, seed: int = 0) -> Drawn:
    """A positive row in thirty."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 4)).round(3)
    kind = rng.random(rows) < 1 / (1 + np.exp(7.5 - 3 * x[:, 0] - 2 * x[:, 1]))
    table = pd.DataFrame(x, columns=list("abcd")).assign(kind=kind)
    return table, {"task": "binary", "target": "kind", "decision": {"cost": {"fp": 1, "fn": 10}}, "kind": {"type": "boolean"}}


def project_of(
    make_project: MakeProject, draw: Callable[[], Drawn], candidates: dict[str, Any] = CANDIDATES, promote: str = "auto"
) -> tuple[Project, pd.DataFrame]:
    """Return a project with one chain behind it, and its table."""
    table, content = draw()
    project = make_project(table)
    columns: dict[Any, Any] = {name: {} for name in table if name != "kind"} | {"kind": content["kind"]}
    rest = {key: value for key, value in content.items() if key != "kind"}

    def change(recipe: dict[str, Any]) -> None:
        recipe |= rest | {"columns": columns, "candidates": candidates, "metrics": {"bootstrap_draws": 100}, "monitoring": {}}
        recipe["promotion"] = {"guard_rails": {"metrics": {"log_loss": 0.1}}}
        recipe["gates"] = {"validation_criteria": [{"metric": "roc_auc", "threshold": 0.7}]}

    project.write_recipe(change)
    outcome = project.ok("main", promote=promote)
    assert "promoted" in outcome.stdout, outcome.stdout
    return project, table


def client_of(project: Project, folder: Path) -> FlaskClient:
    """Return a client of the service with the project's model in Production."""
    store = store_of(project)
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    service = Service(NAME, Settings(), Metrics(), ())
    service.find_registry()
    service.serve(load_copy(fetch_version(store, champion, folder)))
    return create_app(service).test_client()


def check_answers(project: Project, table: pd.DataFrame, folder: Path) -> None:
    """Check that service, file and MLflow give the same labels.

    The first two the same probabilities, which add up to 1.
    """
    rows = table.drop(columns="kind").head(40)
    client = client_of(project, folder)
    sent = client.post("/predict", json=json.loads(rows.to_json(orient="records", double_precision=15)))
    assert sent.status_code == 200, sent.get_json()
    found = sent.get_json()
    probabilities = pd.DataFrame(found["probabilities"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    project.client  # noqa: B018 - it names the store
    theirs = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(rows)
    assert found["predictions"] == np.asarray(theirs).tolist()
    rows.to_csv(folder / "rows.csv", index=False)
    project.ok("predict", input=str(folder / "rows.csv"), output=str(folder / "out.parquet"))
    scored = pd.read_parquet(folder / "out.parquet")
    assert scored["prediction"].tolist() == found["predictions"]
    for label in probabilities:
        name = str(label).lower() if f"probability_{label}" not in scored else label
        np.testing.assert_allclose(scored[f"probability_{name}"], probabilities[label], rtol=1e-9)


def check_monitored(project: Project, table: pd.DataFrame, folder: Path) -> None:
    """Check that rows like those of training are quiet, with labels too.

    Rows of one label alone are not.
    """
    table.to_csv(folder / "live.csv", index=False)
    quiet = project.run("monitor", data=str(folder / "live.csv"))
    assert quiet.exit_code == 0, quiet.stdout + quiet.stderr
    label = table["kind"].value_counts().index[-1]
    few = table[table["kind"] == label]
    pd.concat([few] * (400 // len(few) + 1)).to_csv(folder / "one.csv", index=False)
    drifted = project.run("monitor", data=str(folder / "one.csv"))
    assert drifted.exit_code == 5, drifted.stdout + drifted.stderr


@pytest.mark.parametrize("draw", [rare, iris, *(pytest.param(it, marks=pytest.mark.full) for it in (cancer, wine, digits))])
def test_a_table_of_classes_is_promoted_asked_and_monitored(
    make_project: MakeProject, draw: Callable[[], Drawn], tmp_path: Path
) -> None:
    project, table = project_of(make_project, draw)
    assert float(project.production().tags["recipeline.brier_skill"]) > 0.1
    check_answers(project, table, tmp_path)
    check_monitored(project, table, tmp_path)
    again = project.ok("main")
    assert "Reused: ingest, split, train, evaluate" in again.stdout


ENSEMBLES = {
    "boosting": {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "params": {"max_iter": 100}},
    "forest": {"estimator": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 200}},
}


@pytest.mark.full
@pytest.mark.parametrize("name", ENSEMBLES)
def test_tiny_probabilities_of_a_rare_label_are_no_drift(make_project: MakeProject, tmp_path: Path, name: str) -> None:
    project, table = project_of(make_project, rare, {"Only": {"alias": "only", **ENSEMBLES[name]}}, "always")
    check_monitored(project, table, tmp_path)
    rare(800, seed=1)[0].to_csv(tmp_path / "new.csv", index=False)
    found = project.run("monitor", data=str(tmp_path / "new.csv"))
    assert found.exit_code == 0, found.stdout


def test_another_decision_about_the_same_model_awaits_approval(make_project: MakeProject) -> None:
    project, _ = project_of(make_project, rare)
    content = yaml.safe_load(project.recipe_path.read_text(encoding="utf-8"))
    project.recipe_path.write_text(yaml.safe_dump(content | {"decision": {"threshold": 0.3}}), encoding="utf-8")
    outcome = project.ok("main")
    assert "Promotion: kept (decision): it is the model of version 1 with another decision: the threshold 0.3" in outcome.stdout
    assert "make approve" in outcome.stdout
    assert str(project.production().version) == "1"
    project.ok("approve", reason="fewer missed rows")
    assert str(project.production().version) == "2"


def test_bad_labels_are_named_before_anything_is_trained(make_project: MakeProject) -> None:
    table, content = rare(200)
    project = make_project(table.assign(kind=np.where(np.arange(200) == 7, "maybe", "yes")))
    columns: dict[str, Any] = {name: {} for name in "abcd"} | {"kind": content["kind"]}
    rest = {key: value for key, value in content.items() if key != "kind"}
    empty: dict[str, Any] = {"metrics": {}, "promotion": {}, "gates": {}, "monitoring": {}}
    project.write_recipe(lambda recipe: recipe.update(rest | {"columns": columns, "candidates": CANDIDATES} | empty))
    outcome = project.run("main")
    assert outcome.exit_code == 3
    assert "kind: must be true or false" in outcome.stderr
    assert "maybe" in outcome.stderr
    assert "Traceback" not in outcome.stderr
