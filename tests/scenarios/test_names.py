"""Names that a user may give, and that others have for something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipeline.artifacts import OUT_OF_FOLD, TEST, TEST_PREDICTIONS, TRAIN
from recipeline.tracking.manifest import Reader
from tests.conftest import MakeProject, Project

NAMES = (
    *("split", "index", "level_0", "columns", "data", "time", "self", "target", "interval lower", "check", "type"),
    *("a/b", "a_b", "LinearRegression", "__index_level_0__", "fold", 'say "so"', "50 % <b>", "naïve 温度"),
)

#: What the table of out-of-fold predictions calls those of this candidate.
TARGET = "predicted LinearRegression"


@pytest.fixture(scope="module")
def named(make_project: MakeProject) -> Project:
    """A project whose columns have these names, with a version in Production."""
    values = np.random.default_rng(0).normal(size=(300, len(NAMES))).round(3)
    rows = pd.DataFrame(values, columns=NAMES).assign(**{TARGET: values.sum(axis=1).round(3)})
    project = make_project(rows)

    def change(content: dict[str, Any]) -> None:
        spec = {"estimator": "sklearn.ensemble.BaggingRegressor", "params": {"n_estimators": 2, "estimator": None}}
        content["columns"] = {name: {} for name in (*NAMES, TARGET)}
        content["candidates"] = {"LinearRegression": content["candidates"]["LinearRegression"], "Bag": {"alias": "b", **spec}}
        content |= {"target": TARGET, "promotion": {"repeats": 1, "bootstrap_draws": 100}}
        content.pop("model_card")

    project.write_recipe(change)
    project.ok("main")
    return project


def test_targets_and_predictions_are_kept_apart_whatever_the_target_is_called(named: Project) -> None:
    reader = Reader(named.client)
    for artifact, of_rows, step in ((OUT_OF_FOLD, TRAIN, "train"), (TEST_PREDICTIONS, TEST, "evaluate")):
        run = named.first(step)
        rows = reader.load(of_rows, run.data.tags["recipeline.split_run_id"])
        kept = reader.load(artifact, run.info.run_id)
        np.testing.assert_array_equal(kept["target"], rows[TARGET])
        assert np.corrcoef(kept[TARGET], rows[TARGET])[0, 1] > 0.99
        assert (kept[TARGET] != rows[TARGET]).any()


def test_columns_of_any_name_are_predicted_set_aside_and_monitored(named: Project, out: Path) -> None:
    rows = pd.read_csv(named.data, sep=";")
    broken = rows.astype(object)
    broken.loc[3] = "x"
    (source := out.with_name("in.csv")).write_text(broken.to_csv(index=False))
    named.ok("predict", input=str(source), output=str(out), on_bad_rows="reject")
    scored = pd.read_csv(out)
    assert list(scored)[: len(rows.columns)] == list(rows)
    assert np.abs(scored["prediction"] - scored[TARGET]).max() < 1e-6
    assert pd.read_csv(out.with_name("scored.rejects.csv"))["row"].tolist() == [4]
    run_id = named.run("monitor", data=str(named.data)).run_id
    found = [name for name in named.client.get_run(run_id).data.metrics if name.startswith("psi/")]
    assert len(found) == len(NAMES)
