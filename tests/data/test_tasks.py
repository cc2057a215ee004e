"""Labels of a target and the target as numbers, for every task alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recipeline.data.splits import cv_folds, split_rows
from recipeline.data.target_codes import TargetCodes, fit_target
from recipeline.data.tasks.every import TASKS
from recipeline.errors import DataError
from recipeline.training.trial import find_faults
from tests.classes import TARGETS, class_recipe, draw_classes

CASES = [(task, *case) for task, cases in TARGETS.items() for case in cases]


@pytest.mark.parametrize(("task", "column", "labels", "positive"), CASES)
def test_codes_tell_the_label_and_are_made_of_it(task: str, column: dict[str, Any], labels: list[Any], positive: Any) -> None:
    recipe, table = class_recipe(task, column, positive), draw_classes(labels)
    codes = TargetCodes.learn(recipe, table)
    target = fit_target(table, recipe)
    assert {*codes.labels} == {*target.tolist()}
    numbers = codes.encode(target)
    if codes.is_matrix:
        assert list(codes.labels) == sorted(codes.labels)
        told = [codes.labels[place] for place in numbers.argmax(axis=1)]
        assert (numbers.sum(axis=1) == 1).all()
    else:
        assert positive is None or codes.labels[1] == positive
        told = [codes.labels[int(it)] for it in numbers]
    assert told == target.tolist()


@pytest.mark.parametrize(("task", "column", "labels", "positive"), CASES)
def test_every_fold_has_about_the_share_of_each_label(
    task: str, column: dict[str, Any], labels: list[Any], positive: Any
) -> None:
    table = pd.concat([draw_classes(labels), draw_classes(labels[:1], 60, seed=1)], ignore_index=True)
    recipe = class_recipe(task, column, positive)
    for method in ("grouped", "random"):
        for seen, unseen in cv_folds(table, recipe, method):
            assert sorted([*seen, *unseen]) == [*range(len(table))]
            for label in table["y"].unique():
                expected = (table["y"] == label).sum() / recipe.cv.folds
                assert abs((table["y"].iloc[unseen] == label).sum() - expected) <= 1


def test_folds_of_classes_keep_groups_and_copies_together() -> None:
    once = draw_classes(["a", "b"], 60)
    twice = pd.concat([once, once, once.head(20)], ignore_index=True)
    recipe = class_recipe("multiclass", {"type": "category"})
    for seen, unseen in cv_folds(twice, recipe, "grouped"):
        assert twice.iloc[unseen].merge(twice.iloc[seen], on=["x", "z"]).empty
    columns = {"x": {}, "z": {}, "y": {"type": "category"}, "site": {"type": "integer"}}
    grouped = class_recipe("multiclass", {"type": "category"}, columns=columns, split={"group": "site"})
    table = draw_classes(["a", "b", "c"], 200).assign(site=np.repeat(np.arange(20.0), 10))
    for seen, unseen in cv_folds(table, grouped, "grouped"):
        assert not {*table["site"].iloc[seen]} & {*table["site"].iloc[unseen]}
        assert table["y"].iloc[unseen].nunique() == 3


@pytest.mark.parametrize(
    ("task", "labels", "words"),
    [
        ("binary", ["a", "b", "c"], "must have 2 labels for the task binary. Got 3 (a, b, c) instead."),
        ("binary", ["a"], "must have 2 labels for the task binary. Got 1 (a) instead."),
        ("multiclass", ["a"], "must have 2 to 200 labels for the task multiclass. Got 1 (a) instead."),
        ("multiclass", [f"n{it}" for it in range(201)], "Got 201 (n0, n1, n10"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_an_error(task: str, labels: list[str], words: str) -> None:
    recipe = class_recipe(task, {"type": "category"}, "a" if task == "binary" else None)
    with pytest.raises(DataError, match="labels for the task") as caught:
        TargetCodes.learn(recipe, draw_classes(labels, 300))
    assert words in str(caught.value)


def test_a_positive_label_that_the_table_lacks_is_an_error() -> None:
    recipe = class_recipe("binary", {"type": "category"}, "yes")
    with pytest.raises(DataError, match="The positive label of the target 'y' must be one of its labels"):
        TargetCodes.learn(recipe, draw_classes(["a", "b"]))


def test_a_label_of_too_few_rows_is_named_by_the_split() -> None:
    table = draw_classes(["a", "b"], 200)
    table.loc[:3, "y"] = "rare"
    with pytest.raises(DataError, match=r"must have at least 5 distinct training rows, one per fold.*the label rare"):
        split_rows(table, class_recipe("multiclass", {"type": "category"}, cv={"folds": 5}), "grouped")


def test_a_label_needs_as_many_groups_as_folds_but_not_over_time() -> None:
    table = draw_classes(["a", "b"], 240).assign(shop=np.arange(240) % 12, week=np.arange(240) // 3)
    table["y"] = np.where(np.isin(table["shop"], [3, 10, 11]) & (table["z"] > 0), "rare", table["y"])
    parts = {"columns": {"shop": {"type": "integer"}, "week": {"type": "integer"}, "x": {}, "z": {}, "y": {"type": "category"}}}
    over_time = class_recipe("multiclass", {}, cv={"folds": 5}, split={"group": "shop", "time": "week"}, **parts)
    few = table[table["shop"] < 4].reset_index(drop=True)
    assert len(split_rows(few, over_time, "grouped")[1]) > 0
    by_shop = class_recipe("multiclass", {}, cv={"folds": 5}, split={"group": "shop"}, **parts)
    with pytest.raises(DataError, match=r"at least 5 groups by shop among the training rows, one per fold\..*the label rare"):
        split_rows(table, by_shop, "grouped")


@pytest.mark.parametrize(("task", "column", "labels", "positive"), CASES)
def test_made_up_targets_fit_every_candidate_of_the_task(
    task: str, column: dict[str, Any], labels: list[Any], positive: Any
) -> None:
    assert labels
    recipe = class_recipe(task, column, positive)
    drawn = TASKS[task].draw(recipe, np.random.default_rng(0), 60)
    assert TargetCodes.learn(recipe, pd.DataFrame({"y": drawn})).labels
    assert find_faults(recipe, [*recipe.candidates], ()) == []
