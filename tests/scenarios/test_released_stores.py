"""A store that a released version wrote: this version goes on with its Production, its ledger, its baseline and its log."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from recipeline.tracking.store import open_store
from tests.conftest import ROOT, Project, forget_mlflow, rename_places
from tests.scenarios.test_production import with_json
from tests.stores.keep import PLACE

STORES = sorted((ROOT / "tests/stores").glob("*.tar.xz"))


@pytest.fixture(params=STORES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def released(request: pytest.FixtureRequest, tmp_path: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """The project of a released version, unpacked here and upgraded as MLflow upgrades it."""
    with tarfile.open(request.param) as archive:
        # The filters are not in every Python 3.11; the archive is of this repository.
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    recipe = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    project = Project(tmp_path, wines)
    project.recipe_path.write_text(recipe, encoding="utf-8")
    project.write_profile(service={"prediction_log": {"folder": str(tmp_path / "log")}})
    rename_places(tmp_path / "mlflow.db", PLACE, str(tmp_path))
    open_store(project.uri, root=tmp_path)
    yield project
    forget_mlflow()


def test_there_is_a_store_of_a_released_version() -> None:
    assert STORES


def test_its_production_answers_and_its_ledger_and_files_are_whole(released: Project) -> None:
    assert released.run("doctor").exit_code == 0
    terms = json.loads(with_json(released, "history").stdout)
    assert [(term["version"], term["kind"]) for term in terms] == [("1", "promote"), ("2", "forced")]
    assert "SmallModel version 2" in released.ok("predict").stdout
    assert "DecisionTree" in released.ok("why", version="1").stdout


def test_its_log_is_monitored_against_its_baseline(released: Project) -> None:
    outcome = released.run("monitor")
    assert outcome.exit_code in (0, 5), outcome.stderr
    assert "PSI" in outcome.stdout


def test_a_chain_goes_on_where_it_was_and_a_rollback_goes_back(released: Project) -> None:
    released.ok("main", model="lr,dt")
    number = len(released.versions())
    assert released.versions()["2"] in ("Production", "Archived")
    released.ok("rollback", reason="as before")
    assert number == len(released.versions())
    released.production()
    assert released.run("doctor").exit_code == 0
