"""Plots of changes: gains, runs over time, drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipeline.reports.hover import each, tell
from recipeline.reports.plots.axes import EDGE, finish, mark_value, panel, row_axes
from recipeline.reports.style import BLUE, GREEN, INK, LINE, ORANGE, SOFT, WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Change:
    """A metric before and after; `worsening` is above 0 where it got worse."""

    name: str
    before: float
    after: float
    worsening: float

    @property
    def word(self) -> str:
        """Whether it is better, worse or the same."""
        return direction(self.worsening)


def direction(worsening: float) -> str:
    """Return better, worse or the same, of a change that is above 0 where it is worse."""
    return "worse" if worsening > 0 else "better" if worsening < 0 else "the same" if worsening == 0 else "not known"


def plot_gain(
    gain: float,
    low: float,
    high: float,
    lower: float,
    *,
    needed: float,
    level: float,
    passed: bool,
    skill: str,
    title: str = "",
    is_synthetic: bool = False,
) -> Figure:
    """Return a plot of the gain in skill: interval, deciding lower limit, threshold.

    The interval is the 90 % interval. A gain on synthetic rows is neither good nor bad, and its colour neutral.
    """
    axes = panel(1.5, left=EDGE, right=EDGE)
    left, right = min(low, lower, needed), max(high, needed)
    room = 0.12 * (right - left) or 0.1  # no gain, and no doubt about it
    axes.set_xlim(left - room, right + room)
    good = SOFT if is_synthetic else GREEN
    area = axes.axvspan(needed, right + room, color=good, alpha=0.1, label=f"the lower limit must be here: above {needed:g}")
    tell(area, f"the lower limit must be above {needed:g}")
    axes.axvline(needed, color=good, linestyle="--", linewidth=2, ymax=0.8)
    (line,) = axes.plot([low, high], [0, 0], color=BLUE, linewidth=5, alpha=0.5, label="90 % interval", solid_capstyle="butt")
    tell(line, f"90 % interval {low:+.4f} to {high:+.4f}")
    (point,) = axes.plot([gain], [0], "o", color=BLUE, markersize=11, label=f"gain {gain:+.4f}")
    tell(point, f"gain {gain:+.4f}")
    colour = good if lower > needed else ORANGE
    limit = axes.vlines(
        [lower], -0.6, 0.6, color=colour, linewidth=4, label=f"lower limit at {level:.1%}, which decides: {lower:+.4f}"
    )
    tell(limit, f"lower limit at {level:.1%}: {lower:+.4f}")
    axes.set(ylim=(-1, 1))
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=6)
    axes.spines["left"].set_visible(False)
    verdict = "the gate: passed" if passed else "the gate: not passed"
    ink = SOFT if is_synthetic else GREEN if passed else ORANGE
    said = f"{verdict}, on synthetic rows" if is_synthetic else verdict
    axes.text(0.98, 0.95, said, transform=axes.transAxes, color=ink, ha="right", va="top", weight="bold")
    return finish(axes, title, x=f"{skill} of the challenger minus {skill} of its comparison")


def plot_changes(changes: Sequence[Change], title: str = "") -> Figure:
    """Return each metric before and after on an axis of its own, with the direction."""
    from matplotlib.figure import Figure

    row, gap = 0.42, 0.42
    total = len(changes) * (row + gap) + 0.1
    figure = Figure(figsize=(WIDTH, total))
    found = []
    for place, it in enumerate(changes):
        base = total - (place + 1) * (row + gap) + gap - 0.05
        axes = figure.add_axes((EDGE / WIDTH, base / total, (WIDTH - 2 * EDGE) / WIDTH, row / total))
        colour = {"better": GREEN, "worse": ORANGE}.get(it.word, SOFT)
        tell(
            axes.axhspan(-1, 1.6, color=INK, alpha=0.001, linewidth=0),
            f"{it.name}: {it.before:.4f} before, {it.after:.4f} after, {it.word}",
        )
        if it.word != "the same":
            axes.annotate(
                "",
                (it.after, 0),
                (it.before, 0),
                arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 3, "shrinkA": 0, "shrinkB": 0},
            )
        axes.plot([it.before], [0], "o", color=SOFT, markersize=8, fillstyle="none", label="before" if not place else None)
        axes.plot([it.after], [0], "o", color=colour, markersize=5)
        axes.text(0, 1.5, it.name, transform=axes.get_yaxis_transform(), va="top", weight="bold")
        axes.text(
            1,
            1.5,
            f"{it.before:.4f} → {it.after:.4f}  {it.word}",
            transform=axes.get_yaxis_transform(),
            va="top",
            ha="right",
            color=colour,
        )
        left, right = sorted((it.before, it.after))
        room = 0.15 * (right - left) or max(abs(left), 0.01) * 0.1
        axes.set(ylim=(-0.8, 1.6), xlim=(left - room, right + room), yticks=[])
        axes.locator_params(axis="x", nbins=4)
        axes.spines["left"].set_visible(False)
        found.append(axes)
    return finish(found[0], title)


def plot_pairs(names: Sequence[str], before: Sequence[float], after: Sequence[float], label: str) -> Figure:
    """Return a bar chart of a value before and after, for each name."""
    axes, places = row_axes(names, each(names, before=before, after=after))
    axes.hlines(places, before, after, color=LINE, linewidth=4)
    axes.plot(before, places, "D", color=ORANGE, markersize=11, fillstyle="none", label="before")  # seen around an equal one
    axes.plot(after, places, "o", color=BLUE, markersize=8, label="after")
    return finish(axes, x=label)


def plot_stability(names: Sequence[str], psi: Sequence[float], warn: float, drift: float, title: str = "") -> Figure:
    """Return a plot of each column's population stability index, with its limits."""
    axes, places = row_axes(names, each(names, PSI=psi))
    colours = [ORANGE if value >= drift else BLUE for value in psi]
    axes.barh(places, psi, color=colours, height=0.6)
    mark_value(axes, places, warn, color=SOFT, linestyle=":", label=f"warning from {warn:g}")
    mark_value(axes, places, drift, color=ORANGE, linestyle="--", label=f"drift from {drift:g}")
    axes.set_xlim(0, max(1.1 * max(psi), 1.3 * drift))
    return finish(axes, title, x="population stability index")


def plot_shares_of_bins(bins: Sequence[str], then: np.ndarray, now: np.ndarray, label: str) -> Figure:
    """Return a bar chart of the shares of training and live rows in each bin."""
    shares = {"training rows": [f"{share:.1%}" for share in then], "live rows": [f"{share:.1%}" for share in now]}
    axes, places = row_axes(bins, each(bins, **shares))
    axes.barh(places + 0.2, then, color=BLUE, height=0.38, label="training rows")
    axes.barh(places - 0.2, now, color=ORANGE, height=0.38, label="live rows")
    return finish(axes, x=f"share of rows, by {label}")


def plot_trend(psi: Sequence[float], warn: float, drift: float, title: str = "") -> Figure:
    """Return a plot of the largest population stability index of each window."""
    axes = panel(2.4, left=0.55)
    (line,) = axes.plot(np.arange(1, len(psi) + 1), psi, "o-", color=BLUE, label="largest PSI")
    tell(line, *(f"window {place}: largest PSI {value:.4g}" for place, value in enumerate(psi, 1)))
    axes.axhline(warn, color=SOFT, linestyle=":", label=f"warning from {warn:g}")
    axes.axhline(drift, color=ORANGE, linestyle="--", label=f"drift from {drift:g}")
    axes.set(ylim=(0, max(1.1 * max(psi), 1.3 * drift)))
    axes.locator_params(axis="x", integer=True)
    return finish(axes, title, x="window, the newest last", y="population stability index")
