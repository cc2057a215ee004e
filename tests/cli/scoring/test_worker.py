"""A worker loads the model by its version, or says in one sentence why it cannot."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from recipeline.batch.output import LocalFolder
from recipeline.batch.parts import InputFile, Part
from recipeline.batch.scoring import PartTask
from recipeline.cli.scoring import worker
from recipeline.cli.scoring.worker import Failed, WorkerModel, predict_in_worker
from recipeline.data.reading.formats import PLAIN
from recipeline.errors import DataError, UnavailableError
from recipeline.tracking.models import model_id_of
from tests.conftest import NAME, Project


@pytest.fixture
def model(trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerModel:
    monkeypatch.setattr(worker, "_ASKED", {})
    version = trained.production()
    return WorkerModel(trained.uri, NAME, f"models:/{NAME}/{version.version}", model_id_of(version), (), tmp_path / "cache")


def task(source: Path, output: Path, columns: list[str]) -> PartTask:
    return PartTask(
        Part("rows", ".csv", InputFile(source, source.name)), LocalFolder(output), "key", tuple(columns), PLAIN, False
    )


def test_a_part_is_predicted_as_by_the_command_and_a_failure_comes_back_as_plain_values(
    trained: Project, model: WorkerModel, tmp_path: Path, wines: pd.DataFrame
) -> None:
    source = tmp_path / "rows.csv"
    wines.to_csv(source, index=False)
    trained.ok("predict", input=str(source), output=str(tmp_path / "plain.csv"))
    done = predict_in_worker(*pickle.loads(pickle.dumps((model, task(source, tmp_path, list(wines))))))
    assert not isinstance(done, Failed)
    assert (done.name, done.rows) == ("rows.csv", 400)
    assert (tmp_path / "rows.predictions.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()

    wines.assign(alcohol="x").to_csv(source, index=False)
    failed = predict_in_worker(model, task(source, tmp_path, list(wines)))
    assert isinstance(failed, Failed)
    assert failed.kind is DataError
    assert failed.sentence.startswith("rows.csv must follow the rules of the model's columns, and breaks them in 400 places.")
    assert "alcohol" in failed.details[0]
    assert pickle.loads(pickle.dumps(failed)) == failed


def test_the_password_of_a_store_is_in_no_log_of_what_a_worker_was_asked() -> None:
    model = WorkerModel("postgresql://user:Zq7xZq7x@host/db", "Wine", "models:/Wine/3", "m-1", (), Path("/cache"))
    assert "Zq7x" not in repr((model,))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"store_uri": "sqlite:////nowhere/mlflow.db"},
            "the file does not exist there. Workers of other machines need",
        ),
        ({"store_uri": "http://127.0.0.1:1"}, "from the store http://127.0.0.1:1: "),
        ({"model_id": "m-other"}, "there it is another model."),
    ],
)
def test_a_store_that_is_not_reached_or_has_another_model_is_one_sentence(
    model: WorkerModel, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    failed = predict_in_worker(replace(model, **change), task(tmp_path / "rows.csv", tmp_path, []))
    assert isinstance(failed, Failed)
    assert failed.kind is UnavailableError
    assert failed.sentence.startswith("A worker on ")
    assert f"cannot load models:/{NAME}/" in failed.sentence
    assert words in failed.sentence
