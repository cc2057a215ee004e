"""Columns without information: empty, constant, known of one row only.

Every command takes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipeline.registry.versions import Registry
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.serving.rows.mlflow_formats import parse_csv
from tests.conftest import NAME, MakeProject, Project
from tests.serving.helpers import store_of

pytestmark = pytest.mark.xdist_group("degenerate columns")  # whose tests share a chain

IMPUTED = {
    "alias": "imp",
    "preprocess": [{"estimator": "sklearn.impute.SimpleImputer", "params": {"keep_empty_features": True}}],
    "estimator": "sklearn.linear_model.Ridge",
}


@pytest.fixture(scope="module")
def degenerate(make_project: MakeProject, wines: pd.DataFrame) -> Project:
    """A project with such columns and a version in Production; its cards are drawn."""
    once = np.where(np.arange(len(wines)) == 5, 7.0, np.nan)
    half = np.where(wines["pH"] > wines["pH"].median(), 7.0, np.nan)
    columns = {"empty": np.nan, "constant": 7.0, "constant or missing": half, "once": once}
    project = make_project(wines.assign(**columns))

    def change(content: dict[str, Any]) -> None:
        content["columns"] |= {name: {"nullable": True} for name in columns}
        content["candidates"] = {"Imputed": IMPUTED, "DecisionTree": content["candidates"]["DecisionTree"]}
        content |= {"promotion": {"repeats": 1, "bootstrap_draws": 100}}

    project.write_recipe(change)
    project.draws = True
    project.ok("main")
    return project


def test_they_are_learned_from_reported_and_found_whole(degenerate: Project) -> None:
    assert str(degenerate.production().version) == "1"
    for command in ("report", "doctor", "why"):
        assert "could not be drawn" not in (said := degenerate.ok(command)).stdout + said.stderr


@pytest.mark.parametrize("filled", [None, 7.0, 99.0])
def test_they_are_predicted_served_and_monitored_whatever_they_hold_then(
    degenerate: Project, tmp_path: Path, filled: float | None
) -> None:
    rows = pd.read_csv(degenerate.data, sep=";").drop(columns="quality").head(60)
    for name in ("empty", "constant", "constant or missing", "once"):
        rows[name] = np.nan if filled is None else filled
    rows.to_csv(tmp_path / "rows.csv", index=False)
    degenerate.ok("predict", input=str(tmp_path / "rows.csv"), output=str(tmp_path / "out.csv"))
    scored = pd.read_csv(tmp_path / "out.csv")[["prediction_lower", "prediction", "prediction_upper"]]
    assert np.isfinite(scored.to_numpy()).all()
    champion = Registry(store_of(degenerate), NAME).champion()
    assert champion is not None
    model = load_copy(fetch_version(store_of(degenerate), champion, tmp_path / "copies"))
    values = parse_csv(rows.to_csv(index=False).encode(), model.schema, max_rows=100)
    np.testing.assert_allclose(model.predict(values), scored["prediction"], rtol=1e-9)
    records = json.loads(rows.to_json(orient="records"))
    np.testing.assert_array_equal(model.schema.parse(json.dumps(records).encode(), max_rows=100), values)
    outcome = degenerate.run("monitor", data=str(tmp_path / "rows.csv"))
    assert (outcome.exit_code in (0, 5), "Traceback" in outcome.stderr) == (True, False), outcome.stderr


def test_new_rows_with_them_are_learned_from_too(degenerate: Project, tmp_path: Path) -> None:
    pd.read_csv(degenerate.data, sep=";").sample(50, random_state=1).to_csv(tmp_path / "new.csv", index=False)
    assert degenerate.run("retrain", data=str(tmp_path / "new.csv")).exit_code == 0
