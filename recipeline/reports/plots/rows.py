"""Plots of rows and splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from recipeline.reports.plots.axes import CHARACTER, cut_label, legend, panel, row_axes
from recipeline.reports.style import BLUE, INK, LINE, ORANGE, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_distributions(shares: Mapping[str, np.ndarray], ends: Mapping[str, str]) -> Figure:
    """Return a histogram of each column, from its minimum to its maximum.

    `shares` are shares of rows in equal bins; `ends` is the text for minimum and maximum.
    """
    labels = [f"{name}  {ends[name]}" for name in shares]
    figure, axes, places = row_axes(labels, top=0.15)
    axes.grid(visible=False)
    for place, values in zip(places, shares.values(), strict=True):
        edges = np.linspace(0, 1, len(values) + 1)
        axes.stairs(place - 0.35 + 0.8 * values / max(values.max(), 1e-12), edges, baseline=place - 0.35, fill=True, color=BLUE)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["least", "", "greatest"])
    axes.set_xlabel("value of the column")
    axes.spines["left"].set_visible(False)
    return figure


def plot_correlations(names: Sequence[str], values: np.ndarray) -> Figure:
    """Return a heat map of correlations, orange below 0 and blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    names = [cut_label(name) for name in names]
    side, label = max(0.36 * len(names), 2.4), 0.25 + CHARACTER * max(map(len, names))
    figure, axes = panel(label + side + 1.2, label + side + 0.2, left=label, right=1.2, top=0.1, bottom=label)
    shades = LinearSegmentedColormap.from_list("correlation", [ORANGE, "#f4f4f4", BLUE])
    mesh = axes.pcolormesh(values[::-1], cmap=shades, vmin=-1, vmax=1, edgecolors="white", linewidth=1)
    middle = np.arange(len(names)) + 0.5
    axes.set_xticks(middle, names, rotation=90)
    axes.set_yticks(middle, list(names)[::-1])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(mesh, ax=axes, cax=figure.add_axes((1 - 0.95 / (label + side + 1.2), 0.4, 0.025, 0.5)))
    bar.set_label("Spearman correlation")
    return figure


def plot_twins(shares: Mapping[str, tuple[int, int]]) -> Figure:
    """Return a plot of the share of test rows with a twin, by way to split.

    Values are the number of twins and of test rows.
    """
    figure, axes, places = row_axes(list(shares))
    twins, all_rows = (np.array([value[number] for value in shares.values()]) for number in (0, 1))
    axes.barh(places, all_rows - twins, left=twins, color=LINE, height=0.6, label="test rows without a twin")
    axes.barh(places, twins, color=ORANGE, height=0.6, label="test rows with a twin in training")
    for place, count in zip(places, twins, strict=True):
        axes.annotate(
            f"{count}", (count, place), xytext=(4, 0), textcoords="offset points", va="center", color=INK, weight="bold"
        )
    axes.set_xlabel("test rows")
    axes.grid(visible=False)
    legend(axes, 2)
    return figure


def plot_memory(r2: Mapping[str, float]) -> Figure:
    """Return a plot of R2 on rows with a twin and on the others."""
    figure, axes, places = row_axes(list(r2), top=0.15)
    values = np.array(list(r2.values()))
    axes.barh(places, values, color=[ORANGE, *[BLUE] * (len(values) - 1)], height=0.6)
    axes.axvline(0, color=SOFT, linewidth=1)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.2f}", (max(value, 0), place), xytext=(4, 0), textcoords="offset points", va="center", weight="bold"
        )
    axes.set_xlabel("R2 (1 is perfect, 0 is no better than the mean)")
    axes.set_xlim(min(0, values.min() * 1.1), max(1, values.max() * 1.1))
    return figure


def plot_differences(names: Sequence[str], distance: Sequence[float], limit: Sequence[float]) -> Figure:
    """Return a plot of each column's Kolmogorov-Smirnov distance, with its limit.

    The distance is that between training and test rows, the limit that of chance.
    """
    figure, axes, places = row_axes(names)
    values, limits = np.array(distance), np.array(limit)
    beyond = values > limits
    axes.hlines(places, 0, values, color=LINE, linewidth=2)
    axes.plot(values[~beyond], places[~beyond], "o", color=BLUE, label="within chance")
    axes.plot(values[beyond], places[beyond], "D", color=ORANGE, label="less alike")
    axes.plot(limits, places, "|", color=SOFT, markersize=14, label="chance: one column in 20")
    axes.set_xlabel("Kolmogorov-Smirnov distance (0: the same distribution)")
    axes.set_xlim(0, max(*values, *limits) * 1.15)
    legend(axes)
    return figure
