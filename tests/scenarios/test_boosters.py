"""Candidates of LightGBM and XGBoost, where their extra is installed.

From a recipe to a version that is served.
"""

from __future__ import annotations

import importlib.util
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from recipeline.config.import_path import installed_distribution
from recipeline.errors import UnavailableError
from tests.conftest import NAME, MakeProject, Project
from tests.scenarios.test_classes import cancer, check_monitored, client_of, iris, wine
from tests.serving.helpers import Server

EXTRAS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f'no {name}: make setup-dev EXTRAS="{name}" installs it'
        ),
    )
    for name in ("lightgbm", "xgboost")
]
ESTIMATORS = {"lightgbm": ("LGBMRegressor", "LGBMClassifier"), "xgboost": ("XGBRegressor", "XGBClassifier")}

pytestmark = [pytest.mark.full, pytest.mark.parametrize("extra", EXTRAS)]


def use(content: dict[str, Any], extra: str, **params: Any) -> None:
    """Make a booster one of two candidates."""
    kind = content.get("task", "regression") != "regression"
    estimator = f"{extra}.{ESTIMATORS[extra][kind]}"
    plain = "sklearn.linear_model.LogisticRegression" if kind else "sklearn.linear_model.LinearRegression"
    content["candidates"] = {
        "Boosted": {
            "alias": "boosted",
            "estimator": estimator,
            "params": {"n_estimators": 20, **params},
        },
        "Plain": {"alias": "plain", "preprocess": ["sklearn.preprocessing.StandardScaler"], "estimator": plain},
    }


def folder_of(project: Project) -> Path:
    """Return the files of the model in Production."""
    return Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/{project.production().version}", tracking_uri=project.uri))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_booster_is_trained_registered_promoted_served_asked_and_monitored(
    project: Project, wines: pd.DataFrame, tmp_path: Path, extra: str, threads: int, capfd: pytest.CaptureFixture[str]
) -> None:
    project.write_recipe(lambda content: use(content, extra, n_jobs=threads))
    project.ok("check")
    outcome = project.ok("main", model="boosted", promote="always")
    # Standard output is for results: not a line of the library, neither by Python nor by its own code.
    assert not [line for line in outcome.stdout.splitlines() if line.startswith(("[", "/"))]
    assert capfd.readouterr().out == ""
    name, version = installed_distribution(extra) or ("", "")
    train = project.first("train")
    fingerprint = json.loads(Path(train.info.artifact_uri.removeprefix("file://"), "fingerprint.json").read_text())
    assert fingerprint["components"][f"library {name}"] == version == metadata.version(name)

    project.ok("predict", input=str(project.data), output=str(tmp_path / "out.parquet"))
    expected = pd.read_parquet(tmp_path / "out.parquet")["prediction"]
    server = Server(project)
    try:
        server.wait()
        row = json.loads(wines.iloc[[3]].to_json(orient="records", double_precision=15))[0]
        answered = server.predict({key: value for key, value in row.items() if key != "quality"})
        assert answered.status_code == 200, answered.text
        assert answered.json()["predictions"] == pytest.approx([expected.iloc[3]], rel=1e-12)
    finally:
        server.end()
    project.client  # noqa: B018 - it names the store
    theirs = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(wines.drop(columns="quality"))
    np.testing.assert_allclose(np.asarray(theirs), expected, rtol=1e-12)
    # `mlflow models serve` makes an environment of these.
    assert f"{name}=={version}" in (folder_of(project) / "requirements.txt").read_text(encoding="utf-8").split()

    monitored = project.run("monitor", data=str(project.data))
    assert monitored.exit_code == 0, monitored.stdout + monitored.stderr
    assert project.ok("doctor").exit_code == 0
    assert "Reused: ingest, split, train, evaluate" in project.ok("main", model="boosted").stdout
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("draw", [cancer, iris, wine])
def test_a_booster_of_classes_is_promoted_asked_and_monitored(
    make_project: MakeProject, tmp_path: Path, extra: str, draw: Any
) -> None:
    table, content = draw()
    project = make_project(table)
    columns = {name: {} for name in table if name != "kind"} | {"kind": content.pop("kind")}

    def change(recipe: dict[str, Any]) -> None:
        recipe |= content | {"columns": columns, "metrics": {"bootstrap_draws": 100}, "monitoring": {}}
        recipe["promotion"] = {"guard_rails": {"metrics": {"log_loss": 0.1}}}
        recipe["gates"] = {"validation_criteria": [{"metric": "roc_auc", "threshold": 0.7}]}
        use(recipe, extra)

    project.write_recipe(change)
    project.ok("main", model="boosted", promote="always")
    rows = table.drop(columns="kind").head(40)
    sent = client_of(project, tmp_path).post("/predict", json=json.loads(rows.to_json(orient="records", double_precision=15)))
    assert sent.status_code == 200, sent.get_json()
    project.client  # noqa: B018 - it names the store
    theirs = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(rows)
    assert sent.get_json()["predictions"] == np.asarray(theirs).tolist()
    rows.to_csv(tmp_path / "rows.csv", index=False)
    project.ok("predict", input=str(tmp_path / "rows.csv"), output=str(tmp_path / "out.parquet"))
    assert pd.read_parquet(tmp_path / "out.parquet")["prediction"].tolist() == sent.get_json()["predictions"]
    check_monitored(project, table, tmp_path)


def test_results_do_not_depend_on_threads_or_processes(make_project: MakeProject, wines: pd.DataFrame, extra: str) -> None:
    found = []
    for threads, processes in ((1, 1), (4, 1), (1, 2)):
        project = make_project(wines)
        project.write_recipe(lambda content, threads=threads: use(content, extra, n_jobs=threads, subsample=0.8))
        project.write_profile(engine={"n_jobs": processes})
        project.ok("train", model="boosted")
        folder = Path(project.first("train").info.artifact_uri.removeprefix("file://"))
        found.append(pd.read_parquet(folder / "out_of_fold.parquet"))
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0], other, check_exact=True)


def test_a_model_file_that_was_changed_is_refused_before_it_is_read(project: Project, tmp_path: Path, extra: str) -> None:
    project.write_recipe(lambda content: use(content, extra))
    project.ok("main", model="boosted", promote="always")
    (file,) = {it for it in project.folder.rglob("model.skops") if project.production().source.rpartition("/")[2] in str(it)}
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    outcome = project.run("predict")
    assert outcome.exit_code == 6, outcome.stdout + outcome.stderr
    assert "has changed or is truncated" in outcome.stderr
    with pytest.raises(UnavailableError, match="has changed or is truncated"):
        client_of(project, tmp_path)
    assert project.run("doctor").exit_code == 7
