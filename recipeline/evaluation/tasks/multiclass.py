"""Several classes in evaluation: sets of labels, decisions and confusion."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.relating.relations import relate_rows
from recipeline.data.target_codes import TargetCodes, is_predicted
from recipeline.engine.workers import Workers
from recipeline.errors import DataError
from recipeline.evaluation.classes import draw_curves, measure_sets
from recipeline.evaluation.coverage import measure_coverage
from recipeline.evaluation.fairness import compare_groups
from recipeline.evaluation.tasks.base import Details, Examined, Measure, Task, Tested, Uncertainty, find_column
from recipeline.evaluation.tasks.results import Decisions, LabelScores, word_of
from recipeline.inference.by_value import fit_by_column
from recipeline.inference.columns import Columns
from recipeline.inference.prediction_set import PredictionSet, fit_set, least_probability
from recipeline.metrics.classification import score_confusion
from recipeline.metrics.tasks.multiclass import Multiclass as Scores

#: Curves and differences between groups are shown for so many labels, the most frequent ones.
MOST_LABELS = 12


class Multiclass(Task):
    """Probabilities of labels with a set of those that a row may have."""

    has_shares = True
    scores = Scores()

    def ranges(self, rows: int) -> int:
        """Return up to 10 ranges of about 20 rows or more: a share of fewer tells little."""
        return max(2, min(10, rows // 20))

    def watched(self, truth: np.ndarray) -> list[int]:
        """Return the places of the labels that curves are drawn for.

        `truth` has shape (rows, labels).
        """
        return sorted(np.argsort(-truth.sum(axis=0), kind="stable")[:MOST_LABELS].tolist())

    def require_measurable(self, target: np.ndarray, recipe: Recipe, codes: TargetCodes) -> None:
        """Raise DataError if the test rows have one label: metrics are not defined then."""
        found = np.flatnonzero(self.scores.both(target).any(axis=0))
        if len(found) < 2:
            raise DataError(
                f"The test rows must have at least two labels of the target '{recipe.target}'.",
                got=f"{', '.join(word_of(codes.labels[place]) for place in found)} alone in {len(target):,} rows",
                fix="Add rows of the other labels, or raise split.test_size in the recipe.",
            )

    def examine(self, tested: Tested) -> Examined:
        """Return curves, differences between groups of rows, and prediction sets."""
        truth, said, labels = self.scores.both(tested.target), self.scores.both(tested.predicted), tested.codes.labels
        watched = [(place, labels[place]) for place in self.watched(truth)]
        groups, weights, seed = tested.groups, tested.weights, tested.recipe.random_state
        decided, sizes = self.scores.decide(tested.predicted, tested.threshold), tested.uncertain.sizes
        return Examined(
            curves=draw_curves(truth, said, watched, groups, seed=seed, weights=weights),
            fairness=compare_groups(
                *(tested.rows, tested.columns, truth.argmax(axis=1), decided, watched, groups), seed=seed, weights=weights
            ),
            sets=() if sizes is None else measure_sets(truth, tested.uncertain.inside, sizes, labels, groups, seed=seed),
            set_sizes=() if sizes is None else tuple(np.bincount(sizes, minlength=len(labels) + 1)[1:].tolist()),
        )

    def start_uncertainty(
        self, recipe: Recipe, train: pd.DataFrame, columns: Columns, codes: TargetCodes, method: str, workers: Workers
    ) -> Measure:
        """Return what fits a prediction set: it needs no model of its own."""

        def measure(out_of_fold: np.ndarray, test: pd.DataFrame | HeldOut, predicted: np.ndarray) -> Uncertainty:
            held_out = HeldOut.of(test)
            scored, related = is_predicted(out_of_fold), relate_rows(train, recipe)
            found = _fit_set(
                recipe,
                columns,
                train[scored],
                self.scores.both(codes.of(train, recipe)[scored]),
                self.scores.both(out_of_fold[scored]),
                related.groups[scored] if related.column and related.times is None else None,
            )
            said = self.scores.both(predicted)
            parts = [found.members(said[places], columns.matrix(rows)) for places, rows in held_out.parts(recipe.features)]
            members = parts[0] if len(parts) == 1 else np.concatenate(parts)
            inside = (members * self.scores.both(codes.of(held_out.keys, recipe))).any(axis=1)
            sizes = members.sum(axis=1)
            size = float(sizes.mean())
            measured = measure_coverage(inside, size, found.level, relate_rows(held_out.keys, recipe))
            return Uncertainty(measured, inside, sizes, prediction_set=found)

        return measure

    def describe(
        self, target: np.ndarray, predicted: np.ndarray, recipe: Recipe, codes: TargetCodes, threshold: float
    ) -> Details:
        """Return the confusion of decided labels, with precision and recall of each."""
        size, truth, said = len(codes.labels), self.scores.both(target).argmax(axis=1), self.scores.decide(predicted, threshold)
        counts = np.bincount(truth * size + said, minlength=size * size).reshape(size, size)
        labels = tuple(
            LabelScores(
                label,
                int(counts[place].sum()),
                int(counts[:, place].sum()),
                float(counts[place, place] / counts[:, place].sum()) if counts[:, place].any() else None,
                float(counts[place, place] / counts[place].sum()) if counts[place].any() else None,
            )
            for place, label in enumerate(codes.labels)
        )
        confusion = tuple(tuple(map(int, row)) for row in counts)
        rule, (measure, value) = self.rule(recipe), self.judge(counts, recipe)
        return Details(
            decisions=Decisions(labels, confusion, self.stored(threshold), rule, measure, None if np.isnan(value) else value)
        )

    def rule(self, recipe: Recipe) -> str:
        """Return how the threshold is chosen; empty where there is none."""
        return ""

    def judge(self, confusion: np.ndarray, recipe: Recipe) -> tuple[str, float]:
        """Return the name and the value of what decisions are judged by."""
        return "F1", float(score_confusion(confusion.reshape(1, -1), len(confusion))["f1"][0])

    def stored(self, threshold: float) -> float | None:
        """Return the threshold to keep; there is none of several labels."""
        return None

    def confidence(self, target: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return whether the likeliest label is true, and its probability."""
        likeliest = predicted.argmax(axis=1)
        rows = np.arange(len(predicted))
        return target[rows, likeliest], predicted[rows, likeliest]

    def threshold(self, model: Any) -> float | None:
        """Return None: the likeliest label is said."""
        return None


def _fit_set(
    recipe: Recipe,
    columns: Columns,
    rows: pd.DataFrame,
    target: np.ndarray,
    said: np.ndarray,
    groups: np.ndarray | None,
) -> PredictionSet:
    """Return the set of the recipe's level: for all rows, each label or by a column."""
    level, by = recipe.metrics.level, recipe.metrics.level_by
    found = fit_set(target, said, groups=groups, level=level, for_each_label=by == recipe.target)
    column = find_column(by if by != recipe.target else None, columns)
    if column is None:
        return found
    name, show = column
    place, score = columns.names.index(name), 1 - (target * said).sum(axis=1)

    def fit(some: np.ndarray) -> tuple[float, float]:
        return least_probability(score[some], level=level, groups=None if groups is None else groups[some]), 1.0

    values = fit_by_column(name, place, columns.matrix(rows)[:, place], show, fit, level=level, groups=groups)
    return replace(found, by=values)
