"""Plots of candidates and of the best model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recipeline.reports.hover import each, shown, tell
from recipeline.reports.limits import sample_points
from recipeline.reports.plots.axes import EDGE, curve_axes, finish, mark_value, panel, row_axes, spread_points
from recipeline.reports.style import BLUE, GREEN, INK, LINE, ORANGE, SOFT, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Limit:
    """A gate: a value must be `rule` (at least, at most, below, above) `value`."""

    rule: str
    value: float
    passed: bool

    @property
    def words(self) -> str:
        """The gate and its decision."""
        return f"{'passes' if self.passed else 'fails'}: {self.rule} {self.value:.4g}"


@dataclass(frozen=True)
class Measured:
    """A metric with its 95 % interval, NaN where there is none, and its gates."""

    name: str
    value: float
    low: float
    high: float
    limits: tuple[Limit, ...] = ()


def plot_leaderboard(
    names: Sequence[str],
    mean: Sequence[float],
    folds: np.ndarray,
    test: Sequence[float] | None = None,
    *,
    label: str,
    title: str = "",
) -> Figure:
    """Return a plot of each candidate's skill: folds, their mean, and test rows.

    The first candidate is the chosen one. `folds` has one column per fold; `test` is optional. `label` is that of the axis.
    """
    low, high = folds.min(axis=1), folds.max(axis=1)
    columns: dict[str, Sequence[object]] = {"mean": mean, "worst fold": low.tolist(), "best fold": high.tolist()}
    axes, places = row_axes(names, each(names, **columns, **({} if test is None else {"test_rows": test})))
    if len(names) > 1:
        axes.axhspan(places[0] - 0.5, axes.get_ylim()[1] - 0.15, color=BLUE, alpha=0.1, linewidth=0, label="chosen", zorder=0)
        axes.get_yticklabels()[0].set_fontweight("bold")
    axes.hlines(places, low, high, color=LINE, linewidth=6, label="all folds")
    axes.plot(folds, np.repeat(places[:, None], folds.shape[1], axis=1), "|", color=SOFT, markersize=8)
    axes.plot(mean, places, "o", color=BLUE, markersize=8, label="mean of the folds, which decides")
    if test is not None:
        axes.plot(test, places, "D", color=ORANGE, label="test rows")
    return finish(axes, title, x=label)


def plot_shares(names: Sequence[str], shares: Sequence[float], title: str = "") -> Figure:
    """Return a plot of how often each candidate is the best one."""
    axes, places = row_axes(names, each(names, best_in=[f"{share:.1%}" for share in shares]))
    axes.barh(places, shares, color=BLUE, height=0.6)
    for place, share in zip(places, shares, strict=True):
        axes.annotate(f"{share:.0%}", (share, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_xlim(0, 1.18)
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    return finish(axes, title, x="share of resamplings in which it is the best")


def plot_predicted(target: np.ndarray, predicted: np.ndarray, label: str, title: str = "") -> Figure:
    """Return a scatter plot of predictions against true values.

    It has at most MOST_POINTS rows; whole values are jittered.
    """
    axes = panel(3.6, left=0.55)
    rows = sample_points(len(target))
    (points,) = axes.plot(spread_points(target)[rows], predicted[rows], ".", color=BLUE, alpha=0.45)
    tell(points, *(f"true {true:.4g}\npredicted {said:.4g}" for true, said in zip(target[rows], predicted[rows], strict=True)))
    limits = [min(target.min(), predicted.min()), max(target.max(), predicted.max())]
    axes.plot(limits, limits, "--", color=SOFT, label="predicted = true")
    return finish(axes, title, x=f"true {label}", y=f"predicted {label}")


def plot_measured(groups: Sequence[tuple[str, Sequence[Measured]]], title: str = "") -> Figure:
    """Return metrics with their intervals and gates, those of one unit on one axis.

    A group is the name of its axis and its metrics.
    """
    from matplotlib.figure import Figure

    gap, row, below = 0.18, 0.52, 0.52
    heights = [row * len(measured) for _, measured in groups]
    total = sum(heights) + (gap + below) * len(groups)
    figure = Figure(figsize=(WIDTH, total))
    found: list[Axes] = []
    top = total
    for (label, measured), height in zip(groups, heights, strict=True):
        top -= gap + height
        axes = figure.add_axes((EDGE / WIDTH, top / total, (WIDTH - 2 * EDGE) / WIDTH, height / total))
        _strip(axes, measured, is_first=not found)
        axes.set_xlabel(label, labelpad=2)
        found.append(axes)
        top -= below
    return finish(found[0], title)


def _strip(axes: Axes, measured: Sequence[Measured], *, is_first: bool) -> None:
    places = np.arange(len(measured))[::-1]
    for place, it in zip(places, measured, strict=True):
        words = f"{it.name} {shown(it.value)}"
        interval = "" if math.isnan(it.low) else f"\n95 % interval {it.low:.4g} to {it.high:.4g}"
        said = "".join(f"\n{limit.words}" for limit in it.limits)
        tell(axes.axhspan(place - 0.5, place + 0.5, color=INK, alpha=0.001, linewidth=0), f"{words}{interval}{said}")
        axes.text(0, place + 0.12, words, transform=axes.get_yaxis_transform(), weight="bold")
        for limit in it.limits:
            axes.vlines([limit.value], place - 0.42, place + 0.02, color=GREEN if limit.passed else ORANGE, linewidth=3)
        for limit in sorted(it.limits, key=lambda limit: limit.passed)[:1]:  # what fails is said first
            colour = GREEN if limit.passed else ORANGE
            axes.text(
                *(1, place + 0.12, limit.words), transform=axes.get_yaxis_transform(), ha="right", color=colour, weight="bold"
            )
    low, high = [it.low for it in measured], [it.high for it in measured]
    axes.hlines(places - 0.2, low, high, color=BLUE, linewidth=4, alpha=0.5, label="95 % interval" if is_first else "")
    axes.plot([it.value for it in measured], places - 0.2, "o", color=BLUE, markersize=8, label="test rows" if is_first else "")
    if is_first:
        axes.plot([], [], "|", color=GREEN, markersize=10, markeredgewidth=3, label="gate of the recipe")
    axes.set(ylim=(-0.5, len(measured) - 0.5), yticks=[])
    axes.margins(x=0.04)
    axes.locator_params(axis="x", nbins=6)
    axes.spines["left"].set_visible(False)


def plot_residuals(target: np.ndarray, predicted: np.ndarray, label: str) -> Figure:
    """Return a plot of residuals against predictions, with their distribution.

    A residual is true minus predicted. Points are of at most MOST_POINTS rows; the distribution is of all.
    """
    axes = panel(3, left=0.55, right=1.35)
    box = axes.get_position()
    beside = axes.figure.add_axes((1 - 1.25 / WIDTH, box.y0, 1.05 / WIDTH, box.height), sharey=axes)
    residuals, rows = target - predicted, sample_points(len(target))
    (points,) = axes.plot(predicted[rows], residuals[rows], ".", color=BLUE, alpha=0.45)
    tell(points, *(f"true {target[row]:.4g}\npredicted {predicted[row]:.4g}\nresidual {residuals[row]:.4g}" for row in rows))
    axes.axhline(0, color=SOFT, linestyle="--")
    counts, edges = np.histogram(residuals, bins=25)
    bars = beside.barh(edges[:-1], counts, height=np.diff(edges), align="edge", color=BLUE)
    for bar, count, low, high in zip(bars, counts, edges, edges[1:], strict=False):
        tell(bar, f"{count:,} rows with a residual of {low:.3g} to {high:.3g}")
    beside.set_xlabel("rows")
    beside.tick_params(labelleft=False)
    beside.locator_params(axis="x", nbins=2, prune="lower")  # a 0 would touch the last number of the plot on its left
    return finish(axes, x=f"predicted {label}", y=f"residual: true - predicted {label}", room=0.05)


def plot_calibration(mean_predicted: Sequence[float], mean_true: Sequence[float], label: str) -> Figure:
    """Return a plot of the mean true value against the mean prediction of row groups."""
    axes = panel(3, left=0.55)
    limits = [min(*mean_predicted, *mean_true), max(*mean_predicted, *mean_true)]
    axes.plot(limits, limits, "--", color=SOFT, label="no bias")
    (line,) = axes.plot(mean_predicted, mean_true, "o-", color=BLUE, label="a fifth of the rows each")
    tell(line, *(f"mean predicted {x:.4g}\nmean true {y:.4g}" for x, y in zip(mean_predicted, mean_true, strict=True)))
    return finish(axes, x=f"mean predicted {label}", y=f"mean true {label}")


def plot_grades(
    grades: Sequence[float], mae: Sequence[float], bias: Sequence[float], rows: Sequence[int], label: str
) -> Figure:
    """Return a plot of the mean absolute error and the bias of each grade."""
    names = [f"{grade:g}: {count:,} {'row' if count == 1 else 'rows'}" for grade, count in zip(grades, rows, strict=True)]
    axes, places = row_axes(names, each(names, mean_absolute_error=mae, bias=bias))
    axes.barh(places, mae, color=BLUE, height=0.6, label="mean absolute error")
    axes.plot(bias, places, "D", color=ORANGE, label="bias (predicted - true)")
    mark_value(axes, places, 0, color=SOFT, linewidth=1)
    return finish(axes, x=f"error of {label}", y=f"true {label}")


def plot_importance(names: Sequence[str], mean: Sequence[float], std: Sequence[float], skill: str) -> Figure:
    """Return a plot of the permutation importance of features, with its spread.

    The importance is the drop of the skill when the feature is shuffled.
    """
    axes, places = row_axes(names, each(names, drop=mean, std=std))
    axes.barh(places, mean, xerr=std, color=BLUE, height=0.6, error_kw={"ecolor": SOFT, "capsize": 3})
    mark_value(axes, places, 0, color=SOFT, linewidth=1)
    axes.locator_params(axis="x", nbins=5)
    return finish(axes, x=f"drop of {skill} when the column is shuffled")


def plot_slices(
    names: Sequence[str],
    error: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    bias: Sequence[float | None],
    label: str,
    *,
    titles: tuple[str, str] = ("mean absolute error", "bias (predicted - true)"),
) -> Figure:
    """Return a plot of the mean error of slices with its interval, and of their bias.

    An interval or a bias is None where it is not known. `titles` are those of error and bias.
    """
    said = ["not known" if it is None else f"{it[0]:.4g} to {it[1]:.4g}" for it in intervals]
    has_bias = any(value is not None for value in bias)
    axes, places = row_axes(
        names, each(names, **{titles[0]: error, "95 % from": said, **({titles[1]: bias} if has_bias else {})})
    )
    axes.barh(places, error, color=BLUE, height=0.6, label=titles[0])
    known = [(place, *limits) for place, limits in zip(places, intervals, strict=True) if limits is not None]
    if known:
        axes.hlines(*zip(*known, strict=True), color=INK, linewidth=2, label="95 % interval")
    if has_bias:
        axes.plot(np.array(bias, dtype=float), places, "D", color=ORANGE, label=titles[1])
    mark_value(axes, places, 0, color=SOFT, linewidth=1)
    axes.locator_params(axis="x", nbins=6)
    return finish(axes, x=label)


def plot_curve(
    rows: Sequence[int], train: Sequence[float], test: Sequence[float], low: Sequence[float], high: Sequence[float], skill: str
) -> Figure:
    """Return the learning curve: skill on training and held-out rows by their number.

    `low` and `high` are the worst and the best fold.
    """
    axes = panel(3, left=0.55)
    axes.fill_between(rows, low, high, color=BLUE, alpha=0.15, linewidth=0, label="held-out rows, all folds")
    (held,) = axes.plot(rows, test, "o-", color=BLUE, label="held-out rows, mean")
    (own,) = axes.plot(rows, train, "D--", color=ORANGE, label="training rows, mean")
    names = [f"{count:,} training rows" for count in rows]
    tell(held, *each(names, held_out=test, worst_fold=low, best_fold=high))
    tell(own, *each(names, on_training_rows=train))
    axes.grid(axis="y")
    axes.locator_params(axis="x", nbins=5)
    return finish(axes, x="training rows", y=skill)


def plot_dependence(values: Sequence[Any], mean: Sequence[float], feature: str, label: str) -> Figure:
    """Return the partial dependence of the prediction on one column; text in rows."""
    if isinstance(values[0], str):  # text is in no order
        axes, places = row_axes(values, each(values, mean=mean))
        axes.plot(mean, places, "o", color=BLUE, markersize=8)
        return finish(axes, x=f"mean predicted {label}", y=feature)
    axes = curve_axes(values)
    (line,) = axes.plot(values, mean, "o-", color=BLUE)
    tell(line, *each([f"{feature} {shown(value)}" for value in values], mean=mean))
    return finish(axes, x=feature, y=f"mean predicted {label}")
