"""The chain on one table in other units and about another origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import MakeProject, Project

CANDIDATES = {
    "LinearRegression": {"alias": "lr", "estimator": "sklearn.linear_model.LinearRegression"},
    "DecisionTree": {"alias": "dt", "estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 4}},
    "RandomForest": {"alias": "rf", "estimator": "sklearn.ensemble.RandomForestRegressor", "params": {"n_estimators": 20}},
}


def run_chain(make_project: MakeProject, wines: pd.DataFrame, unit: float, origin: float) -> tuple[Any, Any]:
    """Return metrics and decision for the target times `unit` plus `origin`.

    Thresholds are moved alike.
    """
    project: Project = make_project(wines.assign(quality=unit * wines["quality"] + origin))

    def scale(recipe: dict[str, Any]) -> None:
        recipe["candidates"] = CANDIDATES
        recipe["columns"]["quality"] = {"min": origin, "max": 10 * unit + origin}
        recipe["metrics"]["tolerances"] = [0.5 * unit, unit]
        recipe["promotion"]["guard_rails"] = {
            "mae": 0.02 * unit,
            "slices": {"low": {"max": 4.5 * unit + origin}},
            "slice_mae": 0.1 * unit,
        }

    project.write_recipe(scale)
    project.ok("main")

    def load(step: str, name: str) -> Any:
        folder = project.first(step).info.artifact_uri.removeprefix("file://")
        return json.loads((Path(folder) / name).read_text(encoding="utf-8"))

    return load("evaluate", "metrics.json"), load("promote", "decision.json")


def test_the_chain_finds_and_decides_the_same_whatever_the_unit_and_origin_of_the_target(
    make_project: MakeProject, wines: pd.DataFrame
) -> None:
    """Linear models to 1e-4 in R2 and in units; trees to 0.03.

    The last bit chooses among equally good splits.
    """
    expected, decision = run_chain(make_project, wines, 1.0, 0.0)
    for unit, origin in ((1e-6, 0.0), (1.0, 1.7e9)):
        found, decided = run_chain(make_project, wines, unit, origin)
        assert found["best"]["candidate"] == expected["best"]["candidate"]
        for name, tolerance in (("LinearRegression", 1e-4), ("DecisionTree", 0.03), ("RandomForest", 0.03)):
            for metric, by in (("r2", 1), ("cv_mean_score", 1), ("cv_std", 1), ("rmse", unit), ("mae", unit)):
                before, after = expected["candidates"][name][metric], found["candidates"][name][metric] / by
                assert after == pytest.approx(before, abs=tolerance), (name, metric)
        for metric, by in (("r2", 1), ("rmse", unit), ("mae", unit)):
            before, after = expected["best"]["interval_95"][metric], found["best"]["interval_95"][metric]
            assert [limit / by for limit in after] == pytest.approx(before, abs=0.05)
        assert found["best"]["interval_90"]["mean_width"] / unit == pytest.approx(
            expected["best"]["interval_90"]["mean_width"], abs=0.05
        )
        assert decided["outcome"] == decision["outcome"]
        for figure in ("gain", "lower"):
            assert decided["evidence"][figure] == pytest.approx(decision["evidence"][figure], abs=0.03)
