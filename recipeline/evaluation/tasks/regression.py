"""Regression in evaluation: intervals, tolerances and grades."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.relating.relations import relate_rows, weigh_rows
from recipeline.data.splits import cv_folds
from recipeline.data.target_codes import TargetCodes, is_predicted
from recipeline.engine.workers import Workers
from recipeline.evaluation.coverage import measure_coverage
from recipeline.evaluation.results import GradeErrors, Grades
from recipeline.evaluation.tasks.base import Details, Measure, Task, Uncertainty, find_column
from recipeline.inference.columns import Columns
from recipeline.inference.golden import LIMITS
from recipeline.inference.interval import QUANTILE, are_inside, mean_width
from recipeline.metrics.regression import accuracy_within, score_grades
from recipeline.training.quantiles import choose_interval, fit_quantiles


class Regression(Task):
    """Numbers with intervals."""

    def require_measurable(self, target: np.ndarray, recipe: Recipe, codes: TargetCodes) -> None:
        """Accept all rows: numbers have an error whatever they are."""

    def start_uncertainty(
        self, recipe: Recipe, train: pd.DataFrame, columns: Columns, codes: TargetCodes, method: str, workers: Workers
    ) -> Measure:
        """Start to fit quantile models; the better of two intervals is chosen."""
        learned, matrix = codes.of(train, recipe), columns.matrix(train)
        rows = pd.DataFrame(matrix, columns=list(columns.names))
        folds, weights = cv_folds(train, recipe, method), weigh_rows(train, recipe)
        level = recipe.metrics.level
        quantiles = fit_quantiles(rows, learned, folds, workers, seed=recipe.random_state, weights=weights, level=level)

        def measure(out_of_fold: np.ndarray, test: pd.DataFrame | HeldOut, predicted: np.ndarray) -> Uncertainty:
            held_out = HeldOut.of(test)
            tails, scored, related = quantiles(), is_predicted(out_of_fold), relate_rows(train, recipe)
            interval = choose_interval(
                matrix[scored],
                columns.names,
                learned[scored],
                out_of_fold[scored],
                tails.take(scored),
                # Over time the groups remain the same.
                groups=related.groups[scored] if related.column and related.times is None else None,
                level=level,
                by=find_column(recipe.metrics.level_by, columns),
            )
            limits = np.empty(len(held_out)), np.empty(len(held_out))
            for places, rows in held_out.parts(recipe.features):
                limits[0][places], limits[1][places] = interval.around(predicted[places], columns.matrix(rows))
            inside = are_inside(codes.of(held_out.keys, recipe), limits)
            return Uncertainty(
                measure_coverage(inside, mean_width(limits), interval.level, relate_rows(held_out.keys, recipe)),
                inside,
                interval=interval,
                answers=dict(zip(LIMITS, limits, strict=True)),
                models=tails.models if interval.method == QUANTILE else None,
            )

        return measure

    def describe(
        self, target: np.ndarray, predicted: np.ndarray, recipe: Recipe, codes: TargetCodes, threshold: float
    ) -> Details:
        """Return the accuracy within tolerances, and the errors by grade of whole numbers."""
        is_graded = recipe.columns[recipe.target].type == "integer"
        return Details(
            accuracy_within=accuracy_within(target, predicted, recipe.metrics.tolerances),
            grades=_grades(target, predicted) if is_graded else None,
        )

    def confidence(self, target: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers themselves."""
        return target, predicted

    def threshold(self, model: Any) -> float | None:
        """Return None: a number needs no decision."""
        return None


def _grades(target: np.ndarray, predicted: np.ndarray) -> Grades:
    kappa, per_grade = score_grades(target, predicted)
    return Grades(kappa, tuple(GradeErrors(*it) for it in per_grade))
