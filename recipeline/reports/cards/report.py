"""The card of report: a detailed inspection of the best candidate.

It takes longer than the chain may.
"""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean

import numpy as np

from recipeline.artifacts import INSPECTION, METRICS
from recipeline.config.recipe import Recipe
from recipeline.evaluation.results import Dependence, FileOrder, LearningCurve, NestedEstimate
from recipeline.reports.blocks import Block, Card, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.cards.train import label_of
from recipeline.reports.kinds.every import KINDS
from recipeline.reports.plots.model import plot_curve, plot_dependence


def make_card(results: Results) -> Card:
    """Return the card of a run of report."""
    found, best = results.load(INSPECTION), results.load(METRICS).best
    curve = found.learning_curve
    last, before = (fmean(curve.test[place]) for place in (-1, -2))
    steps = np.subtract(curve.test[-1], curve.test[-2])
    rising = steps.mean() > 2 * steps.std(ddof=1) / np.sqrt(len(steps))
    return Card(
        f"report: inspection of {best.candidate}",
        f"More rows like these would {'still help' if rising else 'hardly help'}: the last step of the learning curve, from "
        f"{curve.rows[-2]:,} to {curve.rows[-1]:,} rows, is worth {last - before:+.4f} R2.",
        [
            *_nested(found.nested),
            Section("Learning curve", [_curve(curve, found.split_method)]),
            Section("Order of the file", _stress(found.file_order)),
            Section(
                "Partial dependence",
                [_dependence(place, name, it, results.recipe) for place, (name, it) in enumerate(found.dependence.items(), 1)],
            ),
        ],
    )


def _nested(found: NestedEstimate | None) -> list[Section]:
    if found is None:
        return []
    error = float(np.std(found.folds, ddof=1)) / np.sqrt(len(found.folds)) if len(found.folds) > 1 else math.nan
    times = Counter(found.chosen).most_common()
    optimism = f"optimistic by {found.optimism:.4f}" if found.optimism > 0 else "not optimistic here"
    words = (
        f"{found.metric} of choosing the best candidate and fitting it is {found.mean:.4f}, on rows that neither saw. "
        f"The selected candidate's mean over the folds, {found.selected:.4f}, by which it was selected, is {optimism}."
    )
    return [
        Section(
            "Nested estimate",
            [
                Note(words),
                Facts(
                    {
                        f"{found.metric}, nested": found.mean,
                        "Standard error over the folds": error,
                        f"{found.metric} of the selected candidate over the folds": found.selected,
                        "Chosen": ", ".join(f"{name} {count} of {len(found.chosen)}" for name, count in times),
                    }
                ),
                Table(
                    ["fold", "chosen without it", f"{found.metric} on it"],
                    [[place, name, score] for place, (name, score) in enumerate(zip(found.chosen, found.folds, strict=True))],
                ),
            ],
        )
    ]


def _curve(curve: LearningCurve, method: str) -> Plot:
    rows, train, test = list(curve.rows), *([fmean(folds) for folds in side] for side in (curve.train, curve.test))
    low, high = ([pick(folds) for folds in curve.test] for pick in (min, max))
    return Plot(
        "learning_curve",
        "R2 by the number of training rows, over the folds of the training rows"
        f"{'; copies of a row stay on one side' if method == 'grouped' else ', copies of a row on both sides'}.",
        lambda: plot_curve(rows, train, test, low, high),
        Table(
            ["training rows", "R2, training rows", "R2, held-out rows", "worst fold", "best fold"],
            [list(row) for row in zip(rows, train, test, low, high, strict=True)],
        ),
    )


def _stress(order: FileOrder) -> list[Block]:
    mixed, blocks = order.shuffled.mean, order.in_order.mean
    drop = mixed - blocks
    mixed_folds = order.shuffled.folds
    found = drop > (max(mixed_folds) - min(mixed_folds)) / 2
    words = (
        f"Trained on one part of the file and tested on another, the model loses {drop:.4f} R2: the rows change along the "
        "file, and scores of shuffled rows are optimistic for later rows."
        if found
        else "Blocks of the file are predicted as well as shuffled rows, within the variation of these folds."
    )
    return [
        Note(words, "warning" if found else "plain"),
        Facts({"R2, shuffled folds": mixed, "R2, blocks in the file's order": blocks, "Drop": drop}),
        Table(
            ["block of the file", "R2, in order", "R2, shuffled fold"],
            [
                [place, *pair]
                for place, pair in enumerate(
                    zip(order.in_order.folds, order.shuffled.folds, strict=True),
                    1,
                )
            ],
            "Copies of rows are left out of both",
        ),
    ]


def _dependence(place: int, name: str, curve: Dependence, recipe: Recipe) -> Plot:
    values, mean, unit = list(curve.values), list(curve.mean), recipe.columns[name].unit
    feature = f"{name} ({unit})" if unit else name
    return Plot(
        f"dependence_{place}",
        f"The mean prediction of all training rows if {name} had the same value in each.",
        lambda: plot_dependence(KINDS[recipe.columns[name].type].points(values), mean, feature, label_of(recipe)),
        Table([feature, "mean prediction"], [list(row) for row in zip(values, mean, strict=True)]),
    )
