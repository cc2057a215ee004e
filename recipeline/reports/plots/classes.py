"""Plots of classes: curves, reliability, confusion, thresholds, groups of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recipeline.reports.plots.axes import cut_label, legend, panel, row_axes
from recipeline.reports.style import BLUE, GREEN, INK, LINE, ORANGE, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels side by side, and the width of a figure of several.
_BESIDE, _WIDTH = 3, 8.0

_MARKS = ((BLUE, "o-"), (ORANGE, "D--"), (GREEN, "s:"))


@dataclass(frozen=True)
class Drawn:
    """A curve of one label with its band and the point of the decision.

    `low` and `high` are empty without a band, `point` is None where it is not defined; `chance` are the two ends of the line of
    no skill.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    point: tuple[float, float] | None
    chance: tuple[tuple[float, float], tuple[float, float]]


def _grid(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of small panels, `height` inches each, and their axes."""
    from matplotlib.figure import Figure

    if count == 1:
        figure, axes = panel(6, 1.35 * height, top=0.5)
        return figure, [axes]
    across = min(count, _BESIDE)
    down = math.ceil(count / across)
    left, top, bottom, room = 0.75, 0.75, 0.6, 0.45
    figure = Figure(figsize=(_WIDTH, top + bottom + down * height + (down - 1) * room))
    width = (_WIDTH - left - 0.2 - 0.3 * (across - 1)) / across
    found = []
    for place in range(count):
        row, column = divmod(place, across)
        x, y = left + column * (width + 0.3), bottom + (down - 1 - row) * (height + room)
        axes = figure.add_axes((x / _WIDTH, y / figure.get_figheight(), width / _WIDTH, height / figure.get_figheight()))
        axes.tick_params(labelleft=column == 0, labelbottom=place + across >= count)
        found.append(axes)
    return figure, found


def _label_edges(axes: Sequence[Axes], x: str, y: str) -> None:
    """Write the labels of the two axes at the panels on the left and at the bottom."""
    across = min(len(axes), _BESIDE)
    for place, one in enumerate(axes):
        if place % across == 0:
            one.set_ylabel(y)
        if place + across >= len(axes):
            one.set_xlabel(x)


def plot_curves(curves: Sequence[Drawn], x: str, y: str) -> Figure:
    """Return a panel for each label: curve, 95 % band and the decided point."""
    figure, panels = _grid(len(curves), 3.2 if len(curves) == 1 else 1.7)
    for axes, it in zip(panels, curves, strict=True):
        (first, second), is_first = it.chance, axes is panels[0]
        axes.plot(*zip(first, second, strict=True), "--", color=SOFT, label="no skill" if is_first else None)
        if len(it.low):
            axes.fill_between(
                it.x, it.low, it.high, color=BLUE, alpha=0.2, linewidth=0, label="95 % band" if is_first else None
            )
        axes.plot(it.x, it.y, color=BLUE, label="test rows" if is_first else None)
        if it.point:
            x_point, y_point = it.point
            name = "decided labels" if is_first else None
            axes.plot([x_point], [y_point], "D", color=ORANGE, markersize=8, clip_on=False, label=name)
        if len(curves) > 1:
            axes.set_title(cut_label(it.label), fontsize=10)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.grid()
        axes.set_axisbelow(True)
    _label_edges(panels, x, y)
    _legend_above(figure, panels[0])
    return figure


def _legend_above(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """Write the legend of some axes at the top of the figure."""
    width, height = figure.get_size_inches()
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0.6 / width, 1 - 0.05 / height),
        ncols=columns,
        borderaxespad=0.2,
        handletextpad=0.5,
        columnspacing=1.2,
        fontsize=10,
    )


def plot_reliability(
    said: Sequence[float],
    true: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    counts: np.ndarray,
    edges: np.ndarray,
    label: str,
) -> Figure:
    """Return a plot of true shares by probability, above a histogram of these.

    `counts` are the rows between successive `edges`; an interval is None where it is not known.
    """
    figure, axes = panel(6, 5.6, top=0.4, bottom=1.95)
    below = figure.add_axes((0.75 / 6, 0.6 / 5.6, (6 - 0.95) / 6, 1.15 / 5.6), sharex=axes)
    axes.plot([0, 1], [0, 1], "--", color=SOFT, label="as predicted")
    known = [(x, *limits) for x, limits in zip(said, intervals, strict=True) if limits is not None]
    if known:
        axes.vlines(*zip(*known, strict=True), color=BLUE, linewidth=3, alpha=0.35, label="95 % interval")
    axes.plot(said, true, "o-", color=BLUE, label="similar rows")
    axes.set(ylabel="true share", xlim=(-0.02, 1.02), ylim=(-0.04, 1.04))
    axes.tick_params(labelbottom=False)
    axes.grid()
    axes.set_axisbelow(True)
    below.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    below.set(xlabel=f"predicted {label}", ylabel="rows")
    legend(axes)
    return figure


def plot_confusion(labels: Sequence[str], counts: np.ndarray) -> Figure:
    """Return a matrix of true against decided labels, with shares and counts.

    A cell's shade is its share of the true label's rows.
    """
    size = len(labels)
    cell = 1.25 if size <= 4 else 0.72
    names = [label if len(label) <= 14 else f"{label[:13]}…" for label in labels]
    left = 0.75 + 0.088 * max(map(len, names))
    # As wide as the widest name below it needs.
    across = max(cell, 0.1 * max(map(len, names)) if size <= 6 else cell)
    figure, axes = panel(
        left + size * across + 0.3, size * cell * (0.75 if size <= 4 else 1) + 0.95, left=left, right=0.3, top=0.2, bottom=0.75
    )
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    for row in range(size):
        for column in range(size):
            colour, share = BLUE if row == column else ORANGE, float(shares[row, column])
            axes.fill_between([column - 0.5, column + 0.5], row - 0.5, row + 0.5, color=colour, alpha=0.55 * share, linewidth=0)
            if counts[row, column]:
                text = f"{share:.0%}\n{counts[row, column]:,}"
                axes.text(
                    column, row, text, ha="center", va="center", color=INK, fontsize=11 if size <= 4 else 8.5, linespacing=1.3
                )
    edges = np.arange(size + 1) - 0.5
    axes.hlines(edges, -0.5, size - 0.5, color=LINE, linewidth=0.8)
    axes.vlines(edges, -0.5, size - 0.5, color=LINE, linewidth=0.8)
    axes.set_xticks(range(size), names, rotation=0 if size <= 6 or max(map(len, names)) <= 3 else 40, ha="center")
    axes.set_yticks(range(size), names)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xlabel="decided label", ylabel="true label")
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def plot_thresholds(
    thresholds: Sequence[float], out_of_fold: Sequence[float], test: Sequence[float], chosen: float, measure: str
) -> Figure:
    """Return a plot of what a decision is judged by against the threshold."""
    figure, axes = panel(7, 3.8)
    axes.plot(thresholds, out_of_fold, color=BLUE, drawstyle="steps-pre", label="training rows, out of fold")
    axes.plot(thresholds, test, color=ORANGE, linestyle="--", drawstyle="steps-pre", label="test rows")
    axes.axvline(chosen, color=SOFT, linestyle=":", linewidth=2, label=f"threshold {chosen:.3g}")
    axes.set(xlabel="threshold of the probability", ylabel=measure, xlim=(-0.01, 1.01))
    axes.grid(axis="y")
    legend(axes)
    return figure


def plot_scores(
    names: Sequence[str], own: Sequence[np.ndarray], others: Sequence[np.ndarray], edges: np.ndarray, threshold: float | None
) -> Figure:
    """Return a panel for each label: its probability in its own and other rows.

    `own` and `others` are shares of these rows between successive `edges`, NaN where there are none.
    """
    figure, panels = _grid(len(names), 2.4 if len(names) == 1 else 1.5)
    for axes, name, mine, theirs in zip(panels, names, own, others, strict=True):
        is_first = axes is panels[0]
        axes.stairs(theirs, edges, color=ORANGE, fill=True, alpha=0.3)
        axes.stairs(theirs, edges, color=ORANGE, linestyle="--", label="all other rows" if is_first else None)
        axes.stairs(mine, edges, color=BLUE, fill=True, alpha=0.3)
        axes.stairs(mine, edges, color=BLUE, linewidth=1.5, label="rows of the label" if is_first else None)
        if threshold is not None:
            axes.axvline(
                threshold, color=SOFT, linestyle=":", linewidth=2, label=f"threshold {threshold:.3g}" if is_first else None
            )
        if len(names) > 1:
            axes.set_title(cut_label(name), fontsize=10)
        axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    _label_edges(panels, f"probability of {names[0]}" if len(names) == 1 else "probability of the label", "share of rows")
    _legend_above(figure, panels[0])
    return figure


def plot_rates(names: Sequence[str], rates: Sequence[tuple[str, Sequence[float], Sequence[float], Sequence[float]]]) -> Figure:
    """Return a plot of shares by group, each with its 95 % interval.

    `rates` are, for each measure, its name, values and limits; NaN where there are none.
    """
    figure, axes, places = row_axes(names)
    for number, (measure, value, low, high) in enumerate(rates):
        colour, mark = _MARKS[number % len(_MARKS)]
        shifted = places + 0.16 - 0.32 * number
        axes.hlines(shifted, low, high, color=colour, linewidth=4, alpha=0.4)
        axes.plot(value, shifted, mark[0], color=colour, markersize=7, label=measure)
    axes.set(xlabel="share of the test rows, with its 95 % interval", xlim=(-0.02, 1.02))
    legend(axes)
    return figure


def plot_sets(
    names: Sequence[str], coverage: Sequence[float], low: Sequence[float], high: Sequence[float], level: float
) -> Figure:
    """Return a plot of the coverage of prediction sets by label, beside the level."""
    figure, axes, places = row_axes(names)
    axes.hlines(places, low, high, color=BLUE, linewidth=4, alpha=0.5, label="95 % interval")
    axes.plot(coverage, places, "o", color=BLUE, markersize=8, label="share of rows whose set has the label")
    axes.axvline(level, color=SOFT, linestyle="--", label=f"level {level:g}")
    known = [value for value in (*low, *coverage) if not math.isnan(value)]
    axes.set(xlabel="share of the test rows of the label", xlim=(max(0.0, min([*known, level]) - 0.05), 1.01))
    legend(axes)
    return figure


def plot_dependences(values: Sequence[Any], means: Mapping[str, Sequence[float]], feature: str) -> Figure:
    """Return the partial dependence of a few labels' probabilities on one column."""
    figure, axes = panel(5.5, 3.3, top=0.45)
    for (label, mean), (colour, style) in zip(means.items(), _MARKS, strict=False):
        axes.plot(values, mean, style[0] if isinstance(values[0], str) else style, color=colour, label=cut_label(label))
    axes.set(xlabel=feature, ylabel="mean probability")
    axes.grid(axis="y")
    legend(axes)
    return figure
