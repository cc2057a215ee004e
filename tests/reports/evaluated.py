"""Evaluations of small tables of classes, for cards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from recipeline.artifacts import DIAGNOSIS, LEADERBOARD, METRICS, TEST_PREDICTIONS, VERDICT
from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes, fit_target
from recipeline.engine.local import LocalWorkers
from recipeline.evaluation.diagnosis import diagnose
from recipeline.evaluation.results import Metrics, Verdict
from recipeline.evaluation.scoring import evaluate_best
from recipeline.evaluation.tasks.base import Uncertainty
from recipeline.evaluation.tasks.every import TASKS
from recipeline.inference.columns import Columns
from recipeline.metrics.tasks.every import TASKS as METRIC_TASKS
from recipeline.reports.blocks import Card
from recipeline.reports.cards.evaluate import make_card
from recipeline.reports.tasks.base import Evaluated
from tests.classes import class_recipe, draw_classes
from tests.reports.cards.helpers import Saved

THRESHOLD = 0.35


@dataclass(frozen=True)
class Case:
    """A table: its task, target column, labels, and what is odd about its test rows."""

    task: str
    column: str
    labels: tuple[Any, ...]
    positive: Any = None
    is_constant: bool = False
    lacks: Any = None


CASES = {
    "two labels": Case("binary", "category", ("bad", "good"), "good"),
    "true and false": Case("binary", "boolean", (0.0, 1.0)),
    "ten labels": Case("multiclass", "integer", tuple(range(10))),
    "a label that no test row has": Case("multiclass", "category", ("a", "b", "c"), lacks="c"),
    "two labels of which the test rows have one": Case("binary", "category", ("bad", "good"), "good", lacks="good"),
    "a constant score": Case("binary", "category", ("bad", "good"), "good", is_constant=True),
}


@cache
def evaluate(name: str) -> Evaluated:
    """Return the evaluation of a case."""
    case = CASES[name]
    decision = {"decision": {"cost": {"fp": 1, "fn": 4}}} if case.task == "binary" else {}
    recipe = class_recipe(case.task, {"type": case.column}, case.positive, **decision)
    labels = list(case.labels)
    train = draw_classes(labels, 240)
    test = draw_classes(labels, 240, seed=1)
    test = test[test["y"] != case.lacks].iloc[:120] if case.lacks is not None else test.iloc[:120]
    codes, columns = TargetCodes.learn(recipe, train), Columns.learn(recipe, train)
    model = LogisticRegression(max_iter=1000).fit(train[["x", "z"]], fit_target(train, recipe))
    said, own = (_ask(model, rows, codes, case) for rows in (test, train))
    certain = _uncertain(recipe, train, test, own, said, codes, columns)
    threshold = THRESHOLD if case.task == "binary" else None
    used = 0.5 if threshold is None else threshold
    best = evaluate_best("Logistic", said, certain.measured, test, recipe, codes, used)
    scores = METRIC_TASKS[case.task].score(codes.of(test, recipe), said, None, used)
    metrics = Metrics(
        best=best,
        test_rows=len(test),
        candidates={"Logistic": {**scores, "cv_mean_score": 0.5, "cv_std": 0.1}},
        mean_predictor=scores,
        leaks=None,
        random_split_r2=None,
        task=case.task,
    )
    known = (codes.of(train, recipe), own, None)
    diagnosis = diagnose(model, test, said, certain, recipe, columns, codes, known, used)
    rows = pd.DataFrame(codes.as_columns("predicted Logistic", said) | {"target": test["y"].to_numpy()}, index=test.index)
    return Evaluated(recipe, metrics, diagnosis, rows)


def _ask(model: LogisticRegression, rows: pd.DataFrame, codes: TargetCodes, case: Case) -> np.ndarray:
    said: np.ndarray = model.predict_proba(rows[["x", "z"]])
    if not codes.is_matrix:
        said = said[:, [*model.classes_].index(codes.labels[1])]
    return np.full_like(said, 0.4) if case.is_constant else said


def _uncertain(
    recipe: Recipe,
    train: pd.DataFrame,
    test: pd.DataFrame,
    own: np.ndarray,
    said: np.ndarray,
    codes: TargetCodes,
    columns: Columns,
) -> Uncertainty:
    measure = TASKS[recipe.task].start_uncertainty(recipe, train, columns, codes, "grouped", LocalWorkers(1))
    return measure(own, test, said)


def card_of_evaluate(name: str) -> Card:
    """Return the card of evaluate of a case."""
    found = evaluate(name)
    board = pd.DataFrame({"candidate": ["Logistic"], "cv_mean_score": [0.5], "cv_std": [0.1], "fold_1": [0.4], "fold_2": [0.6]})
    saved = Saved(
        {
            METRICS: found.metrics,
            DIAGNOSIS: found.diagnosis,
            LEADERBOARD: board,
            TEST_PREDICTIONS: found.rows,
            VERDICT: Verdict("Logistic", "run", "model", "VALIDATED", ()),
        }
    )
    saved.recipe = found.recipe
    return make_card(saved)
