"""Plots of candidates and of the best model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recipeline.reports.limits import sample_points
from recipeline.reports.plots.axes import legend, panel, row_axes, spread_points
from recipeline.reports.style import BLUE, INK, LINE, ORANGE, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_leaderboard(
    names: Sequence[str], mean: Sequence[float], folds: np.ndarray, test: Sequence[float] | None = None, *, label: str
) -> Figure:
    """Return a plot of each candidate's skill: folds, their mean, and test rows.

    `folds` has one column per fold; `test` is optional. `label` is that of the axis.
    """
    figure, axes, places = row_axes(names)
    axes.hlines(places, folds.min(axis=1), folds.max(axis=1), color=LINE, linewidth=6, label="all folds")
    axes.plot(folds, np.repeat(places[:, None], folds.shape[1], axis=1), "|", color=SOFT, markersize=8)
    axes.plot(mean, places, "o", color=BLUE, markersize=8, label="mean of the folds, which decides")
    if test is not None:
        axes.plot(test, places, "D", color=ORANGE, label="test rows")
    axes.set_xlabel(label)
    legend(axes)
    return figure


def plot_shares(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """Return a plot of how often each candidate is the best one."""
    figure, axes, places = row_axes(names, top=0.15)
    axes.barh(places, shares, color=BLUE, height=0.6)
    for place, share in zip(places, shares, strict=True):
        axes.annotate(f"{share:.0%}", (share, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_xlabel("share of resamplings in which it is the best")
    axes.set_xlim(0, 1.05)
    return figure


def plot_predicted(target: np.ndarray, predicted: np.ndarray, label: str) -> Figure:
    """Return a scatter plot of predictions against true values.

    It has at most MOST_POINTS rows; whole values are jittered.
    """
    figure, axes = panel(6, 5.2, top=0.35)
    shown = sample_points(len(target))
    axes.plot(spread_points(target)[shown], predicted[shown], ".", color=BLUE, alpha=0.45)
    limits = [min(target.min(), predicted.min()), max(target.max(), predicted.max())]
    axes.plot(limits, limits, "--", color=SOFT, label="predicted = true")
    axes.set(xlabel=f"true {label}", ylabel=f"predicted {label}")
    legend(axes)
    return figure


def plot_intervals(names: Sequence[str], value: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Figure:
    """Return a plot of metrics with their intervals."""
    figure, axes, places = row_axes(names, top=0.15)
    axes.hlines(places, low, high, color=BLUE, linewidth=4, alpha=0.5)
    axes.plot(value, places, "o", color=BLUE, markersize=8)
    axes.set_xlabel("value on the test rows, with its 95 % interval")
    return figure


def plot_residuals(target: np.ndarray, predicted: np.ndarray, label: str) -> Figure:
    """Return a plot of residuals against predictions, with their distribution.

    A residual is true minus predicted. Points are of at most MOST_POINTS rows; the distribution is of all.
    """
    figure, axes = panel(8, 4, right=2.2, top=0.15)
    beside = figure.add_axes((1 - 2.05 / 8, 0.6 / 4, 1.85 / 8, (4 - 0.75) / 4), sharey=axes)
    residuals, shown = target - predicted, sample_points(len(target))
    axes.plot(predicted[shown], residuals[shown], ".", color=BLUE, alpha=0.45)
    axes.axhline(0, color=SOFT, linestyle="--")
    axes.set(xlabel=f"predicted {label}", ylabel=f"true - predicted {label}")
    beside.hist(residuals, bins=25, orientation="horizontal", color=BLUE)
    beside.set_xlabel("rows")
    beside.tick_params(labelleft=False)
    return figure


def plot_calibration(mean_predicted: Sequence[float], mean_true: Sequence[float], label: str) -> Figure:
    """Return a plot of the mean true value against the mean prediction of row groups."""
    figure, axes = panel(5.2, 4.4, top=0.35)
    limits = [min(*mean_predicted, *mean_true), max(*mean_predicted, *mean_true)]
    axes.plot(limits, limits, "--", color=SOFT, label="no bias")
    axes.plot(mean_predicted, mean_true, "o-", color=BLUE, label="a fifth of the rows each")
    axes.set(xlabel=f"mean predicted {label}", ylabel=f"mean true {label}")
    legend(axes)
    return figure


def plot_grades(
    grades: Sequence[float], mae: Sequence[float], bias: Sequence[float], rows: Sequence[int], label: str
) -> Figure:
    """Return a plot of the mean absolute error and the bias of each grade."""
    figure, axes = panel(7, 4, bottom=0.8)
    axes.bar(grades, mae, color=BLUE, width=0.6, label="mean absolute error")
    axes.plot(grades, bias, "D", color=ORANGE, label="bias (predicted - true)")
    axes.axhline(0, color=SOFT, linewidth=1)
    axes.set_xticks(list(grades), [f"{grade:g}\n{count} rows" for grade, count in zip(grades, rows, strict=True)])
    axes.set(xlabel=f"true {label}", ylabel=label)
    legend(axes)
    return figure


def plot_importance(names: Sequence[str], mean: Sequence[float], std: Sequence[float], skill: str) -> Figure:
    """Return a plot of the permutation importance of features, with its spread.

    The importance is the drop of the skill when the feature is shuffled.
    """
    figure, axes, places = row_axes(names, top=0.15)
    axes.barh(places, mean, xerr=std, color=BLUE, height=0.6, error_kw={"ecolor": SOFT, "capsize": 3})
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_xlabel(f"drop of {skill} when the column is shuffled")
    return figure


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
    figure, axes, places = row_axes(names, top=0.7)
    axes.barh(places, error, color=BLUE, height=0.6, label=titles[0])
    known = [(place, *limits) for place, limits in zip(places, intervals, strict=True) if limits is not None]
    if known:
        axes.hlines(*zip(*known, strict=True), color=INK, linewidth=2, label="95 % interval")
    if any(value is not None for value in bias):
        axes.plot(np.array(bias, dtype=float), places, "D", color=ORANGE, label=titles[1])
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_xlabel(label)
    axes.locator_params(axis="x", nbins=7)
    legend(axes, 2)
    return figure


def plot_curve(
    rows: Sequence[int], train: Sequence[float], test: Sequence[float], low: Sequence[float], high: Sequence[float], skill: str
) -> Figure:
    """Return the learning curve: skill on training and held-out rows by their number.

    `low` and `high` are the worst and the best fold.
    """
    figure, axes = panel(7, 4)
    axes.fill_between(rows, low, high, color=BLUE, alpha=0.15, linewidth=0, label="held-out rows, all folds")
    axes.plot(rows, test, "o-", color=BLUE, label="held-out rows, mean")
    axes.plot(rows, train, "D--", color=ORANGE, label="training rows, mean")
    axes.set(xlabel="training rows", ylabel=skill)
    axes.grid(axis="y")
    legend(axes)
    return figure


def plot_dependence(values: Sequence[Any], mean: Sequence[float], feature: str, label: str) -> Figure:
    """Return the partial dependence of the prediction on one column."""
    figure, axes = panel(5.5, 3, top=0.15)
    axes.plot(values, mean, "o" if isinstance(values[0], str) else "o-", color=BLUE)  # text is in no order
    axes.set(xlabel=feature, ylabel=f"mean predicted {label}")
    axes.grid(axis="y")
    return figure
