"""A store of a released version: this version goes on with all of it.

Production, ledger, baseline and log.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from recipeline.inference.model_info import Feature
from recipeline.monitoring.live.log_format import is_readable
from recipeline.monitoring.live.prediction_log import PredictionLog
from recipeline.tracking.connection.store import open_store
from tests.conftest import ROOT, Project, forget_mlflow, rename_places
from tests.scenarios.test_production import with_json
from tests.stores.keep import PLACE, write_log

STORES, LOGS = (sorted((ROOT / "tests/stores").glob(pattern)) for pattern in ("*.tar.xz", "*.predictions.jsonl"))


@pytest.fixture(params=STORES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def released(request: pytest.FixtureRequest, tmp_path: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """The project of a released version, upgraded as MLflow upgrades it."""
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


def test_there_is_a_store_and_a_log_of_each_released_version() -> None:
    assert STORES
    versions = [{path.name.removesuffix(".tar.xz") for path in STORES}]
    versions.append({path.name.removesuffix(".predictions.jsonl") for path in LOGS})
    assert versions[0] == versions[1]


def test_its_production_answers_and_its_ledger_and_files_are_whole(released: Project) -> None:
    assert released.run("doctor").exit_code == 0
    terms = json.loads(with_json(released, "history").stdout)["values"]
    assert [(term["version"], term["kind"]) for term in terms] == [("1", "promote"), ("2", "forced")]
    assert "SmallModel version 2" in released.ok("predict").stdout
    assert "DecisionTree" in released.ok("why", version="1").stdout


def test_its_log_is_monitored_against_its_baseline(released: Project) -> None:
    outcome = released.run("monitor")
    assert outcome.exit_code in (0, 5), outcome.stderr
    assert "PSI" in outcome.stdout


def test_a_log_of_a_later_version_ends_its_monitoring_with_a_sentence(released: Project) -> None:
    log = released.folder / "log" / "predictions-later.jsonl"
    log.write_text('{"format": 99, "recipeline": "9.9.0", "rows": []}\n', encoding="utf-8")
    outcome = released.run("monitor")
    assert outcome.exit_code == 6
    assert "lines of format 99, written by recipeline 9.9.0;" in outcome.stderr
    assert "Upgrade recipeline to 9.9.0, or a later version." in outcome.stderr


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name.removesuffix(".predictions.jsonl"))
def test_every_line_of_its_log_is_read_as_it_was_written(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    features = [Feature(name) for name in lines[0]["features"]]
    live = PredictionLog([path], features, lines[0]["version"], now=9e9)
    (piece,) = live.pieces()
    assert (len(piece.values), live.left_out, live.repeated) == (len(lines), 0, 0)
    assert piece.values.tolist() == [list(line["features"].values()) for line in lines]
    assert piece.predicted.tolist() == [line["prediction"] for line in lines]
    assert piece.times.tolist() == [line["time"] for line in lines]


def test_the_log_that_a_release_keeps_is_one_that_its_service_wrote(
    trained: Project, wines: pd.DataFrame, tmp_path: Path
) -> None:
    rows = wines.drop(columns="quality").head(40).to_dict("records")
    log = write_log(trained, tmp_path / "log", rows)
    live = PredictionLog([log], [Feature(name) for name in rows[0]], "1")
    assert [len(piece.values) for piece in live.pieces()] == [40]
    assert is_readable(json.loads(log.read_bytes().splitlines()[0]), log.name)
    forget_mlflow()


def test_a_chain_goes_on_where_it_was_and_a_rollback_goes_back(released: Project) -> None:
    released.ok("main", model="lr,dt")
    number = len(released.versions())
    assert released.versions()["2"] in ("Production", "Archived")
    released.ok("rollback", reason="as before")
    assert number == len(released.versions())
    released.production()
    assert released.run("doctor").exit_code == 0
