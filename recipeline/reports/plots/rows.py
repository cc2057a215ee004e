"""Plots of rows and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recipeline.reports.hover import each, tell
from recipeline.reports.plots.axes import finish, grow, mark_value, measure, panel, row_axes, wrap
from recipeline.reports.style import BLUE, INK, LINE, ORANGE, SOFT, WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A matrix of more columns has cells too small to point at.
MOST_CORRELATED = 14


def plot_distributions(shares: Mapping[str, np.ndarray], ends: Mapping[str, str]) -> Figure:
    """Return a histogram of each column, from its minimum to its maximum.

    `shares` are shares of rows in equal bins; `ends` is the text for minimum and maximum.
    """
    labels = [f"{name}: {ends[name]}" for name in shares]
    axes, places = row_axes(labels, [f"{name}\n{ends[name]}" for name in shares])
    axes.grid(visible=False)
    for place, values in zip(places, shares.values(), strict=True):
        edges = np.linspace(0, 1, len(values) + 1)
        axes.stairs(place - 0.4 + 0.8 * values / max(values.max(), 1e-12), edges, baseline=place - 0.4, fill=True, color=BLUE)
    axes.set_xlim(0, 1)
    first, last = axes.set_xticks([0, 1], ["least", "greatest"])
    first.label1.set_horizontalalignment("left")
    last.label1.set_horizontalalignment("right")
    axes.spines["left"].set_visible(False)
    return finish(axes, x="value of the column")


def plot_correlations(names: Sequence[str], values: np.ndarray) -> Figure:
    """Return a heat map of correlations, orange below 0 and blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    names = [wrap(name, 1.75) for name in names]
    widest = max(measure(name) for name in names)
    left = 0.15 + widest
    cell = min((WIDTH - left - 0.2) / len(names), 0.5)
    side = cell * len(names)
    axes = panel(side, left=left, right=WIDTH - left - side)
    shades = LinearSegmentedColormap.from_list("correlation", [ORANGE, "#f4f4f4", BLUE])
    below = np.where(np.tri(len(names), k=-1, dtype=bool), values, np.nan)  # each pair once
    axes.pcolormesh(below[::-1], cmap=shades, vmin=-1, vmax=1, edgecolors="white", linewidth=1)
    for row, column in zip(*np.nonzero(np.tri(len(names), k=-1)), strict=True):
        value = values[row, column]
        text = axes.text(column + 0.5, len(names) - row - 0.5, f"{abs(100 * value):.0f}", ha="center", va="center")
        text.set(fontsize=10, color="#ffffff" if abs(value) > 0.6 else "#1f2632")  # on the cell, not on the page
        tell(text, f"{names[row]} and {names[column]}: {value:.3f}")
    middle = np.arange(len(names)) + 0.5
    axes.set_xticks(middle, names, rotation=90)
    axes.set_yticks(middle, names[::-1])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    grow(axes.figure, 0.0, widest - 0.15)
    return finish(axes, title="Which columns go together? Blue do, orange go against each other (in hundredths)")


def plot_strongest(pairs: Sequence[str], values: Sequence[float]) -> Figure:
    """Return a bar chart of the strongest correlations of two columns."""
    axes, places = row_axes(pairs, each(pairs, correlation=values))
    axes.barh(places, values, color=[BLUE if value >= 0 else ORANGE for value in values], height=0.6)
    mark_value(axes, places, 0, color=SOFT, linewidth=1)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xticks([-1, 0, 1])
    return finish(axes, x="Spearman correlation")


def plot_twins(shares: Mapping[str, tuple[int, int]], title: str = "") -> Figure:
    """Return a plot of the share of test rows with a twin, by way to split.

    Values are the number of twins and of test rows.
    """
    twins, all_rows = (np.array([value[number] for value in shares.values()]) for number in (0, 1))
    axes, places = row_axes(list(shares), each(list(shares), test_rows=all_rows.tolist(), with_a_twin=twins.tolist()))
    axes.barh(places, twins, color=ORANGE, height=0.6, label="test rows with a twin in training")
    axes.barh(places, all_rows - twins, left=twins, color=LINE, height=0.6, label="test rows without")
    for place, count, rows in zip(places, twins, all_rows, strict=True):
        axes.annotate(
            f"{count} of {rows}",
            (count, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            weight="bold",
        )
    axes.grid(visible=False)
    axes.set_xlim(0, 1.02 * max(*all_rows, 1))
    axes.locator_params(axis="x", nbins=5)
    return finish(axes, title, x="test rows")


def plot_memory(skills: Mapping[str, float], label: str, axis: str, title: str = "") -> Figure:
    """Return a plot of the skill on rows with a twin and on the others.

    `label` names the skill, `axis` says more of it.
    """
    values = np.array(list(skills.values()))
    axes, places = row_axes(list(skills), each(list(skills), **{label: values.tolist()}))
    axes.barh(places, values, color=[ORANGE, *[BLUE] * (len(values) - 1)], height=0.6)
    mark_value(axes, places, 0, color=SOFT, linewidth=1)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.2f}", (max(value, 0), place), xytext=(4, 0), textcoords="offset points", va="center", weight="bold"
        )
    axes.set_xlim(min(0, values.min() * 1.1), 1.2 * max(1, values.max()))
    return finish(axes, title, x=axis)


def plot_differences(names: Sequence[str], distance: Sequence[float], limit: Sequence[float]) -> Figure:
    """Return a plot of each column's Kolmogorov-Smirnov distance, with its limit.

    The distance is that between training and test rows, the limit that of chance.
    """
    axes, places = row_axes(names, each(names, distance=distance, by_chance_at_most=limit))
    values, limits = np.array(distance), np.array(limit)
    beyond = values > limits
    axes.hlines(places, 0, values, color=LINE, linewidth=2)
    axes.plot(values[~beyond], places[~beyond], "o", color=BLUE, label="within chance")
    axes.plot(values[beyond], places[beyond], "D", color=ORANGE, label="less alike")
    axes.plot(limits, places, "|", color=SOFT, markersize=14, label="limit: by chance, one column in 20 is beyond it")
    axes.set_xlim(0, max(*values, *limits) * 1.15)
    axes.locator_params(axis="x", nbins=5)
    return finish(axes, x="Kolmogorov-Smirnov distance (0: the same distribution)")
