"""Uncertainty and details of predictions, for every task alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipeline.data.target_codes import TargetCodes
from recipeline.engine.local import LocalWorkers
from recipeline.evaluation.tasks.every import TASKS
from recipeline.inference.columns import Columns
from tests.classes import TARGETS, class_content, class_recipe, draw_classes
from tests.conftest import as_recipe, small_recipe

CASES = [(task, *case) for task, cases in TARGETS.items() for case in cases]


@pytest.mark.parametrize(("task", "column", "labels", "positive"), CASES)
def test_sets_of_labels_are_measured_on_the_test_rows(
    task: str, column: dict[str, Any], labels: list[Any], positive: Any
) -> None:
    recipe, train, test = class_recipe(task, column, positive), draw_classes(labels), draw_classes(labels, seed=1)
    codes, columns = TargetCodes.learn(recipe, train), Columns.learn(recipe, train)
    measure = TASKS[task].start_uncertainty(recipe, train, columns, codes, "grouped", LocalWorkers(1))
    right, wrong = 0.9 * codes.of(train, recipe) + 0.05, codes.of(test, recipe)
    found = measure(right, test, wrong)
    assert found.measured.coverage == 1
    assert found.measured.mean_width == 1  # one label each
    assert found.inside.all()
    assert found.interval is None
    assert found.prediction_set is not None


@pytest.mark.parametrize(("task", "column", "labels", "positive"), CASES)
def test_decisions_are_counted_by_true_and_said_label(
    task: str, column: dict[str, Any], labels: list[Any], positive: Any
) -> None:
    recipe, test = class_recipe(task, column, positive), draw_classes(labels)
    codes = TargetCodes.learn(recipe, test)
    target = codes.of(test, recipe)
    decisions = TASKS[task].describe(target, target, recipe, codes, 0.4).decisions
    assert decisions is not None
    counts = np.array(decisions.confusion)
    assert (counts == np.diag(np.diag(counts))).all()
    assert [it.label for it in decisions.labels] == [*codes.labels]
    assert all(it.precision == it.recall == 1 for it in decisions.labels)
    assert decisions.threshold == (None if codes.is_matrix else 0.4)
    first = np.zeros_like(target)
    if codes.is_matrix:
        first[:, 0] = 1
    one = TASKS[task].describe(target, first, recipe, codes, 0.4).decisions
    assert one is not None
    assert [it.said for it in one.labels] == [len(test)] + [0] * (len(codes.labels) - 1)
    assert [it.precision for it in one.labels[1:]] == [None] * (len(codes.labels) - 1)


def test_confidence_is_the_probability_of_the_likeliest_or_of_the_positive_label() -> None:
    target, said = np.eye(3)[[0, 2]], np.array([[0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])
    true, sure = TASKS["multiclass"].confidence(target, said)
    assert (true.tolist(), sure.tolist()) == ([0, 1], [0.7, 0.8])
    for name in ("binary", "regression"):
        one = np.array([1.0, 0.0])
        assert [it.tolist() for it in TASKS[name].confidence(one, one / 2)] == [[1, 0], [0.5, 0]]


@pytest.mark.parametrize("by", ["y", "z"])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_sets_of_labels_have_the_level_of_the_recipe_by_label_or_column(task: str, by: str) -> None:
    labels = ["bad", "good"] if task == "binary" else ["a", "b", "c"]
    content = class_content(task, {"type": "category"}, "good" if task == "binary" else None)
    content["columns"]["z"] = {"type": "category"}
    content["metrics"] |= {"level": 0.8, "level_by": by}
    train, test = (
        draw_classes(labels, rows=300, seed=seed).assign(z=lambda it: np.where(it["z"] > 0, "up", "down")) for seed in (0, 1)
    )
    recipe = as_recipe(content)
    codes, columns = TargetCodes.learn(recipe, train), Columns.learn(recipe, train)
    measure = TASKS[task].start_uncertainty(recipe, train, columns, codes, "grouped", LocalWorkers(1))
    rng = np.random.default_rng(0)
    said = rng.random(300) if task == "binary" else rng.dirichlet(np.ones(3), 300)
    found = measure(said, test, said)
    assert found.measured.level == 0.8
    assert 0.7 < found.measured.coverage < 0.92
    assert found.prediction_set is not None
    if by == "y":
        assert len(found.prediction_set.by_label) == len(labels)
    else:
        assert found.prediction_set.by is not None
        assert [it.value for it in found.prediction_set.by.values] == ["down", "up"]


def test_an_interval_has_the_level_of_the_recipe_and_limits_by_column(wines: pd.DataFrame) -> None:
    content = small_recipe()
    content["columns"]["region"] = {"type": "category"}
    rng = np.random.default_rng(0)
    rows = wines.assign(region=rng.choice(["north", "south"], len(wines)))
    predicted = rows["quality"] + rng.normal(size=len(rows)) * np.where(rows["region"] == "north", 2, 0.2)
    found = {}
    for name, metrics in {"plain": {}, "wide": {"level": 0.98}, "by": {"level_by": "region"}}.items():
        recipe = as_recipe(content | {"metrics": metrics})
        codes, columns = TargetCodes.learn(recipe, rows), Columns.learn(recipe, rows)
        measure = TASKS["regression"].start_uncertainty(recipe, rows, columns, codes, "random", LocalWorkers(1))
        found[name] = measure(predicted.to_numpy(), rows, predicted.to_numpy())
    assert found["plain"].measured.level == 0.9
    assert found["wide"].measured.level == 0.98
    assert found["wide"].measured.mean_width > found["plain"].measured.mean_width
    interval = found["by"].interval
    assert interval is not None
    assert interval.by is not None
    assert [it.value for it in interval.by.values] == ["north", "south"]
    assert interval.by.place == columns.names.index("region")
