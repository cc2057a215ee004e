"""The pictures, drawn from plain results; nothing is computed here that a file does not hold.

Margins are given in inches and not found by trial: that would draw every picture twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from reports.style import BLUE, GREEN, INK, LINE, ORANGE, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CHARACTER = 0.088  # inches, about, of the font that is drawn with
_ROW = 0.34
# Characters of a label; what is longer is cut in the picture, and whole in the table below it.
_LONGEST = 40


def _panel(
    width: float, height: float, *, left: float = 0.75, right: float = 0.2, top: float = 0.45, bottom: float = 0.6
) -> tuple[Figure, Axes]:
    """Return a figure of one pair of axes; all in inches."""
    from matplotlib.figure import Figure  # half a second, which a card without a plot need not take

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height))
    return figure, axes


def _rows(labels: Sequence[str], width: float = 8, *, top: float = 0.45) -> tuple[Figure, Axes, np.ndarray]:
    """Return a figure of horizontal rows, the first label on top, and the rows' places."""
    labels = [_cut(label) for label in labels]
    left = 0.25 + _CHARACTER * max(map(len, labels), default=1)
    figure, axes = _panel(width, _ROW * len(labels) + top + 0.65, left=left, right=0.45, top=top)
    places = np.arange(len(labels))[::-1]
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.7, len(labels) - 0.3)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    return figure, axes, places


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _legend(axes: Axes, columns: int = 3) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2, handletextpad=0.5, fontsize=10)


def _is_graded(target: np.ndarray) -> bool:
    return bool(np.all(target == np.rint(target))) and len(np.unique(target)) < 30


def _spread(target: np.ndarray) -> np.ndarray:
    """Return the target moved a little where values are whole, so that points do not hide each other."""
    if not _is_graded(target):
        return target
    spread: np.ndarray = target + np.random.default_rng(0).uniform(-0.18, 0.18, len(target))
    return spread


# --- the rows ------------------------------------------------------------------------------------------------------------


def plot_distributions(shares: Mapping[str, np.ndarray], ends: Mapping[str, tuple[float, float]]) -> Figure:
    """Return a histogram a row for each column, from its least to its greatest value; shares of rows in equal bins."""
    labels = [f"{name}  {ends[name][0]:g} to {ends[name][1]:g}" for name in shares]
    figure, axes, places = _rows(labels, top=0.15)
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
    """Return the correlations of all pairs of columns as shades, orange below 0 and blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    names = [_cut(name) for name in names]
    side, label = max(0.36 * len(names), 2.4), 0.25 + _CHARACTER * max(map(len, names))
    figure, axes = _panel(label + side + 1.2, label + side + 0.2, left=label, right=1.2, top=0.1, bottom=label)
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
    """Return for each way to split how many test rows have a twin in training, of how many."""
    figure, axes, places = _rows(list(shares))
    twins, all_rows = (np.array([value[number] for value in shares.values()]) for number in (0, 1))
    axes.barh(places, all_rows - twins, left=twins, color=LINE, height=0.6, label="test rows that are new to the model")
    axes.barh(places, twins, color=ORANGE, height=0.6, label="test rows with a twin in training")
    for place, count in zip(places, twins, strict=True):
        axes.annotate(
            f"{count}", (count, place), xytext=(4, 0), textcoords="offset points", va="center", color=INK, weight="bold"
        )
    axes.set_xlabel("test rows")
    axes.grid(visible=False)
    _legend(axes, 2)
    return figure


def plot_memory(r2: Mapping[str, float]) -> Figure:
    """Return what a model scores on rows with a twin, and on the others."""
    figure, axes, places = _rows(list(r2), top=0.15)
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
    """Return the Kolmogorov-Smirnov distance of each column between training and test rows, and what chance reaches."""
    figure, axes, places = _rows(names)
    values, limits = np.array(distance), np.array(limit)
    beyond = values > limits
    axes.hlines(places, 0, values, color=LINE, linewidth=2)
    axes.plot(values[~beyond], places[~beyond], "o", color=BLUE, label="as alike as by chance")
    axes.plot(values[beyond], places[beyond], "D", color=ORANGE, label="less alike")
    axes.plot(limits, places, "|", color=SOFT, markersize=14, label="chance: one column in 20")
    axes.set_xlabel("Kolmogorov-Smirnov distance (0: the same distribution)")
    axes.set_xlim(0, max(*values, *limits) * 1.15)
    _legend(axes)
    return figure


# --- candidates ----------------------------------------------------------------------------------------------------------


def plot_leaderboard(
    names: Sequence[str], mean: Sequence[float], folds: np.ndarray, test: Sequence[float] | None = None
) -> Figure:
    """Return each candidate's R2: of each fold (columns of `folds`), their mean, and of the test rows where they are given."""
    figure, axes, places = _rows(names)
    axes.hlines(places, folds.min(axis=1), folds.max(axis=1), color=LINE, linewidth=6, label="all folds")
    axes.plot(folds, np.repeat(places[:, None], folds.shape[1], axis=1), "|", color=SOFT, markersize=8)
    axes.plot(mean, places, "o", color=BLUE, markersize=8, label="mean of the folds, which decides")
    if test is not None:
        axes.plot(test, places, "D", color=ORANGE, label="test rows")
    axes.set_xlabel("R2 (1 is perfect, 0 is no better than the mean)")
    _legend(axes)
    return figure


def plot_shares(names: Sequence[str], shares: Sequence[float]) -> Figure:
    """Return how often each candidate is the best one."""
    figure, axes, places = _rows(names, top=0.15)
    axes.barh(places, shares, color=BLUE, height=0.6)
    for place, share in zip(places, shares, strict=True):
        axes.annotate(f"{share:.0%}", (share, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_xlabel("share of resamplings in which it is the best")
    axes.set_xlim(0, 1.05)
    return figure


def plot_predicted(target: np.ndarray, predicted: np.ndarray, label: str) -> Figure:
    """Return predictions against true values; whole values are spread a little."""
    figure, axes = _panel(6, 5.2, top=0.35)
    axes.plot(_spread(target), predicted, ".", color=BLUE, alpha=0.45)
    limits = [min(target.min(), predicted.min()), max(target.max(), predicted.max())]
    axes.plot(limits, limits, "--", color=SOFT, label="predicted = true")
    axes.set(xlabel=f"true {label}", ylabel=f"predicted {label}")
    _legend(axes)
    return figure


# --- the best one --------------------------------------------------------------------------------------------------------


def plot_intervals(names: Sequence[str], value: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Figure:
    """Return metrics with their intervals."""
    figure, axes, places = _rows(names, top=0.15)
    axes.hlines(places, low, high, color=BLUE, linewidth=4, alpha=0.5)
    axes.plot(value, places, "o", color=BLUE, markersize=8)
    axes.set_xlabel("value on the test rows, with its 95 % interval")
    return figure


def plot_residuals(target: np.ndarray, predicted: np.ndarray, label: str) -> Figure:
    """Return the residuals (true minus predicted) against the prediction, and how they are distributed."""
    figure, axes = _panel(8, 4, right=2.2, top=0.15)
    beside = figure.add_axes((1 - 2.05 / 8, 0.6 / 4, 1.85 / 8, (4 - 0.75) / 4), sharey=axes)
    residuals = target - predicted
    axes.plot(predicted, residuals, ".", color=BLUE, alpha=0.45)
    axes.axhline(0, color=SOFT, linestyle="--")
    axes.set(xlabel=f"predicted {label}", ylabel=f"true - predicted {label}")
    beside.hist(residuals, bins=25, orientation="horizontal", color=BLUE)
    beside.set_xlabel("rows")
    beside.tick_params(labelleft=False)
    return figure


def plot_calibration(mean_predicted: Sequence[float], mean_true: Sequence[float], label: str) -> Figure:
    """Return the mean true value of rows of about the same prediction against their mean prediction."""
    figure, axes = _panel(5.2, 4.4, top=0.35)
    limits = [min(*mean_predicted, *mean_true), max(*mean_predicted, *mean_true)]
    axes.plot(limits, limits, "--", color=SOFT, label="no bias")
    axes.plot(mean_predicted, mean_true, "o-", color=BLUE, label="a fifth of the rows each")
    axes.set(xlabel=f"mean predicted {label}", ylabel=f"mean true {label}")
    _legend(axes)
    return figure


def plot_grades(
    grades: Sequence[float], mae: Sequence[float], bias: Sequence[float], rows: Sequence[int], label: str
) -> Figure:
    """Return the mean absolute error and the bias of each grade."""
    figure, axes = _panel(7, 4, bottom=0.8)
    axes.bar(grades, mae, color=BLUE, width=0.6, label="mean absolute error")
    axes.plot(grades, bias, "D", color=ORANGE, label="bias (predicted - true)")
    axes.axhline(0, color=SOFT, linewidth=1)
    axes.set_xticks(list(grades), [f"{grade:g}\n{count} rows" for grade, count in zip(grades, rows, strict=True)])
    axes.set(xlabel=f"true {label}", ylabel=label)
    _legend(axes)
    return figure


def plot_importance(names: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> Figure:
    """Return how much R2 drops when a feature is shuffled, with its spread over shuffles."""
    figure, axes, places = _rows(names, top=0.15)
    axes.barh(places, mean, xerr=std, color=BLUE, height=0.6, error_kw={"ecolor": SOFT, "capsize": 3})
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_xlabel("drop of R2 when the column is shuffled")
    return figure


def plot_slices(names: Sequence[str], mae: Sequence[float], bias: Sequence[float], label: str) -> Figure:
    """Return the mean absolute error and the bias of slices of the rows."""
    figure, axes, places = _rows(names)
    axes.barh(places, mae, color=BLUE, height=0.6, label="mean absolute error")
    axes.plot(bias, places, "D", color=ORANGE, label="bias (predicted - true)")
    axes.axvline(0, color=SOFT, linewidth=1)
    axes.set_xlabel(label)
    _legend(axes)
    return figure


def plot_gain(gain: float, low: float, high: float, lower: float, *, needed: float, level: float, passed: bool) -> Figure:
    """Return the gain in R2 with its 90 % interval, the lower limit that decides, and the line that this must be above."""
    figure, axes = _panel(8, 2.1, left=0.3, top=0.75)
    left, right = min(low, lower, needed), max(high, needed)
    room = 0.12 * (right - left) or 0.1  # no gain, and no doubt about it
    axes.set_xlim(left - room, right + 2 * room)
    axes.axvspan(needed, right + 2 * room, color=GREEN, alpha=0.1)
    axes.text(right + 1.9 * room, 0.85, "the lower limit must be here", color=GREEN, ha="right", va="top")
    verdict, colour = ("the gate: passed", GREEN) if passed else ("the gate: not passed", ORANGE)
    axes.set_title(verdict, loc="right", color=colour, weight="bold")
    axes.plot([low, high], [0, 0], color=BLUE, linewidth=4, alpha=0.5, label="90 % interval", solid_capstyle="butt")
    axes.plot([gain], [0], "o", color=BLUE, markersize=10, label=f"gain {gain:+.4f}")
    axes.vlines([lower], -0.6, 0.6, color=ORANGE, linewidth=4, label=f"lower limit at {level:.1%}: {lower:+.4f}")
    axes.axvline(needed, color=SOFT, linestyle="--", label=f"it must be above {needed:g}")
    axes.set(xlabel="R2 of the challenger minus R2 of what it is held against", ylim=(-1, 1))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _legend(axes, 2)
    return figure


def plot_curve(
    rows: Sequence[int], train: Sequence[float], test: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> Figure:
    """Return R2 by the number of training rows: of these rows, and of the fold's others from the worst to the best fold."""
    figure, axes = _panel(7, 4)
    axes.fill_between(rows, low, high, color=BLUE, alpha=0.15, linewidth=0, label="not seen, all folds")
    axes.plot(rows, test, "o-", color=BLUE, label="not seen, mean")
    axes.plot(rows, train, "D--", color=ORANGE, label="learned from, mean")
    axes.set(xlabel="training rows", ylabel="R2")
    axes.grid(axis="y")
    _legend(axes)
    return figure


def plot_dependence(values: Sequence[float], mean: Sequence[float], feature: str, label: str) -> Figure:
    """Return the mean prediction when one column has the same value in all rows."""
    figure, axes = _panel(5.5, 3, top=0.15)
    axes.plot(values, mean, "o-", color=BLUE)
    axes.set(xlabel=feature, ylabel=f"mean predicted {label}")
    axes.grid(axis="y")
    return figure


def plot_pairs(names: Sequence[str], before: Sequence[float], after: Sequence[float], label: str) -> Figure:
    """Return a value before and after, side by side, for each name."""
    figure, axes, places = _rows(names)
    axes.hlines(places, before, after, color=LINE, linewidth=4)
    axes.plot(before, places, "D", color=ORANGE, markersize=11, fillstyle="none", label="before")  # seen around an equal one
    axes.plot(after, places, "o", color=BLUE, markersize=8, label="after")
    axes.set_xlabel(label)
    _legend(axes)
    return figure


# --- the chain -----------------------------------------------------------------------------------------------------------


def plot_timeline(names: Sequence[str], begun: Sequence[float], seconds: Sequence[float], reused: Sequence[bool]) -> Figure:
    """Return when each step was at work; a reused one took no time."""
    figure, axes, places = _rows(names, top=0.15)
    axes.barh(places, seconds, left=begun, color=BLUE, height=0.6)
    for place, start, took, again in zip(places, begun, seconds, reused, strict=True):
        text = "reused" if again else f"{took:.1f} s"
        axes.annotate(text, (start + took, place), xytext=(4, 0), textcoords="offset points", va="center")
    axes.set_xlabel("seconds since the chain began")
    axes.set_xlim(0, max([start + took for start, took in zip(begun, seconds, strict=True)], default=1) * 1.15 or 1)
    return figure


# --- live rows -----------------------------------------------------------------------------------------------------------


def plot_stability(names: Sequence[str], psi: Sequence[float], warn: float, drift: float) -> Figure:
    """Return the population stability index of each column, and from where on it is a warning and drift."""
    figure, axes, places = _rows(names)
    colours = [ORANGE if value >= drift else BLUE for value in psi]
    axes.barh(places, psi, color=colours, height=0.6)
    axes.axvline(warn, color=SOFT, linestyle=":", label=f"a warning from {warn:g}")
    axes.axvline(drift, color=ORANGE, linestyle="--", label=f"drift from {drift:g}")
    axes.set_xlabel("population stability index")
    axes.set_xlim(0, max(1.1 * max(psi), 1.3 * drift))
    _legend(axes, 2)
    return figure


def plot_shares_of_bins(bins: Sequence[str], then: np.ndarray, now: np.ndarray, label: str) -> Figure:
    """Return the shares of training and of live rows in each bin, side by side."""
    figure, axes, places = _rows(bins)
    axes.barh(places + 0.2, then, color=BLUE, height=0.38, label="training rows")
    axes.barh(places - 0.2, now, color=ORANGE, height=0.38, label="live rows")
    axes.set_xlabel(f"share of rows, by {_cut(label)}")
    _legend(axes, 2)
    return figure


def plot_trend(psi: Sequence[float], warn: float, drift: float) -> Figure:
    """Return the largest population stability index of each window."""
    figure, axes = _panel(8, 3)
    axes.plot(np.arange(1, len(psi) + 1), psi, "o-", color=BLUE, label="largest PSI")
    axes.axhline(warn, color=SOFT, linestyle=":", label=f"a warning from {warn:g}")
    axes.axhline(drift, color=ORANGE, linestyle="--", label=f"drift from {drift:g}")
    axes.set(xlabel="window", ylabel="population stability index", ylim=(0, max(1.1 * max(psi), 1.3 * drift)))
    axes.locator_params(axis="x", integer=True)
    _legend(axes, 3)
    return figure
