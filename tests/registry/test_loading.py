from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.entities.model_registry import ModelVersion
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

from recipeline.artifacts import GOLDEN, MODEL_INFO
from recipeline.errors import UnavailableError
from recipeline.inference.columns import Columns
from recipeline.inference.golden import limits_golden
from recipeline.inference.model_info import Feature, ModelInfo, Target
from recipeline.registry.loading import load_golden, load_interval
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from recipeline.tracking.models import log_model
from recipeline.tracking.runs import open_run
from tests.conftest import Project
from tests.registry.helpers import register
from tests.toys import ROWS, TARGET, log_toy

DIFFERS = r"models:/Toy/1 does not reproduce the golden rows of its evaluation: "


@dataclass
class Toy:
    """A version of a small model, and where its files and golden rows lie."""

    version: ModelVersion
    model: Path
    golden: Path
    reader: Reader


def evaluate(store: Store, golden: pd.DataFrame) -> str:
    """Return the ID of a run that says what the model must answer."""
    with open_run(store.client, "evaluate", store.experiment("toy"), {}) as run:
        run.save(GOLDEN, golden)
    return run.id


@pytest.fixture
def toy(store: Store, tmp_path: Path) -> Toy:
    run, model_id = log_toy(store)
    golden = ROWS.assign(prediction=LinearRegression().fit(ROWS, TARGET).predict(ROWS))
    version = register(store, model_id, run.id, evaluate_run_id=evaluate(store, golden))
    (model,) = (tmp_path / "mlruns").rglob(f"{model_id}/artifacts")
    (path,) = (tmp_path / "mlruns").rglob("golden.parquet")
    return Toy(version, model, path, Reader(store.client))


def test_a_version_that_answers_as_it_did_is_accepted(toy: Toy) -> None:
    load_golden(toy.reader, toy.version)


def break_skops(toy: Toy) -> None:
    (toy.model / "model.skops").write_bytes(b"no model")


def cut_off_skops(toy: Toy) -> None:
    content = (toy.model / "model.skops").read_bytes()
    (toy.model / "model.skops").write_bytes(content[: len(content) // 2])


def delete_skops(toy: Toy) -> None:
    (toy.model / "model.skops").unlink()


def delete_all(toy: Toy) -> None:
    shutil.rmtree(toy.model)


def break_metadata(toy: Toy) -> None:
    (toy.model / "MLmodel").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("damage", [break_skops, cut_off_skops, delete_skops, delete_all, break_metadata])
def test_a_version_whose_files_are_broken_is_unavailable(toy: Toy, damage: Callable[[Toy], None]) -> None:
    damage(toy)
    with pytest.raises(UnavailableError, match=r"The model models:/Toy/1 is missing or damaged: ") as error:
        load_golden(toy.reader, toy.version)
    assert error.value.exit_code == 6
    assert "\n" not in error.value.sentence


def swap(store: Store, toy: Toy, rows: pd.DataFrame, target: np.ndarray) -> None:
    """Put a model that learned from other rows in the place of the version's own."""
    with open_run(store.client, "train", store.experiment("toy"), {}) as run:
        model_id, _ = log_model(LinearRegression().fit(rows, target), run.id, rows, packages={"sklearn"})
    (other,) = toy.model.parents[1].rglob(f"{model_id}/artifacts/model.skops")
    shutil.copy(other, toy.model / "model.skops")


@pytest.mark.parametrize("change", [1.0, 1e-6])
def test_another_model_in_its_place_is_unavailable(store: Store, toy: Toy, change: float) -> None:
    swap(store, toy, ROWS, TARGET + change)
    with pytest.raises(UnavailableError, match=DIFFERS + "other predictions"):
        load_golden(toy.reader, toy.version)


def test_a_model_of_the_same_answers_in_its_place_is_accepted(store: Store, toy: Toy) -> None:
    swap(store, toy, ROWS, TARGET)
    load_golden(toy.reader, toy.version)


def test_a_model_that_refuses_the_golden_rows_is_unavailable_with_its_words(store: Store, toy: Toy) -> None:
    swap(store, toy, ROWS[["a"]], TARGET)
    with pytest.raises(UnavailableError, match=DIFFERS + "'The feature names should match") as error:
        load_golden(toy.reader, toy.version)
    assert "\n" not in error.value.sentence


def test_a_version_whose_golden_rows_are_gone_is_unavailable(toy: Toy) -> None:
    toy.golden.unlink()
    with pytest.raises(UnavailableError, match=r"The artifact golden\.parquet of run \w+ is missing"):
        load_golden(toy.reader, toy.version)


def test_a_version_whose_golden_rows_were_changed_is_unavailable(toy: Toy) -> None:
    ROWS.assign(prediction=TARGET).to_parquet(toy.golden)
    with pytest.raises(UnavailableError, match=r"golden\.parquet .* has changed or is truncated"):
        load_golden(toy.reader, toy.version)


def test_a_version_that_was_never_evaluated_is_unavailable(store: Store) -> None:
    run, model_id = log_toy(store)
    with pytest.raises(UnavailableError, match="has no run of evaluate: it was registered by other means"):
        load_golden(Reader(store.client), register(store, model_id, run.id))


def test_a_version_whose_evaluation_has_no_golden_rows_is_unavailable(store: Store) -> None:
    run, model_id = log_toy(store)
    version = register(store, model_id, run.id, evaluate_run_id=run.id)
    with pytest.raises(UnavailableError, match=rf"The artifact golden\.parquet of run {run.id} is missing"):
        load_golden(Reader(store.client), version)


def test_a_version_that_never_answered_like_that_is_unavailable(store: Store) -> None:
    run, model_id = log_toy(store)
    golden = ROWS.assign(prediction=TARGET + 1)
    version = register(store, model_id, run.id, evaluate_run_id=evaluate(store, golden))
    with pytest.raises(UnavailableError, match=DIFFERS + "other predictions"):
        load_golden(Reader(store.client), version)


def test_a_classifier_that_says_other_labels_than_its_probabilities_is_unavailable(store: Store) -> None:
    labels = np.array(["bad", "good", "good"])
    fitted = FixedThresholdClassifier(LogisticRegression(), threshold=0.4, pos_label="good", response_method="predict_proba")
    fitted.fit(ROWS, labels)
    golden = ROWS.assign(prediction=fitted.predict_proba(ROWS)[:, 1])
    features = tuple(Feature(str(name)) for name in ROWS)
    experiment = store.experiment("toy")
    for threshold, fault in ((0.4, ""), (float(golden["prediction"].max()) + 0.01, "says other labels than its probabilities")):
        with open_run(store.client, "train", experiment, {}) as run:
            model_id, digests = log_model(fitted, run.id, ROWS, packages={"sklearn"})
            run.add_model(model_id, digests)
        target = Target("taste", "category", task="binary", labels=("bad", "good"), threshold=threshold)
        with open_run(store.client, "evaluate", experiment, {}) as evaluated:
            evaluated.save(GOLDEN, golden)
            evaluated.save(MODEL_INFO, ModelInfo(target, features))
        version = register(store, model_id, run.id, evaluate_run_id=evaluated.id)
        if not fault:
            load_golden(Reader(store.client), version)
            continue
        with pytest.raises(UnavailableError, match=fault):
            load_golden(Reader(store.client), version)


def test_the_interval_that_is_loaded_answers_the_golden_rows_as_the_one_that_was_fitted(trained: Project) -> None:
    reader, run_id = Reader(trained.client), trained.first("evaluate").info.run_id
    golden = reader.load(GOLDEN, run_id)
    columns = Columns.of(reader.load(MODEL_INFO, run_id))
    interval = load_interval(reader, run_id, columns.names)
    assert interval is not None
    assert limits_golden(interval, golden, columns)
    moved = golden.assign(prediction_upper=golden["prediction_upper"] + 1e-6)
    assert not limits_golden(interval, moved, columns)
