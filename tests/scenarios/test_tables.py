"""Tables of many shapes, each from its file to a monitored Production.

Typed, grouped and timed ones are in `test_typed` and `test_splits`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, MakeProject, Project

IMPUTE = {"estimator": "sklearn.impute.SimpleImputer", "params": {"strategy": "median"}}
RIDGE: dict[str, Any] = {"alias": "ridge", "estimator": "sklearn.linear_model.Ridge", "preprocess": [IMPUTE]}
BOOSTED: dict[str, Any] = {
    "alias": "hgb",
    "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
    "params": {"max_iter": 40},
    "preprocess": {"category": "ordinal"},
}


def titanic(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Names, tickets and cabins to ignore, ages and ports that are missing."""
    grade = rng.integers(1, 4, rows)
    table = pd.DataFrame(
        {
            "name": [f"Person, Mr. {row}" for row in range(rows)],
            "pclass": grade,
            "sex": rng.choice(["male", "female"], rows),
            "age": np.where(rng.random(rows) < 0.2, np.nan, rng.uniform(1, 80, rows).round(1)),
            "cabin": pd.Series("C85", index=range(rows)).mask(rng.random(rows) < 0.7),
            "port": rng.choice(["S", "C", "Q", None], rows),
            "fare": (90 / grade + rng.gamma(2, 4, rows)).round(2),
        }
    )
    columns = {
        "name": {"type": "category", "role": "ignore"},
        "pclass": {"type": "category"},
        "sex": {"type": "category", "values": ["male", "female"]},
        "age": {"nullable": True, "unit": "years", "min": 0, "max": 120},
        "cabin": {"type": "category", "role": "sensitive", "nullable": True},
        "port": {"type": "category", "nullable": True},
        "fare": {"min": 0},
    }
    return table, {"target": "fare", "columns": columns}


def penguins(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Species and islands, and rows without a target."""
    species = rng.choice(["Adelie", "Gentoo", "Chinstrap"], rows)
    flipper = 180 + 30 * (species == "Gentoo") + rng.normal(0, 5, rows)
    mass = (50 * flipper - 5800 + rng.normal(0, 250, rows)).round()
    mass[:4] = np.nan
    table = pd.DataFrame({"species": species, "island": rng.choice(["A", "B"], rows), "flipper": flipper, "mass": mass})
    columns = {
        "species": {"type": "category"},
        "island": {"type": "category"},
        "flipper": {"unit": "mm"},
        "mass": {"unit": "g"},
    }
    return table, {"target": "mass", "columns": columns, "missing_target": "drop"}


def diamonds(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A price over three orders of magnitude, fitted as its logarithm."""
    carat, cut = rng.gamma(2, 0.4, rows) + 0.2, rng.choice(["Fair", "Good", "Ideal"], rows)
    price = np.exp(6 + 1.7 * np.log(carat) + 0.2 * (cut == "Ideal") + rng.normal(0, 0.1, rows)).round()
    table = pd.DataFrame({"carat": carat.round(2), "cut": cut, "price": price})
    columns = {"carat": {"min": 0}, "cut": {"type": "category"}, "price": {"min": 1}}
    return table, {"target": {"column": "price", "transform": "log"}, "columns": columns}


def cars(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Words for missing values in columns of numbers."""
    horse = rng.uniform(50, 230, rows).round()
    mpg = (45 - 0.13 * horse + rng.normal(0, 2, rows)).round(1)
    power = np.where(rng.random(rows) < 0.1, "?", horse.astype(int).astype(str))
    table = pd.DataFrame({"horsepower": power, "origin": rng.choice(["usa", "japan", "NA"], rows), "mpg": mpg})
    columns = {"horsepower": {"nullable": True}, "origin": {"type": "category", "nullable": True}, "mpg": {}}
    return table, {"target": "mpg", "columns": columns, "na": ["?", "NA"]}


def claims(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A frequency, each row of which counts by its exposure."""
    exposure, age = rng.uniform(0.05, 1, rows), rng.uniform(18, 80, rows)
    rate = 3 - age / 40 + rng.normal(0, 0.3, rows) / np.sqrt(exposure)
    table = pd.DataFrame({"age": age, "exposure": exposure, "rate": rate})
    return table, {"target": "rate", "columns": {"age": {}, "exposure": {"role": "weight"}, "rate": {}}}


def genes(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """More columns than most tables have rows."""
    values = rng.normal(size=(rows, 500))
    table = pd.DataFrame(values.round(4), columns=[f"gene {place}" for place in range(500)])
    table["growth"] = values[:, :5].sum(axis=1) + rng.normal(0, 0.5, rows)
    return table, {"target": "growth", "columns": {"gene {0..499}": {}, "growth": {}}}


def unlisted(rng: np.random.Generator, rows: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """An ID that the recipe does not list."""
    a = rng.normal(size=rows)
    table = pd.DataFrame({"customer": np.arange(rows) + 1_000_000, "a": a, "y": 2 * a + rng.normal(0, 0.5, rows)})
    return table, {"target": "y", "columns": {"a": {}, "y": {}}, "other_columns": "ignore"}


Draw = Callable[[np.random.Generator, int], tuple[pd.DataFrame, dict[str, Any]]]
OFTEN: list[Draw] = [titanic, diamonds]
SHAPES: list[Draw] = [penguins, cars, claims, genes, unlisted]


def project_of(make_project: MakeProject, draw: Draw) -> tuple[Project, pd.DataFrame]:
    """Return a project of a table with a chain, and later rows like it."""
    rng = np.random.default_rng(0)
    table, content = draw(rng, 500)
    project = make_project(table)
    tuned = BOOSTED if any(it.get("type") == "category" for it in content["columns"].values()) else BOOSTED | {"preprocess": []}

    def change(recipe: dict[str, Any]) -> None:
        recipe |= content | {"candidates": {"Ridge": RIDGE, "Boosted": tuned}}
        recipe |= {"promotion": {"guard_rails": {}}, "gates": {"beats_mean_predictor": True}, "monitoring": {}}

    project.write_recipe(change)
    outcome = project.ok("main")
    assert "promoted" in outcome.stdout, outcome.stdout
    target = content["target"]
    later = draw(rng, 300)[0].drop(columns=target if isinstance(target, str) else target["column"])
    return project, later


def use(project: Project, later: pd.DataFrame, folder: Path) -> None:
    """Ask and monitor the model in Production with later rows."""
    later.to_csv(folder / "later.csv", index=False)
    project.ok("predict", input=str(folder / "later.csv"), output=str(folder / "out.csv"))
    scored = pd.read_csv(folder / "out.csv")
    assert len(scored) == len(later)
    assert (scored["prediction_lower"] <= scored["prediction"]).all()
    assert (scored["prediction"] <= scored["prediction_upper"]).all()
    outcome = project.run("monitor", data=str(folder / "later.csv"))
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("draw", OFTEN)
def test_a_table_of_a_shape_is_promoted_asked_and_monitored(make_project: MakeProject, draw: Draw, tmp_path: Path) -> None:
    use(*project_of(make_project, draw), tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("draw", SHAPES)
def test_a_table_of_another_shape_is_promoted_asked_and_monitored(
    make_project: MakeProject, draw: Draw, tmp_path: Path
) -> None:
    use(*project_of(make_project, draw), tmp_path)


@pytest.mark.full
def test_a_million_rows_of_twenty_columns_are_promoted_within_3_gigabytes(make_project: MakeProject) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1_000_000, 20)).astype("float32")
    table = pd.DataFrame(values, columns=[f"x{place}" for place in range(20)]).assign(y=values[:, :3].sum(axis=1))
    table["y"] += rng.normal(size=len(table))
    project = make_project(table)
    content = {"target": "y", "columns": {name: {} for name in table}}
    candidates = {"Ridge": RIDGE, "Boosted": BOOSTED | {"preprocess": []}}
    project.write_recipe(
        lambda recipe: recipe.update(content, candidates=candidates, promotion={"guard_rails": {}}, gates={}, monitoring={})
    )
    del table, values
    words = ["-m", "steps.main", "--recipe", str(project.recipe_path), "--profile", str(project.profile_path)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "promoted" in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 3 << 20  # kilobytes: of the largest process
