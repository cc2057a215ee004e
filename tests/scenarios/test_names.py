"""Names that a user may give, and that others have for something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipeline.artifacts import OUT_OF_FOLD, TEST, TEST_PREDICTIONS, TRAIN
from recipeline.registry.versions import Registry
from recipeline.serving.http.predictions import Answered, Asked
from recipeline.serving.model.copies import fetch_version
from recipeline.serving.model.loading import load_copy
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.mlflow_formats import parse_csv, parse_json
from recipeline.tracking.artifacts.manifest import Reader
from tests.conftest import NAME, MakeProject, Project
from tests.serving.helpers import store_of

pytestmark = pytest.mark.xdist_group("names")  # whose tests share a chain

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


def test_columns_of_any_name_are_served_watched_logged_and_learned_from_again(named: Project, tmp_path: Path) -> None:
    rows = pd.read_csv(named.data, sep=";")
    store = store_of(named)
    champion = Registry(store, NAME).champion()
    assert champion is not None
    model = load_copy(fetch_version(store, champion, tmp_path / "copies"))
    sent = rows.drop(columns=TARGET).head(5)
    records = sent.to_dict("records")
    for values in (
        model.schema.parse(json.dumps(records).encode(), max_rows=9),
        parse_json(json.dumps({"dataframe_records": records}).encode(), model.schema, max_rows=9),
        parse_json(json.dumps({"inputs": sent.to_dict("list")}).encode(), model.schema, max_rows=9),
        parse_csv(sent.to_csv(index=False).encode(), model.schema, max_rows=9),
        parse_csv(sent.to_csv(index=False, sep=";").encode(), model.schema, max_rows=9),
    ):
        np.testing.assert_array_equal(values, sent)
        assert np.abs(model.predict(values) - rows[TARGET].head(5)).max() < 1e-6
    answered = Answered(model, sent.to_numpy(), rows[TARGET].head(5).to_numpy(), Beside())
    lines = Asked(1.0, "a", answered).as_lines()
    (log := tmp_path / "predictions-a.jsonl").write_bytes(lines)
    labels = pd.DataFrame({"request_id": "a", "row": range(5), TARGET: rows[TARGET].head(5) + 1})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    assert "5 rows" in named.ok("monitor", data=str(log), labels=str(tmp_path / "labels.csv")).stdout
    rows.sample(100, random_state=1).to_csv(tmp_path / "new.csv", index=False)
    assert named.run("retrain", data=str(tmp_path / "new.csv"), model="lr").exit_code == 0
