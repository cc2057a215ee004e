"""The project works: its chain ends with a model in Production that answers. Yours to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from recipeline import Project
from recipeline.project import RunResult

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project, on the rows of the local profile (synthetic ones for `auto`), with a store of its own."""
    folder = tmp_path_factory.mktemp("store")
    data = yaml.safe_load((ROOT / "profiles/local.yaml").read_text(encoding="utf-8"))["data"]
    settings: dict[str, Any] = {
        "store": {"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifact_location": str(folder / "mlruns")},
        "data": "synthetic" if data == "auto" else data,
    }
    profile = folder / "test.yaml"
    profile.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return Project(ROOT, profile=str(profile))


@pytest.fixture(scope="module")
def chain(project: Project) -> RunResult:
    """The first chain, whichever test needs it first."""
    return project.run()


def test_the_chain_ends_with_a_model_in_production_that_predicts(project: Project, chain: RunResult) -> None:
    assert chain.outcome == "promoted"
    rows = project.load("test").head(3)
    predicted = project.production.predict(rows)
    assert len(predicted) == 3
    assert predicted["prediction"].notna().all()


@pytest.mark.usefixtures("chain")
def test_a_second_chain_reuses_the_finished_steps(project: Project) -> None:
    assert "Reused: ingest, split, train, evaluate." in project.run().output
