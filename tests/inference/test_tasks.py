"""Predictions of a fitted model, for every task alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recipeline.data.target_codes import TargetCodes, fit_target
from recipeline.inference.tasks.every import TASKS
from recipeline.training.candidates import build_candidate
from tests.classes import TARGETS, class_recipe, draw_classes

CASES = [(task, *case) for task, cases in TARGETS.items() for case in cases]


@pytest.mark.parametrize("name", ["Logistic", "Tree", "Mean"])
@pytest.mark.parametrize(("task", "column", "labels", "positive"), CASES)
def test_predictions_have_the_shape_of_codes_and_say_what_the_model_says(
    task: str, column: dict[str, Any], labels: list[Any], positive: Any, name: str
) -> None:
    recipe, table = class_recipe(task, column, positive), draw_classes(labels)
    codes, rows = TargetCodes.learn(recipe, table), table[["x", "z"]]
    model = build_candidate(recipe, name).fit(rows, fit_target(table, recipe))
    predicted = TASKS[task].ask(model, rows, codes.labels)
    assert predicted.shape == codes.of(table, recipe).shape
    assert ((predicted >= 0) & (predicted <= 1)).all()
    if codes.is_matrix:
        np.testing.assert_allclose(predicted.sum(axis=1), 1)
    said = TASKS[task].said(predicted, codes.labels, 0.5)
    is_tie = np.isclose(predicted, 0.5) if predicted.ndim == 1 else np.zeros(len(rows), dtype=bool)
    assert said[~is_tie].tolist() == model.predict(rows)[~is_tie].tolist()
