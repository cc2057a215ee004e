"""The figures that everyone quotes, and the honest ones, on the real red wines.

They need the real file: in the download cache, or named by the environment variable WINE_DATA. Where it is neither, these tests
are reported as skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pandas as pd
import platformdirs
import pytest

from recipeline.config.recipe import load_recipe
from tests.conftest import ROOT, Project

RECIPE = load_recipe(ROOT / "recipe.yaml", {})
assert RECIPE.data.download
PIN = RECIPE.data.download.sha256


def find_real_data() -> Path | None:
    """Return the real file; None where it is not on this machine."""
    cached = Path(platformdirs.user_cache_dir("recipeline", appauthor=False)) / f"{PIN}.csv"
    for path in (Path(os.environ.get("WINE_DATA") or "no such file"), cached):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == PIN:
            return path
    return None


DATA = find_real_data()
pytestmark = [
    pytest.mark.skipif(
        DATA is None, reason="the real wines are not here: set WINE_DATA to the UCI file, or run make ingest online"
    ),
    pytest.mark.xdist_group("real"),
]


@pytest.fixture
def wine(project: Project) -> Project:
    """The project's own recipe on the real wines."""
    project.recipe_path, project.is_quick = ROOT / "recipe.yaml", False
    project.write_profile(data=str(DATA))
    return project


def test_the_random_split_gives_the_figures_that_everyone_quotes_and_64_leaked_rows(wine: Project) -> None:
    wine.ok("split", method="random")
    wine.ok("train", model="rf,lr,pca,en,dt")
    wine.ok("evaluate")
    scores = {run.data.tags["model_type"]: run.data.metrics["r2"] for run in wine.runs() if "model_type" in run.data.tags}
    expected = {
        "RandomForest": 0.5319,
        "LinearRegression": 0.4032,
        "PCA_LinearRegression": 0.3810,
        "ElasticNet": 0.3651,
        "DecisionTree": 0.2921,
    }
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=0.001)
    audit = wine.client.get_run(wine.first("split").info.run_id).info.artifact_uri.removeprefix("file://")
    assert json.loads((Path(audit) / "leak_audit.json").read_text(encoding="utf-8"))["leaked_rows"] == 64


def test_the_readme_shows_what_the_chain_prints_and_the_grouped_split_leaks_nothing(wine: Project) -> None:
    """The summary of a first chain is the README's, but for the rows' origin."""
    block = re.search(r"```text\n(Data:.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block
    shown = [line for line in block[1].splitlines() if line and not line.startswith("Data:")]
    printed = wine.ok("main").stdout
    for line in shown:
        assert line in printed
    assert "308 test rows; 0 test rows have a twin" in printed
    best = max(run.data.metrics["cv_mean_score"] for run in wine.runs() if "model_type" in run.data.tags)
    assert best >= 0.36
    answers_as_the_guide_says(wine)


def answers_as_the_guide_says(wine: Project) -> None:
    """Check the answer in the guide against the model's, for its wine."""
    guide = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    [asked] = (json.loads(it) for it in re.findall(r"-d '(\{.*?\})'", guide, re.DOTALL))
    [shown] = (json.loads(it) for it in re.findall(r"```json\n(\{\"predictions\": \[\d.*?)```", guide, re.DOTALL))
    rows, answers = wine.folder / "asked.csv", wine.folder / "answered.csv"
    pd.DataFrame([asked]).to_csv(rows, index=False)
    wine.ok("predict", input=str(rows), output=str(answers))
    [got] = pd.read_csv(answers).round(2).to_dict("records")
    limits = shown["interval"]
    assert [got["prediction"]] == shown["predictions"]
    assert ([got["prediction_lower"]], [got["prediction_upper"]]) == (limits["lower"], limits["upper"])
    assert [round(got["prediction"])] == shown["grade"]
