"""Plots of changes: gains, runs over time, drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recipeline.reports.plots.axes import cut_label, legend, panel, row_axes
from recipeline.reports.style import BLUE, GREEN, LINE, ORANGE, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_gain(
    gain: float, low: float, high: float, lower: float, *, needed: float, level: float, passed: bool, skill: str
) -> Figure:
    """Return a plot of the gain in skill: interval, deciding lower limit, threshold.

    The interval is the 90 % interval.
    """
    figure, axes = panel(8, 2.1, left=0.3, top=0.75)
    left, right = min(low, lower, needed), max(high, needed)
    room = 0.12 * (right - left) or 0.1  # no gain, and no doubt about it
    axes.set_xlim(left - room, right + 2 * room)
    axes.axvspan(needed, right + 2 * room, color=GREEN, alpha=0.1)
    axes.text(right + 1.9 * room, 0.85, "required range of the lower limit", color=GREEN, ha="right", va="top")
    verdict, colour = ("the gate: passed", GREEN) if passed else ("the gate: not passed", ORANGE)
    axes.set_title(verdict, loc="right", color=colour, weight="bold")
    axes.plot([low, high], [0, 0], color=BLUE, linewidth=4, alpha=0.5, label="90 % interval", solid_capstyle="butt")
    axes.plot([gain], [0], "o", color=BLUE, markersize=10, label=f"gain {gain:+.4f}")
    axes.vlines([lower], -0.6, 0.6, color=ORANGE, linewidth=4, label=f"lower limit at {level:.1%}: {lower:+.4f}")
    axes.axvline(needed, color=SOFT, linestyle="--", label=f"threshold: {needed:g}")
    axes.set(xlabel=f"{skill} of the challenger minus {skill} of its comparison", ylim=(-1, 1))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    legend(axes, 2)
    return figure


def plot_pairs(names: Sequence[str], before: Sequence[float], after: Sequence[float], label: str) -> Figure:
    """Return a bar chart of a value before and after, for each name."""
    figure, axes, places = row_axes(names)
    axes.hlines(places, before, after, color=LINE, linewidth=4)
    axes.plot(before, places, "D", color=ORANGE, markersize=11, fillstyle="none", label="before")  # seen around an equal one
    axes.plot(after, places, "o", color=BLUE, markersize=8, label="after")
    axes.set_xlabel(label)
    legend(axes)
    return figure


def plot_timeline(names: Sequence[str], begun: Sequence[float], seconds: Sequence[float], reused: Sequence[bool]) -> Figure:
    """Return a timeline of the steps; a reused one took no time."""
    figure, axes, places = row_axes(names, top=0.15)
    axes.barh(places, seconds, left=begun, color=BLUE, height=0.6)
    for place, start, took, again in zip(places, begun, seconds, reused, strict=True):
        text = "reused" if again else f"{took:.1f} s"
        axes.annotate(text, (start + took, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_xlabel("seconds since the start of the chain")
    axes.set_xlim(0, max([start + took for start, took in zip(begun, seconds, strict=True)], default=1) * 1.15 or 1)
    return figure


def plot_stability(names: Sequence[str], psi: Sequence[float], warn: float, drift: float) -> Figure:
    """Return a plot of each column's population stability index, with its limits."""
    figure, axes, places = row_axes(names)
    colours = [ORANGE if value >= drift else BLUE for value in psi]
    axes.barh(places, psi, color=colours, height=0.6)
    axes.axvline(warn, color=SOFT, linestyle=":", label=f"warning from {warn:g}")
    axes.axvline(drift, color=ORANGE, linestyle="--", label=f"drift from {drift:g}")
    axes.set_xlabel("population stability index")
    axes.set_xlim(0, max(1.1 * max(psi), 1.3 * drift))
    legend(axes, 2)
    return figure


def plot_shares_of_bins(bins: Sequence[str], then: np.ndarray, now: np.ndarray, label: str) -> Figure:
    """Return a bar chart of the shares of training and live rows in each bin."""
    figure, axes, places = row_axes(bins)
    axes.barh(places + 0.2, then, color=BLUE, height=0.38, label="training rows")
    axes.barh(places - 0.2, now, color=ORANGE, height=0.38, label="live rows")
    axes.set_xlabel(f"share of rows, by {cut_label(label)}")
    legend(axes, 2)
    return figure


def plot_trend(psi: Sequence[float], warn: float, drift: float) -> Figure:
    """Return a plot of the largest population stability index of each window."""
    figure, axes = panel(8, 3)
    axes.plot(np.arange(1, len(psi) + 1), psi, "o-", color=BLUE, label="largest PSI")
    axes.axhline(warn, color=SOFT, linestyle=":", label=f"warning from {warn:g}")
    axes.axhline(drift, color=ORANGE, linestyle="--", label=f"drift from {drift:g}")
    axes.set(xlabel="window", ylabel="population stability index", ylim=(0, max(1.1 * max(psi), 1.3 * drift)))
    axes.locator_params(axis="x", integer=True)
    legend(axes, 3)
    return figure
