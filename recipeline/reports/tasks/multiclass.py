"""Several classes on cards: confusion, curves, calibration, groups, label sets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd

from recipeline.config.recipe import Recipe
from recipeline.data.target_codes import TargetCodes, fit_target, is_predicted
from recipeline.evaluation.results import Best, Dependence
from recipeline.evaluation.tasks.results import word_of
from recipeline.reports.blocks import Block, Cell, Facts, Plot, Section, Table
from recipeline.reports.decisions import show_curves, show_decisions
from recipeline.reports.groups import show_differences
from recipeline.reports.kinds.every import KINDS
from recipeline.reports.limits import MOST_COLUMNS
from recipeline.reports.plots.classes import (
    plot_counts,
    plot_dependences,
    plot_reliability,
    plot_scores,
    plot_sets,
)
from recipeline.reports.tasks.base import Evaluated, Task, left_out, with_unit

#: So many panels of labels are read, and so many lines of a partial dependence.
_MOST_PANELS, _MOST_LINES = 12, 3

_EDGES = np.linspace(0, 1, 21)


class Multiclass(Task):
    """Probabilities of labels, and decided labels."""

    scores = "Metrics of probabilities and of decided labels"
    row_error = "Brier score"
    bias = "bias"
    loss = "Brier score"
    no_skill = "the shares of the labels"
    told = ("confusion", "roc", "reliability")

    def codes_of(self, best: Best, recipe: Recipe) -> TargetCodes:
        """Return the target's codes by the labels of the test rows' decisions."""
        labels = best.decisions.labels if best.decisions else ()
        return TargetCodes(recipe.task, tuple(it.label for it in labels))

    def predicted_label(self, codes: TargetCodes) -> str:
        """Return the name of the probability that ranges are of."""
        return "probability of the likeliest label"

    def true_label(self, codes: TargetCodes) -> str:
        """Return the name of the share that it is compared with."""
        return "share of rows where it is true"

    def watched(self, codes: TargetCodes, rows: list[int]) -> list[int]:
        """Return the places of the labels that are drawn, by their numbers of rows."""
        return sorted(np.argsort(-np.array(rows), kind="stable")[:_MOST_PANELS].tolist())

    def show_out_of_fold(self, candidate: str, rows: pd.DataFrame, recipe: Recipe) -> Section:
        """Return the distribution of each label's probability."""
        table = rows.rename(columns={"target": recipe.target})
        codes = TargetCodes.learn(recipe, table)
        predicted, target = codes.from_columns(f"predicted {candidate}", rows), codes.encode(fit_target(table, recipe))
        known = is_predicted(predicted)
        plot = self._scores(
            "out_of_fold",
            f"{candidate}: out-of-fold probabilities of the training rows.{left_out(int((~known).sum()))}",
            *(target[known], predicted[known], codes, None),
        )
        return Section("Probabilities by label", [plot])

    def show_predictions(self, found: Evaluated) -> list[Section]:
        """Return decided labels, curves, calibration and probabilities by label."""
        codes, best = self.codes_of(found.best, found.recipe), found.best
        table = found.rows.rename(columns={"target": found.recipe.target})
        predicted = codes.from_columns(f"predicted {best.candidate}", found.rows)
        target = codes.encode(fit_target(table, found.recipe))
        threshold = best.decisions.threshold if best.decisions else None
        scores = self._scores(
            "scores_by_label",
            f"{best.candidate}: probabilities of the test rows, as shares of the rows of each label and of all others.",
            *(target, predicted, codes, threshold),
        )
        return [
            *([Section("Decided labels", show_decisions(best.decisions))] if best.decisions else []),
            *self.show_decision(found),
            Section("ROC and precision-recall", show_curves(found)),
            Section("Calibration", self._reliability(found, codes, _confidence(predicted))),
            Section("Probabilities by label", [scores]),
        ]

    def show_decision(self, found: Evaluated) -> list[Section]:
        """Return the choice of the threshold; there is none."""
        return []

    def show_groups(self, found: Evaluated) -> list[Section]:
        """Return the differences between groups of rows, where features have groups."""
        fairness = found.diagnosis.fairness
        if not fairness:
            return []
        return [Section("Differences between groups", show_differences(fairness))]

    def show_uncertainty(self, found: Evaluated) -> list[Section]:
        """Return coverage and size of the sets of labels."""
        return [Section("Prediction sets", _sets(found))]

    def facts(self, best: Best) -> dict[str, Cell]:
        """Return the threshold, and what decisions are judged by."""
        return {**best.decisions.figures} if best.decisions else {}

    def error_axis(self, recipe: Recipe) -> str:
        """Return the error of a row, which has no unit."""
        return self.row_error

    def show_dependence(self, name: str, place: int, curve: Dependence, recipe: Recipe, best: Best) -> Plot:
        """Return the mean probabilities of the labels by the value of a column."""
        values, feature = list(curve.values), with_unit(recipe, name)
        moved = sorted(curve.by_label, key=lambda label: -float(np.ptp(curve.by_label[label])))
        shown = [label for label in curve.by_label if label in moved[:_MOST_LINES]]
        which = f" The {_MOST_LINES} labels that change the most are drawn." if len(moved) > _MOST_LINES else ""
        return Plot(
            f"dependence_{place}",
            f"The mean probability of each label of all training rows if {name} had the same value in each.{which}",
            lambda: plot_dependences(
                KINDS[recipe.columns[name].type].points(values), {label: curve.by_label[label] for label in shown}, feature
            ),
            Table([feature, *curve.by_label], [list(row) for row in zip(values, *curve.by_label.values(), strict=True)]),
        )

    def _scores(
        self, name: str, shows: str, target: np.ndarray, predicted: np.ndarray, codes: TargetCodes, threshold: float | None
    ) -> Plot:
        """Return the distribution of each label's probability in its own and other rows."""
        truth, said = (values[:, None] if values.ndim == 1 else values for values in (target, predicted))
        counts = [int(column.sum()) for column in truth.T]
        places = self.watched(codes, counts)
        columns = [0] if truth.shape[1] == 1 else places
        labels = [word_of(codes.labels[place]) for place in places]
        own, others = ([_shares(said[truth[:, column] == value, column]) for column in columns] for value in (1, 0))
        which = (
            f" The {len(labels)} most frequent of {len(codes.labels)} labels are shown." if len(places) < len(counts) else ""
        )
        rows: list[list[Cell]] = [
            [f"{low:.2f} to {high:.2f}", *(float(part[row]) for pair in zip(own, others, strict=True) for part in pair)]
            for row, (low, high) in enumerate(itertools.pairwise(_EDGES))
        ]
        titles = [title for label in labels for title in (f"{label}: its rows", f"{label}: others")]
        return Plot(
            name,
            f"{shows}{which}",
            lambda: plot_scores(labels, own, others, _EDGES, threshold),
            Table(["probability", *titles], rows),
        )

    def _reliability(self, found: Evaluated, codes: TargetCodes, confidence: np.ndarray) -> list[Block]:
        bins = found.diagnosis.by_predicted
        said, true = [it.mean_predicted for it in bins], [it.mean_true for it in bins]
        counts, label = np.histogram(confidence, _EDGES)[0], self.predicted_label(codes)
        question = "Do the probabilities mean what they say? Rows on the dashed line: yes"
        plot = Plot(
            "reliability",
            f"Calibration: the {self.true_label(codes)} among rows with a similar {label}.",
            lambda: plot_reliability(said, true, [it.true_interval_95 for it in bins], label, question),
            Table(
                ["predicted from", "to", "rows", "mean predicted", "true share", "95 % from", "to "],
                [
                    [it.from_, it.to, it.rows, it.mean_predicted, it.mean_true, *(it.true_interval_95 or (None, None))]
                    for it in bins
                ],
            ),
        )
        rows: list[list[Cell]] = [
            [f"{low:.2f} to {high:.2f}", int(count)]
            for (low, high), count in zip(itertools.pairwise(_EDGES), counts, strict=True)
        ]
        histogram = Plot(
            "probabilities",
            f"Number of test rows by {label}.",
            lambda: plot_counts(counts, _EDGES, label),
            Table([label, "test rows"], rows),
        )
        return [plot, histogram]


def _confidence(predicted: np.ndarray) -> np.ndarray:
    """Return the probability that calibration is shown of, (rows,)."""
    likeliest: np.ndarray = predicted if predicted.ndim == 1 else predicted.max(axis=1)
    return likeliest


def _shares(values: np.ndarray) -> np.ndarray:
    """Return the shares of values between successive edges, NaN of none."""
    counts = np.histogram(values, _EDGES)[0]
    return counts / len(values) if len(values) else np.full(len(counts), np.nan)


def _sets(found: Evaluated) -> list[Block]:
    inside, sets, sizes = found.best.interval_90, found.diagnosis.sets, found.diagnosis.set_sizes
    rows = max(1, sum(sizes))
    facts = Facts(
        {
            "Nominal level": inside.level,
            "Share of test rows whose set has their label": inside.coverage,
            "Labels in a set, on average": inside.mean_width,
            **({"Share of sets with one label": sizes[0] / rows} if sizes else {}),
            "Test rows": inside.rows,
        }
    )
    shown = sets[:MOST_COLUMNS]
    names, coverage = [word_of(it.label) for it in shown], [it.coverage for it in shown]
    low, high = ([(it.interval_95 or (math.nan, math.nan))[end] for it in shown] for end in (0, 1))
    plot = Plot(
        "sets",
        "Prediction sets by true label: the level holds for the average row, and may be missed for a label.",
        lambda: plot_sets(names, coverage, low, high, inside.level),
        Table(
            ["true label", "rows", "share with their label", "95 % from", "to", "labels in a set, on average"],
            [[word_of(it.label), it.rows, it.coverage, *(it.interval_95 or (None, None)), it.mean_size] for it in sets],
        ),
    )
    counted: list[list[Cell]] = [[str(size), count, count / rows] for size, count in enumerate(sizes, 1) if count]
    by_size = Table(
        ["labels in the set", "rows", "share of the rows"],
        counted,
        "Sizes of the sets",
    )
    blocks: list[Block] = [facts, plot, by_size]
    return blocks if sets else blocks[:1]
