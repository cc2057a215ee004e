"""Blocks of cards on differences between groups of rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from recipeline.evaluation.tasks.results import Disparity, word_of
from recipeline.reports.blocks import Block, Cell, Note, Plot, Table
from recipeline.reports.limits import MOST_COLUMNS
from recipeline.reports.plots.classes import plot_rates

#: So many labels have a plot, those with the greatest differences.
_COMPARED = 3


def show_differences(fairness: Sequence[Disparity]) -> list[Block]:
    """Return shares by group, and the greatest differences between groups."""
    note = Note(
        "Groups are the values of the categories and booleans among the features. Recall is the share of a label's rows of "
        "which it is said, the false positive rate the share of all others of which it is said. A difference is a reason "
        "to look for its cause."
    )
    return [note, _gaps(fairness), *_rates(fairness)]


def _gaps(fairness: Sequence[Disparity]) -> Table:
    found = sorted((it for it in fairness if it.gap), key=lambda it: -(it.gap.difference if it.gap else 0))[:MOST_COLUMNS]
    rows: list[list[Cell]] = [
        [
            it.feature,
            word_of(it.label),
            it.measure,
            f"{word_of(it.gap.least)}, {word_of(it.gap.greatest)}",
            it.gap.difference,
            *it.gap.interval_95,
        ]
        for it in found
        if it.gap
    ]
    return Table(
        ["column", "label", "measure", "least, greatest", "difference", "95 % from", "to"],
        rows,
        "The greatest difference between two values of a column; the interval holds for all pairs of its values together"
        if rows
        else "No column has two values with enough rows to compare",
    )


def _rates(fairness: Sequence[Disparity]) -> list[Block]:
    greatest: dict[str, float] = {}
    for it in fairness:
        greatest[word_of(it.label)] = max(greatest.get(word_of(it.label), 0.0), it.gap.difference if it.gap else 0.0)
    labels = sorted(greatest, key=lambda label: -greatest[label])[:_COMPARED]
    return [
        _rate_plot(label, [it for it in fairness if word_of(it.label) == label], place) for place, label in enumerate(labels, 1)
    ]


def _rate_plot(label: str, fairness: Sequence[Disparity], place: int) -> Plot:
    """Return the plot of one label's shares by group."""
    measures = list(dict.fromkeys(it.measure for it in fairness))
    by_place = {(it.feature, word_of(group.value), it.measure): group for it in fairness for group in it.groups}
    groups = list(dict.fromkeys((feature, value) for feature, value, _ in by_place))
    drawn, names = groups[:MOST_COLUMNS], [f"{feature}: {value}" for feature, value in groups[:MOST_COLUMNS]]
    which = f" The first {MOST_COLUMNS} of {len(groups)} groups are drawn." if len(groups) > MOST_COLUMNS else ""
    rates = []
    for measure in measures:
        found = [by_place[(*group, measure)] for group in drawn]
        limits = [it.interval_95 or (math.nan, math.nan) for it in found]
        values = [math.nan if it.rate is None else it.rate for it in found]
        rates.append((measure, values, [low for low, _ in limits], [high for _, high in limits]))
    rows: list[list[Cell]] = [
        [feature, value, measure, it.rows, it.rate, *(it.interval_95 or (None, None))]
        for (feature, value, measure), it in by_place.items()
    ]
    return Plot(
        f"groups_{place}",
        f"Recall and false positive rate of the label {label} by group.{which}",
        lambda: plot_rates(names, rates),
        Table(["column", "value", "measure", "rows", "share", "95 % from", "to"], rows),
    )
