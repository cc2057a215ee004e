"""The card of report: a detailed inspection of the best candidate.

It takes longer than the chain may.
"""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean

import numpy as np

from recipeline.artifacts import INSPECTION, METRICS
from recipeline.evaluation.described import NestedEstimate
from recipeline.evaluation.results import FileOrder, LearningCurve
from recipeline.metrics.catalogue import skill_of
from recipeline.reports.blocks import Block, Card, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.plots.model import plot_curve
from recipeline.reports.tasks.every import TASKS

#: What rounds to 0 on the card is worth nothing.
_SHOWN = 5e-5


def make_card(results: Results) -> Card:
    """Return the card of a run of report."""
    found, best, recipe = results.load(INSPECTION), results.load(METRICS).best, results.recipe
    skill, task = skill_of(recipe.task).label, TASKS[recipe.task]
    curve = found.learning_curve
    return Card(
        f"report: inspection of {best.candidate}",
        _more_rows(curve, skill, recipe.promotion.min_gain),
        [
            *_nested(found.nested),
            Section("Learning curve", [_curve(curve, found.split_method, skill)]),
            Section("Order of the file", _stress(found.file_order, skill)),
            Section(
                "Partial dependence",
                [
                    task.show_dependence(name, place, it, recipe, best)
                    for place, (name, it) in enumerate(found.dependence.items(), 1)
                ],
            ),
        ],
    )


def _more_rows(curve: LearningCurve, skill: str, min_gain: float) -> str:
    """Return whether more rows would help, by the last step of the learning curve.

    They help where the step is more than two standard errors above 0, hardly where it is as surely below the gain that a
    promotion needs. Else it is open.
    """
    if len(curve.rows) < 2:
        return "Whether more rows like these would help is open: the model cannot be fitted to fewer."
    steps = np.subtract(curve.test[-1], curve.test[-2])
    worth = float(steps.mean())
    error = float(steps.std(ddof=1)) / math.sqrt(len(steps)) if len(steps) > 1 else math.nan
    last = f"from {curve.rows[-2]:,} to {curve.rows[-1]:,} rows"
    figures = f"the last step of the learning curve, {last}, is worth {worth:+.4f} {skill}"
    if math.isnan(error):
        return f"Whether more rows like these would help is open: {figures}, on a single fold."
    figures += f", with a standard error of {error:.4f} over the folds"
    if worth > max(2 * error, _SHOWN):
        return f"More rows like these would still help: {figures}."
    if worth + 2 * error < min_gain:
        return f"More rows like these would hardly help: {figures}; a promotion needs {min_gain:g}."
    return f"Whether more rows like these would help is open: {figures}, which is too uncertain to tell."


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
                    [
                        [f"{place}", name, score]
                        for place, (name, score) in enumerate(zip(found.chosen, found.folds, strict=True))
                    ],
                ),
            ],
        )
    ]


def _curve(curve: LearningCurve, method: str, skill: str) -> Plot:
    rows, train, test = list(curve.rows), *([fmean(folds) for folds in side] for side in (curve.train, curve.test))
    low, high = ([pick(folds) for folds in curve.test] for pick in (min, max))
    return Plot(
        "learning_curve",
        f"{skill} by the number of training rows, over the folds of the training rows"
        f"{'; copies of a row stay on one side' if method == 'grouped' else ', copies of a row on both sides'}.",
        lambda: plot_curve(rows, train, test, low, high, skill),
        Table(
            ["training rows", f"{skill}, training rows", f"{skill}, held-out rows", "worst fold", "best fold"],
            [list(row) for row in zip(rows, train, test, low, high, strict=True)],
        ),
    )


def _stress(order: FileOrder | None, skill: str) -> list[Block]:
    if order is None:
        return [Note("Blocks of the file cannot be compared: one has too few distinct rows, or a label without it.")]
    mixed, blocks = order.shuffled.mean, order.in_order.mean
    drop = mixed - blocks
    mixed_folds = order.shuffled.folds
    usual = (max(mixed_folds) - min(mixed_folds)) / 2
    found = drop > usual
    words = (
        f"Trained on one part of the file and tested on another, the model loses {drop:.4f} {skill}, more than shuffled folds "
        f"vary ({usual:.4f} about their middle): the rows change along the file, and scores of shuffled rows are optimistic "
        "for later rows."
        if found
        else f"Blocks of the file are predicted as well as shuffled rows, within the variation of these: the difference is "
        f"{-drop:+.4f} {skill}, and shuffled folds vary by {usual:.4f} about their middle."
    )
    return [
        Note(words, "warning" if found else "plain"),
        Facts({f"{skill}, shuffled folds": mixed, f"{skill}, blocks in the file's order": blocks, "Difference": -drop}),
        Table(
            ["block of the file", f"{skill}, in order", f"{skill}, shuffled fold"],
            [
                [f"{place}", *pair]
                for place, pair in enumerate(
                    zip(order.in_order.folds, order.shuffled.folds, strict=True),
                    1,
                )
            ],
            "Copies of rows are left out of both",
        ),
    ]
