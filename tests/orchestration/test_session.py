from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pytest

from recipeline.artifacts import BASELINE, DATASET, METRICS
from recipeline.errors import UnavailableError
from recipeline.orchestration.step import Step
from recipeline.tracking.connection.store import Store
from steps.train import inputs as train_inputs
from tests.classes import class_recipe
from tests.conftest import as_recipe, small_recipe
from tests.sessions import Toys, open_toys


def test_what_a_result_depends_on_is_settings_content_and_the_result_before_it(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    ingest, split = (session.components(session.step(name), {"word": "x"}, "f" * 64) for name in ("ingest", "split"))
    assert (ingest["word"], ingest["cv.folds"]) == ("x", "3")
    assert ingest["content of rows"] == "[[1.0], [2.0], [3.0]]"
    assert "result of ingest" not in ingest
    assert split["result of ingest"] == "f" * 12
    assert "library numpy" in split
    blind = session.components(session.step("ingest"), {"word": "x"}, "", with_content=False)
    assert not [name for name in blind if name.startswith("content of")]


def test_a_source_is_read_once_a_command(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n", encoding="utf-8")
    session = open_toys(store, tmp_path)
    first = session.source("a.csv")
    (tmp_path / "a.csv").unlink()
    assert session.source("a.csv") is first
    assert session.source("synthetic").is_synthetic


def test_the_experiment_is_the_one_that_was_chosen_outside_else_the_recipes(store: Store, tmp_path: Path) -> None:
    assert open_toys(store, tmp_path, known_experiment_id="7").experiment_id == "7"
    named = store.client.get_experiment(open_toys(store, tmp_path, experiment_name="Mine").experiment_id)
    own = store.client.get_experiment(open_toys(store, tmp_path).experiment_id)
    assert (named.name, own.name) == ("Mine", "Small")


def test_the_run_that_mlflow_opened_is_taken_by_the_first_run_and_its_experiment_by_all(store: Store, tmp_path: Path) -> None:
    adopted = store.client.create_run(store.experiment("Chosen"))
    session = open_toys(store, tmp_path, adopted=adopted)
    with session.open_run("ingest") as first, session.open_run("split") as second:
        pass
    assert first.id == adopted.info.run_id != second.id
    assert store.client.get_run(second.id).info.experiment_id == adopted.info.experiment_id


def test_a_run_that_is_not_there_is_none_and_a_deleted_one_is_found(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    run_id = store.client.create_run(session.experiment_id).info.run_id
    store.client.delete_run(run_id)
    assert session.find_run("") is session.find_run("0" * 32) is None
    found = session.find_run(run_id)
    assert found
    assert found.info.lifecycle_stage == "deleted"


def test_a_store_that_fails_in_the_middle_is_the_failure_of_the_run(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    with pytest.raises(UnavailableError, match="must be reachable"), session.open_run("ingest") as run:
        raise OSError(28, "No space left on device")
    assert store.client.get_run(run.id).info.status == "FAILED"


def test_the_steps_before_one_are_those_of_the_order(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    assert [session.upstream(name) for name in session.order] == [(), ("ingest",), ("ingest", "split")]


def test_the_digest_of_a_candidate_covers_its_own_settings_and_no_other_ones(store: Store, tmp_path: Path) -> None:
    content = small_recipe()
    before = open_toys(store, tmp_path, recipe=as_recipe(content)).recipe_digest("ElasticNet")
    content["candidates"]["DecisionTree"]["params"] = {"max_depth": 2}
    content["cv"]["folds"] = 4
    assert open_toys(store, tmp_path, recipe=as_recipe(content)).recipe_digest("ElasticNet") == before
    content["candidates"]["ElasticNet"]["params"] = {"alpha": 0.5}
    assert open_toys(store, tmp_path, recipe=as_recipe(content)).recipe_digest("ElasticNet") != before


def test_the_decision_of_a_threshold_makes_another_recipe_and_trains_again(store: Store, tmp_path: Path) -> None:
    digests, inputs = set(), []
    for decision in ({}, {"decision": {"recall": 0.9}}, {"decision": {"recall": 0.8}}):
        recipe = class_recipe("binary", {"type": "boolean"}, **decision)
        session = open_toys(store, tmp_path, recipe=recipe)
        digests.add(session.recipe_digest("Logistic"))
        inputs.append(json.dumps(train_inputs(session, ""), sort_keys=True))
    assert len(digests) == len(set(inputs)) == 3
    assert "decision" not in inputs[0]


def test_the_digest_of_a_searched_candidate_covers_the_folds_that_it_is_searched_in(store: Store, tmp_path: Path) -> None:
    content = small_recipe()
    content["candidates"]["ElasticNet"]["search"] = {"space": {"alpha": {"uniform": [0.1, 1.0]}}}
    digests = []
    for folds in (3, 4):
        content["cv"]["folds"] = folds
        digests.append(open_toys(store, tmp_path, recipe=as_recipe(content)).recipe_digest("ElasticNet"))
    assert digests[0] != digests[1]


def test_a_module_that_a_setting_names_is_part_of_what_a_result_depends_on(store: Store, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("class Model: ...\n", encoding="utf-8")
    session = open_toys(store, tmp_path)
    step = Step("ingest", Toys().step("ingest").work, lambda _: {"candidates": {"A": {"estimator": "own.Model"}}})
    assert "code own.py" in session.components(step, {}, "")


def test_the_function_of_a_metric_is_code_that_a_result_depends_on(store: Store, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def profit(true, predicted): ...\n", encoding="utf-8")
    session = open_toys(store, tmp_path)
    own = {"name": "profit", "function": "own.profit", "greater_is_better": True}
    step = Step("ingest", Toys().step("ingest").work, lambda _: {"metrics": {"more": ["r2", own]}})
    assert "code own.py" in session.components(step, {}, "")
    recipe = as_recipe(small_recipe() | {"metrics": {"more": [own]}, "primary_metric": "profit"})
    ranked = Step("ingest", Toys().step("ingest").work, lambda _: recipe.ranking())
    assert "code own.py" in session.components(ranked, {}, "")


def test_the_rule_of_a_split_is_code_that_a_result_depends_on(store: Store, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def rule(table): ...\n", encoding="utf-8")
    session = open_toys(store, tmp_path)
    step = Step("ingest", Toys().step("ingest").work, lambda _: {"split": {"custom": {"path": "own.rule", "params": {}}}})
    assert "code own.py" in session.components(step, {}, "")


def test_what_rows_are_split_and_weighed_by_and_fitted_to_makes_another_recipe(store: Store, tmp_path: Path) -> None:
    columns = {name: {"role": "ignore"} for name in ("person", "year", "exposure")}
    changes: list[dict[str, Any]] = [
        {},
        {"split": {"group": "person"}, "columns": {"person": {}}},
        {"split": {"time": "year"}, "columns": {"year": {}}},
        {"columns": {"exposure": {"role": "weight"}}},
        {"target": {"column": "quality", "transform": "log1p"}},
        {"columns": {"pH": {"type": "category"}}},
        {"columns": {"pH": {"type": "datetime"}}},
    ]
    digests = set()
    for change in changes:
        content = small_recipe()
        content |= {**change, "columns": content["columns"] | columns | change.get("columns", {})}
        session = open_toys(store, tmp_path, recipe=as_recipe(content))
        assert len(session.recipe.features) == 11
        digests.add(session.recipe_digest("ElasticNet"))
    assert len(digests) == len(changes)


def test_the_types_of_what_a_step_reads_and_writes_are_part_of_what_its_result_depends_on(store: Store, tmp_path: Path) -> None:
    session, work = open_toys(store, tmp_path), Toys().step("ingest").work
    alone, reads, writes = (
        {name for name in session.components(Step("ingest", work, lambda _: {}, **its), {}, "") if "results" in name}
        for its in ({}, {"reads": (METRICS,)}, {"writes": (BASELINE, DATASET)})
    )
    assert alone == set()
    assert reads == {"code recipeline/evaluation/results.py", "code recipeline/evaluation/tasks/results.py"}
    assert writes == {"code recipeline/monitoring/results.py"}


def test_the_key_of_the_ledger_is_not_shown(store: Store, tmp_path: Path) -> None:
    assert "secret" not in repr(open_toys(store, tmp_path, ledger_key="secret"))
    assert mlflow.get_tracking_uri() == store.uri
