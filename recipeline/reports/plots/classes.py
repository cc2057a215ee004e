"""Plots of classes: curves, reliability, confusion, thresholds, groups of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recipeline.reports.hover import each, shown, tell
from recipeline.reports.plots.axes import (
    LINE_HEIGHT,
    MARGIN,
    curve_axes,
    finish,
    grow,
    mark_value,
    measure,
    panel,
    row_axes,
    wrap,
)
from recipeline.reports.style import BLUE, GREEN, INK, LINE, ORANGE, SOFT, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels side by side.
_BESIDE = 2

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


def _grid(names: Sequence[str], height: float) -> list[Axes]:
    """Return the panels of a new figure, with their names above.

    They are `height` inches each; a single one is higher, and has no name.
    """
    from matplotlib.figure import Figure

    if len(names) == 1:
        axes = panel(1.7 * height, left=0.5)
        return [axes]
    down, left, room = math.ceil(len(names) / _BESIDE), 0.5, 0.3
    width = (WIDTH - left - MARGIN - room * (_BESIDE - 1)) / _BESIDE
    titles = [wrap(name, width, 10) for name in names]
    above = 0.08 + LINE_HEIGHT * max(title.count("\n") + 1 for title in titles)
    total = down * (height + above) + (down - 1) * 0.12 + 0.3
    figure = Figure(figsize=(WIDTH, total))
    found = []
    for place, title in enumerate(titles):
        row, column = divmod(place, _BESIDE)
        x, y = left + column * (width + room), 0.3 + (down - 1 - row) * (height + above + 0.12)
        axes = figure.add_axes((x / WIDTH, y / total, width / WIDTH, height / total))
        axes.tick_params(labelleft=column == 0, labelbottom=place + _BESIDE >= len(names))
        axes.set_title(title, fontsize=10, pad=3)
        found.append(axes)
    grow(figure, -0.02, 0)
    return found


def plot_curves(curves: Sequence[Drawn], x: str, y: str, title: str = "") -> Figure:
    """Return a panel for each label: curve, 95 % band and the decided point."""
    panels = _grid([it.label for it in curves], 1.75 if len(curves) == 1 else 1.5)
    for axes, it in zip(panels, curves, strict=True):
        (first, second), is_first = it.chance, axes is panels[0]
        axes.plot(*zip(first, second, strict=True), "--", color=SOFT, label="no skill" if is_first else None)
        if len(it.low):
            axes.fill_between(
                it.x, it.low, it.high, color=BLUE, alpha=0.2, linewidth=0, label="95 % band" if is_first else None
            )
        axes.plot(it.x, it.y, color=BLUE, label="test rows" if is_first else None)
        if len(curves) == 1:  # of many, their points would be most of the page
            (points,) = axes.plot(it.x, it.y, "o", color=BLUE, markersize=7, alpha=0.01)
            tell(points, *(f"{x} {one:.3f}\n{y} {other:.3f}" for one, other in zip(it.x, it.y, strict=True)))
        if it.point:
            x_point, y_point = it.point
            name = "decided labels" if is_first else None
            (mark,) = axes.plot([x_point], [y_point], "D", color=ORANGE, markersize=8, clip_on=False, label=name)
            tell(mark, f"{it.label}, as decided\n{x} {x_point:.3f}\n{y} {y_point:.3f}")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.grid()
        axes.set_axisbelow(True)
    return finish(panels[0], title, x=x, y=y, room=_room(panels))


def _room(panels: Sequence[Axes]) -> float:
    """Return the inches above the first panel that its name takes."""
    title = panels[0].get_title(loc="left")
    return 0.06 + LINE_HEIGHT * (title.count("\n") + 1) if title else 0.0


def plot_reliability(
    said: Sequence[float],
    true: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    label: str,
    title: str = "",
) -> Figure:
    """Return a plot of true shares by probability.

    An interval is None where it is not known.
    """
    axes = panel(3, left=0.55)
    axes.plot([0, 1], [0, 1], "--", color=SOFT, label="as predicted")
    known = [(x, *limits) for x, limits in zip(said, intervals, strict=True) if limits is not None]
    if known:
        axes.vlines(*zip(*known, strict=True), color=BLUE, linewidth=3, alpha=0.35, label="95 % interval")
    (line,) = axes.plot(said, true, "o-", color=BLUE, label="similar rows")
    tell(
        line,
        *(
            f"mean {label} {x:.3f}\ntrue share {y:.3f}" + (f" ({it[0]:.3f} to {it[1]:.3f})" if it else "")
            for x, y, it in zip(said, true, intervals, strict=True)
        ),
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.04, 1.04))
    axes.grid()
    axes.set_axisbelow(True)
    return finish(axes, title, x=f"predicted {label}", y="true share")


def plot_counts(counts: np.ndarray, edges: np.ndarray, label: str) -> Figure:
    """Return a histogram: the numbers of rows between successive edges."""
    axes = panel(1.2, left=0.55)
    bars = axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    for bar, count, low, high in zip(bars, counts, edges, edges[1:], strict=False):
        tell(bar, f"{int(count):,} rows with a {label} of {low:.2f} to {high:.2f}")
    axes.locator_params(axis="y", nbins=3)
    return finish(axes, x=f"predicted {label}", y="test rows")


def plot_confusion(labels: Sequence[str], counts: np.ndarray, title: str = "") -> Figure:
    """Return a matrix of true against decided labels, with shares and counts.

    A cell's shade is its share of the true label's rows.
    """
    size = len(labels)
    has_room = size <= 6
    is_level = max(measure(label, 10) for label in labels) <= min(1.0, (WIDTH - 2 * MARGIN) / (size + 1)) - 0.05
    rows = list(labels) if is_level else [f"{place}: {label}" for place, label in enumerate(labels, 1)]
    rows = [wrap(name, 1.75, 10) for name in rows]
    columns = list(labels) if is_level else [str(place) for place in range(1, size + 1)]
    left = 0.2 + max(measure(name, 10) for name in rows)
    cell = min(1.0, (WIDTH - left - MARGIN) / size)
    lines = max(name.count("\n") + 1 for name in rows)
    axes = panel(size * max(min(cell, 0.6), 0.2, 0.17 * lines), left=left, right=WIDTH - left - size * cell)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    for row in range(size):
        for column in range(size):
            colour, share = BLUE if row == column else ORANGE, float(shares[row, column])
            axes.fill_between([column - 0.5, column + 0.5], row - 0.5, row + 0.5, color=colour, alpha=0.55 * share, linewidth=0)
            if counts[row, column]:
                text = f"{share:.0%}\n{counts[row, column]:,}" if has_room else f"{100 * share:.0f}"
                written = axes.text(column, row, text, ha="center", va="center", color=INK, linespacing=1.2)
                written.set_fontsize(11 if size <= 4 else 9)
                count = f"{counts[row, column]:,} rows of {labels[row]} ({share:.1%}) decided as {labels[column]}"
                tell(written, count)
    edges = np.arange(size + 1) - 0.5
    axes.hlines(edges, -0.5, size - 0.5, color=LINE, linewidth=0.8)
    axes.vlines(edges, -0.5, size - 0.5, color=LINE, linewidth=0.8)
    axes.set_xticks(range(size), columns, fontsize=10)
    axes.set_yticks(range(size), rows, fontsize=10)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
    for spine in axes.spines.values():
        spine.set_visible(False)
    unit = "" if has_room else " (cells: per cent of the true label's rows)"
    return finish(axes, title, x=f"decided label{'' if is_level else ', by its number'}{unit}", y="true label")


def plot_thresholds(
    thresholds: Sequence[float],
    out_of_fold: Sequence[float],
    test: Sequence[float],
    chosen: float,
    measure: str,
    title: str = "",
) -> Figure:
    """Return a plot of what a decision is judged by against the threshold."""
    axes = panel(2.8, left=0.6)
    axes.plot(thresholds, out_of_fold, color=BLUE, drawstyle="steps-pre", label="training rows, out of fold, which decide")
    axes.plot(thresholds, test, color=ORANGE, linestyle="--", drawstyle="steps-pre", label="test rows")
    axes.axvline(chosen, color=GREEN, linewidth=2, label=f"chosen threshold {chosen:.3g}")
    known = [(at, own, other) for at, own, other in zip(thresholds, out_of_fold, test, strict=True) if math.isfinite(own)]
    (points,) = axes.plot([at for at, *_ in known], [own for _, own, _ in known], "o", color=BLUE, markersize=7, alpha=0.01)
    tell(
        points, *(f"threshold {at:.3g}\n{measure}, out of fold {own:.4g}\non test rows {other:.4g}" for at, own, other in known)
    )
    axes.set(xlim=(-0.01, 1.01))
    axes.grid(axis="y")
    return finish(axes, title, x="threshold of the probability", y=measure)


def plot_scores(
    names: Sequence[str], own: Sequence[np.ndarray], others: Sequence[np.ndarray], edges: np.ndarray, threshold: float | None
) -> Figure:
    """Return a panel for each label: its probability in its own and other rows.

    `own` and `others` are shares of these rows between successive `edges`, NaN where there are none.
    """
    panels = _grid(names, 1.4)
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
        for place, (share, other) in enumerate(zip(mine, theirs, strict=True) if len(names) == 1 else ()):
            tell(
                axes.axvspan(edges[place], edges[place + 1], color=INK, alpha=0.001, linewidth=0),
                f"probability {edges[place]:.2f} to {edges[place + 1]:.2f}\n{name} {share:.1%}\nall other rows {other:.1%}",
            )
        axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    label = f"probability of {names[0]}" if len(names) == 1 else "probability of the label"
    return finish(panels[0], x=label, y="share of rows", room=_room(panels))


def plot_rates(names: Sequence[str], rates: Sequence[tuple[str, Sequence[float], Sequence[float], Sequence[float]]]) -> Figure:
    """Return a plot of shares by group, each with its 95 % interval.

    `rates` are, for each measure, its name, values and limits; NaN where there are none.
    """
    said = {title: [_with_interval(*it) for it in zip(value, low, high, strict=True)] for title, value, low, high in rates}
    axes, places = row_axes(names, each(names, **said))
    for number, (measured, value, low, high) in enumerate(rates):
        colour, mark = _MARKS[number % len(_MARKS)]
        shifted = places + 0.16 - 0.32 * number
        axes.hlines(shifted, low, high, color=colour, linewidth=4, alpha=0.4)
        axes.plot(value, shifted, mark[0], color=colour, markersize=7, label=measured)
    axes.set(xlim=(-0.02, 1.02))
    axes.set_xticks([0, 0.5, 1])
    return finish(axes, x="share of the test rows, with its 95 % interval")


def _with_interval(value: float, low: float, high: float) -> str:
    interval = "" if math.isnan(low) else f", 95 % interval {low:.3f} to {high:.3f}"
    return "not known" if math.isnan(value) else f"{shown(float(value))}{interval}"


def plot_sets(
    names: Sequence[str], coverage: Sequence[float], low: Sequence[float], high: Sequence[float], level: float
) -> Figure:
    """Return a plot of the coverage of prediction sets by label, beside the level."""
    said = [_with_interval(*it) for it in zip(coverage, low, high, strict=True)]
    axes, places = row_axes(names, each(names, share_of_rows_whose_set_has_the_label=said))
    axes.hlines(places, low, high, color=BLUE, linewidth=4, alpha=0.5, label="95 % interval")
    axes.plot(coverage, places, "o", color=BLUE, markersize=8, label="share of rows whose set has the label")
    mark_value(axes, places, level, color=SOFT, linestyle="--", label=f"level {level:g}")
    known = [value for value in (*low, *coverage) if not math.isnan(value)]
    axes.set(xlim=(max(0.0, min([*known, level]) - 0.05), 1.01))
    axes.locator_params(axis="x", nbins=5)
    return finish(axes, x="share of the test rows of the label")


def plot_dependences(values: Sequence[Any], means: Mapping[str, Sequence[float]], feature: str) -> Figure:
    """Return the partial dependence of a few labels' probabilities on one column."""
    is_text = isinstance(values[0], str)
    names = [value if is_text else f"{feature} {shown(value)}" for value in values]
    if is_text:  # in no order
        axes, places = row_axes(names, each(names, **means))
    else:
        axes = curve_axes(values)
    for (label, mean), (colour, style) in zip(means.items(), _MARKS, strict=False):
        if is_text:
            axes.plot(mean, places, style[0], color=colour, label=label)
        else:
            (line,) = axes.plot(values, mean, style, color=colour, label=label)
            tell(line, *each(names, **{label: mean}))
    return finish(axes, x="mean probability" if is_text else feature, y=feature if is_text else "mean probability")
