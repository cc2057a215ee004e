from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from recipeline import artifacts
from recipeline.artifacts import CARD, DATASET, INTERVAL, LEADERBOARD, METRICS, ORDER, Artifact, plot
from recipeline.errors import UnavailableError
from recipeline.evaluation.results import Metrics
from recipeline.tracking.artifact_writer import Writer
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection.store import Store
from tests.records import some
from tests.toys import ROWS, TARGET
from tests.tracking.helpers import new_run


@pytest.mark.parametrize(
    ("artifact", "value"),
    [
        (
            METRICS,
            some(
                Metrics, {"best": {"candidate": "größer", "accuracy_within": {"0.5": 1}, "interval_95": {"r2": [0.1 + 0.2, 1]}}}
            ),
        ),
        (DATASET, pd.DataFrame({"a b": [0.1 + 0.2, float("nan")], "n": [1, 2]}, index=[7, 3])),
        (LEADERBOARD, pd.DataFrame({"candidate": ["NA", "b"], "cv_mean_score": [0.1 + 0.2, 1 / 3]})),
    ],
    ids=["json", "parquet", "csv"],
)
def test_what_is_written_is_read_back_to_the_last_bit(store: Store, artifact: Artifact[Any], value: Any) -> None:
    run_id = new_run(store)
    writer = Writer(store.client, run_id)
    writer.save(artifact, value)
    writer.close()
    read = Reader(store.client).load(artifact, run_id)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(read, value, check_exact=True)
    else:
        assert read == value


def test_a_number_that_json_does_not_have_is_never_written(store: Store) -> None:
    with pytest.raises(ValueError, match="nan"):
        Writer(store.client, new_run(store)).save(METRICS, some(Metrics, {"mean_predictor": {"r2": float("nan")}}))


def test_two_models_of_trees_are_written_and_read_without_pickle(tmp_path: Path) -> None:
    pair = tuple(HistGradientBoostingRegressor(max_iter=number).fit(ROWS, TARGET) for number in (1, 2))
    INTERVAL.write(pair, tmp_path / "i.skops")
    for read, written in zip(INTERVAL.read(tmp_path / "i.skops"), pair, strict=True):
        assert read.predict(ROWS).tolist() == written.predict(ROWS).tolist()


def test_what_is_not_trusted_and_what_is_cut_off_is_refused(tmp_path: Path) -> None:
    INTERVAL.write((Path.unlink, Path.unlink), tmp_path / "i.skops")
    with pytest.raises(UnavailableError, match=r"types that are trusted\. Got pathlib\.(_local\.)?unlink"):
        INTERVAL.read(tmp_path / "i.skops")
    (tmp_path / "i.skops").write_bytes((tmp_path / "i.skops").read_bytes()[:-50])
    with pytest.raises(UnavailableError, match="is missing or damaged"):
        INTERVAL.read(tmp_path / "i.skops")


def test_a_plot_has_a_name_of_its_own_and_is_no_result() -> None:
    assert plot("residuals").name == "plots/residuals.png"
    assert not plot("residuals").is_result
    assert not CARD.is_result
    assert METRICS.is_result


def test_no_two_artifacts_of_a_step_have_one_name() -> None:
    names = [(it.step, it.name) for it in vars(artifacts).values() if isinstance(it, Artifact)]
    assert len(names) == len(set(names))
    assert {step for step, _ in names} >= set(ORDER)
