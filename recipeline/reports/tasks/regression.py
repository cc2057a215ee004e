"""Regression on cards: predicted against true, residuals, grades, interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.evaluation.results import Best, Dependence
from recipeline.reports.blocks import Block, Cell, Facts, Plot, Section, Table
from recipeline.reports.kinds.every import KINDS
from recipeline.reports.limits import explain_points
from recipeline.reports.plots.model import (
    plot_calibration,
    plot_dependence,
    plot_grades,
    plot_predicted,
    plot_residuals,
)
from recipeline.reports.tasks.base import Evaluated, Task, label_of, left_out, with_unit

# More bars than this are not read.
_MOST_GRADES = 20


class Regression(Task):
    """Predicted numbers."""

    scores = "R2, root mean squared and mean absolute error"
    row_error = "mean absolute error"
    bias = "bias (predicted - true)"
    loss = "squared error"
    no_skill = "the mean"
    told = ("predicted_vs_true",)

    def show_out_of_fold(self, candidate: str, rows: pd.DataFrame, recipe: Recipe) -> Section:
        """Return predictions against true values."""
        known = rows.dropna(subset=[f"predicted {candidate}"])
        label, early = label_of(recipe), left_out(len(rows) - len(known))
        target, predicted = _pairs(known, candidate)
        return Section(
            "Predicted against true",
            [
                Plot(
                    "out_of_fold",
                    f"{candidate}: out-of-fold predictions of the training rows.{early}{explain_points(len(target))}",
                    lambda: plot_predicted(target, predicted, label),
                    summarise_pairs(target, predicted),
                )
            ],
        )

    def show_predictions(self, found: Evaluated) -> list[Section]:
        """Return predicted against true values, residuals and calibration."""
        return [
            Section("Predicted against true", [_predicted(found)]),
            Section("Residuals", [_residuals(found)]),
            Section("Calibration", [_calibration(found), *_grades(found.best, label_of(found.recipe))]),
        ]

    def show_uncertainty(self, found: Evaluated) -> list[Section]:
        """Return the coverage of the interval."""
        return [Section("Prediction interval", _interval(found))]

    def facts(self, best: Best) -> dict[str, Cell]:
        """Return the shares within tolerances, and the kappa of grades."""
        kappa = {"Quadratic kappa of the rounded grade": best.grades.quadratic_kappa} if best.grades else {}
        return {**{f"Share within {tolerance}": share for tolerance, share in best.accuracy_within.items()}, **kappa}

    def error_axis(self, recipe: Recipe) -> str:
        """Return the target with its unit."""
        return label_of(recipe)

    def show_dependence(self, name: str, place: int, curve: Dependence, recipe: Recipe, best: Best) -> Plot:
        """Return the mean prediction by the value of a column."""
        values, mean, feature = list(curve.values), list(curve.mean), with_unit(recipe, name)
        return Plot(
            f"dependence_{place}",
            f"The mean prediction of all training rows if {name} had the same value in each.",
            lambda: plot_dependence(KINDS[recipe.columns[name].type].points(values), mean, feature, label_of(recipe)),
            Table([feature, "mean prediction"], [list(row) for row in zip(values, mean, strict=True)]),
        )


def summarise_pairs(target: Any, predicted: Any) -> Table:
    """Return a table of predictions by true value, or by tenths of the true values."""
    frame = pd.DataFrame({"true": target, "predicted": predicted})
    distinct = frame["true"].nunique()
    by = frame["true"] if distinct <= 12 else pd.qcut(frame["true"], 10, duplicates="drop")
    found = frame.groupby(by, observed=True)["predicted"].agg(["size", "min", "median", "max"])
    rows = [
        [float(key) if distinct <= 12 else str(key), int(size), *map(float, rest)] for key, size, *rest in found.itertuples()
    ]
    return Table(["true", "rows", "least predicted", "median predicted", "greatest predicted"], rows)


def _pairs(rows: pd.DataFrame, candidate: str) -> tuple[np.ndarray, np.ndarray]:
    return rows["target"].to_numpy(dtype=float), rows[f"predicted {candidate}"].to_numpy(dtype=float)


def _predicted(found: Evaluated) -> Plot:
    name, label = found.best.candidate, label_of(found.recipe)
    true, predicted = _pairs(found.rows, name)
    off = found.metrics.scores["mae"]
    return Plot(
        "predicted_vs_true",
        f"{name}: predictions of the test rows; the dashed line is a perfect prediction.{explain_points(len(true))}",
        lambda: plot_predicted(true, predicted, label, f"How close are predictions? Off by {off:.3g} on average"),
        summarise_pairs(true, predicted),
    )


def _residuals(found: Evaluated) -> Plot:
    name, label = found.best.candidate, label_of(found.recipe)
    true, predicted = _pairs(found.rows, name)
    levels = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
    quantiles = np.quantile(true - predicted, levels)
    return Plot(
        "residuals",
        f"{name}: residuals (true minus predicted) against the prediction, with their distribution on the right."
        f"{explain_points(len(true))}",
        lambda: plot_residuals(true, predicted, label),
        Table(["quantile of the residuals", "value"], [[q, float(value)] for q, value in zip(levels, quantiles, strict=True)]),
    )


def _calibration(found: Evaluated) -> Plot:
    bins = found.diagnosis.by_predicted
    said, true, label = [entry.mean_predicted for entry in bins], [entry.mean_true for entry in bins], label_of(found.recipe)
    return Plot(
        "calibration",
        "Calibration: the mean true value of rows with similar predictions.",
        lambda: plot_calibration(said, true, label),
        Table(
            ["predicted from", "to", "rows", "mean predicted", "mean true", "mean absolute error"],
            [[it.from_, it.to, it.rows, it.mean_predicted, it.mean_true, it.error] for it in bins],
        ),
    )


def _grades(best: Best, label: str) -> list[Block]:
    if best.grades is None or len(best.grades.per_grade) > _MOST_GRADES:
        return []
    grades = best.grades.per_grade
    whole, counts = [it.grade for it in grades], [it.rows for it in grades]
    errors, biases = [it.mae for it in grades], [it.bias for it in grades]
    return [
        Plot(
            "errors_per_grade",
            "Error and bias of each true grade.",
            lambda: plot_grades(whole, errors, biases, counts, label),
            Table(
                ["grade", "test rows", "mean absolute error", "bias"],
                [[it.grade, it.rows, it.mae, it.bias] for it in grades],
            ),
        )
    ]


def _interval(found: Evaluated) -> list[Block]:
    inside, diagnosis = found.best.interval_90, found.diagnosis
    facts = Facts(
        {
            "Nominal level": inside.level,
            "Share of test rows inside": inside.coverage,
            "Mean width": inside.mean_width,
            "Test rows": inside.rows,
        }
    )
    table = Table(
        ["predicted from", "to", "rows", "share inside"],
        [[it.from_, it.to, it.rows, it.interval_coverage] for it in diagnosis.by_predicted],
        "Coverage by range of predictions; the nominal level holds on average only",
    )
    features, which = found.strongest(list(dict.fromkeys(it.feature for it in diagnosis.coverage)))
    by_feature = Table(
        ["column", "from", "to", "rows", "share inside"],
        [
            [entry.feature, entry.from_, entry.to, entry.rows, entry.coverage]
            for entry in diagnosis.coverage
            if entry.feature in features
        ],
        f"Coverage by range of each column, in fifths of its values.{which}",
    )
    return [facts, table, by_feature]
