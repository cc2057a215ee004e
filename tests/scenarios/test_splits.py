"""Tables whose rows belong together, through all steps and commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from recipeline.artifacts import (
    BASELINE,
    BASELINE_ROWS,
    DECISION,
    LEAK_AUDIT,
    METRICS,
    MODEL_INFO,
    OUT_OF_FOLD,
    TEST_PREDICTIONS,
    TRAIN,
)
from recipeline.data.relating.relations import FOLD
from recipeline.tracking.artifacts.manifest import Reader
from tests.conftest import Project, move_store
from tests.panels import draw_panel, draw_series, panel_content, series_content

pytestmark = pytest.mark.xdist_group("splits")  # whose tests share a chain

TREES = {"alias": "knn", "estimator": "sklearn.neighbors.KNeighborsRegressor", "params": {"n_neighbors": 3}}
PANEL = draw_panel(people=150, years=4)


class Table(Project):
    """A project with another recipe than the wines'."""

    def use(self, content: dict[str, Any]) -> None:
        """Write the recipe."""
        content["candidates"]["Nearest"] = TREES
        self.recipe_path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def load(self, step: str, artifact: Any) -> Any:
        """Load what the newest run of a step wrote."""
        return Reader(self.client).load(artifact, self.runs(step)[0].info.run_id)


@pytest.fixture(scope="module")
def panel_folder(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A project of people by years, with one chain behind it."""
    folder = tmp_path_factory.mktemp("panel")
    shutil.copy(empty_store, folder / "mlflow.db")
    project = Table(folder, PANEL)
    project.use(panel_content())
    project.ok("main")
    return folder


@pytest.fixture
def panel(panel_folder: Path, tmp_path: Path) -> Iterator[Table]:
    """The same in a folder of its own."""
    folder = tmp_path / "panel"
    move_store(panel_folder, folder)
    project = Table(folder, PANEL)
    project.use(panel_content())
    yield project
    mlflow.end_run()


def test_a_panel_is_split_by_people_judged_by_people_and_served_without_them(panel: Table, tmp_path: Path) -> None:
    audit, metrics = panel.load("split", LEAK_AUDIT), panel.load("evaluate", METRICS)
    assert audit.known_group_rows == 0
    assert audit.random_split.known_group_rows > 0.8 * audit.test_rows
    assert audit.columns_of_split == {"group": "person"}
    assert audit.warnings == ()
    assert metrics.best.candidate != "Nearest"
    # The nearest rows are the same person's: what a plain split says of them is a score of knowing people by heart.
    assert metrics.random_split_r2["Nearest"] > metrics.candidates["Nearest"]["r2"] + 0.1
    tags = panel.tags(panel.runs("split")[0].info.run_id)
    assert (tags["recipeline.split_method"], tags["recipeline.split_by"]) == ("grouped", "group: person")
    decision = panel.load("promote", DECISION)
    assert decision.evidence.unit == "groups by person"
    assert decision.evidence.distinct_rows < 150
    assert panel.load("evaluate", MODEL_INFO).other_columns == ("person", "year")

    features = PANEL.drop(columns=["person", "year", "wage"])
    answers = []
    for name, rows in {"plain": features, "beside": features.assign(person="who?", year=None)}.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        outcome = panel.ok("predict", input=str(tmp_path / f"{name}.csv"), output=str(tmp_path / f"{name}.out.csv"))
        assert "person" not in outcome.stdout + outcome.stderr
        answers.append(pd.read_csv(tmp_path / f"{name}.out.csv")["prediction"])
    pd.testing.assert_series_equal(answers[0], answers[1])

    assert panel.run("monitor", data=str(tmp_path / "beside.csv")).stdout.count("person") == 0


def test_a_random_split_of_a_panel_is_refused_in_one_sentence(panel: Table) -> None:
    outcome = panel.run("split", method="random")
    assert outcome.exit_code == 2
    assert "A random split must not be made of a recipe with split.group: person" in outcome.stderr


def test_folds_of_a_rule_are_those_of_the_whole_chain(panel: Table) -> None:
    content = panel_content(group="person", custom="tests.panels.years_apart")
    content["candidates"]["LinearRegression"] |= {"search": {"space": {"fit_intercept": {"choice": [True, False]}}}}
    panel.use(content)
    panel.ok("main", promote="never")
    train = panel.load("split", TRAIN)
    assert set(train[FOLD]) == {0, 1, 2}
    assert panel.load("evaluate", METRICS).rows_out_of_fold is None  # every row is in a fold
    panel.ok("report")


def test_a_panel_without_a_key_is_split_with_a_warning_that_names_it(panel: Table) -> None:
    content = panel_content()
    content["split"] = {"method": "grouped"}
    panel.use(content)
    outcome = panel.ok("split")
    assert "warning: split: Column 'person' numbers blocks" in outcome.stderr
    assert any("split.group: person" in warning for warning in panel.load("split", LEAK_AUDIT).warnings)


def test_the_same_recipe_on_more_people_is_judged_by_people_that_neither_model_knows(panel: Table, tmp_path: Path) -> None:
    more = pd.concat([PANEL, draw_panel(people=60, years=4, seed=2).assign(person=lambda rows: rows["person"] + 500)])
    more.to_csv(tmp_path / "more.csv", index=False)
    content = panel_content()
    content["promotion"] |= {"min_rows": 20, "margin": 0.5}
    panel.use(content)
    panel.ok("main", data=str(tmp_path / "more.csv"))
    decision = panel.load("promote", DECISION)
    assert decision.rule == "refresh", decision
    assert decision.evidence.unit == "groups by person"
    assert decision.evidence.distinct_rows == decision.evidence.rows / 4
    assert "groups by person)" in decision.reason


def test_a_series_is_tested_on_its_newest_rows_from_the_split_to_the_gate(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    series = draw_series(400)
    project = Table(tmp_path, series)
    project.use(series_content(time="moment", embargo=2))
    outcome = project.ok("main")
    audit, out_of_fold = project.load("split", LEAK_AUDIT), project.load("train", OUT_OF_FOLD)
    assert (audit.embargo, audit.embargo_rows, audit.older_rows) == (2, 2, 0)
    assert audit.random_split.older_rows == audit.random_split.test_rows
    early = out_of_fold.drop(columns="target").isna().all(axis=1)
    assert (early == (out_of_fold.index < early.sum())).all()
    assert f"the {early.sum()} earliest rows have no out-of-fold prediction" in outcome.stderr
    baseline, metrics = project.load("evaluate", BASELINE), project.load("evaluate", METRICS)
    assert baseline.errors.rows == baseline.prediction.rows == metrics.rows_out_of_fold == len(early) - early.sum()
    assert not project.load("evaluate", BASELINE_ROWS)["prediction"].isna().any()
    assert (baseline.target.rows, baseline.prediction.missing) == (len(early), 0)
    # A trend that no fold has seen before it comes: what a plain split says of the tree is a score of looking it up.
    assert metrics.random_split_r2["DecisionTree"] > metrics.candidates["DecisionTree"]["r2"] + 1
    decision = project.load("promote", DECISION)
    assert decision.evidence.left_out == early.sum()
    assert decision.evidence.blocks > 10
    assert "blocks of time" in decision.reason
    tags = project.tags(project.runs("split")[0].info.run_id)
    assert tags["recipeline.split_by"] == "time: moment, embargo: 2"
    mlflow.end_run()


def test_weights_and_a_function_of_the_target_go_from_the_table_to_the_gate_and_a_candidate_that_takes_none_stops_it(
    tmp_path: Path, empty_store: Path
) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    project = Table(tmp_path, draw_series(200).assign(exposure=np.random.default_rng(0).uniform(0.1, 5, 200)))
    content = series_content(method="grouped")
    content["columns"] |= {"moment": {"role": "id"}, "exposure": {"role": "weight"}, "load": {"min": 1}}
    content["target"] = {"column": "load", "transform": "log"}
    project.use(content)
    refused = project.run("train")
    assert refused.exit_code == 2
    assert "'candidates.Nearest' must accept weights of rows" in refused.stderr
    del content["candidates"]["Nearest"]
    project.recipe_path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    project.ok("main")
    info, predicted = project.load("evaluate", MODEL_INFO), project.load("evaluate", TEST_PREDICTIONS)
    assert info.other_columns == ("moment", "exposure")
    # All are in the target's own unit.
    assert predicted["target"].min() > 15
    for column in predicted:
        assert abs(predicted[column].mean() - predicted["target"].mean()) < 15
    draw_series(50)[["warmth"]].to_csv(tmp_path / "new.csv", index=False)
    project.ok("predict", input=str(tmp_path / "new.csv"), output=str(tmp_path / "out.csv"))
    answers = pd.read_csv(tmp_path / "out.csv", sep=None, engine="python")
    assert (answers["prediction_lower"] <= answers["prediction"]).all()
    assert answers["prediction"].between(15, 40).all()
    mlflow.end_run()


def test_people_by_name_and_dates_are_groups_and_times_too(tmp_path: Path, empty_store: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    rows = PANEL.assign(
        person=[f"00{number}x" for number in PANEL["person"]],
        year=[f"{year}-03-01" for year in PANEL["year"]],
    )
    project = Table(tmp_path, rows)
    content = panel_content()
    content["columns"] |= {"person": {"type": "category"}, "year": {"type": "datetime", "role": "time"}}
    project.use(content)
    project.ok("split")
    audit = project.load("split", LEAK_AUDIT)
    assert (audit.known_group_rows, audit.warnings) == (0, ())
    content["split"] = {"group": "person", "time": "year", "embargo": 400 * 86400}
    content["cv"]["folds"] = 2
    content["data"]["min_rows"] = 10
    project.use(content)
    refused = project.run("split")
    assert refused.exit_code == 3
    assert "at least 3 different values of 'year' to train on" in refused.stderr
    del content["split"]["embargo"]
    project.use(content)
    project.ok("main")
    audit = project.load("split", LEAK_AUDIT)
    assert (audit.older_rows, audit.known_group_rows) == (0, audit.test_rows)
    mlflow.end_run()
