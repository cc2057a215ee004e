"""The pictures of an evaluation, drawn from plain results; nothing is computed here that a file does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pipeline.evidence import Gain

_BLUE, _GREY, _ORANGE = "#33658a", "#8a8f98", "#e4572e"


def plot_leaderboard(board: pd.DataFrame, test_r2: dict[str, float]) -> Figure:
    """Return the candidates' cross-validated R2, mean and standard deviation over the folds, with test R2 beside it."""
    board = board.iloc[::-1]
    figure = Figure(figsize=(7, 0.45 * len(board) + 1.4), layout="tight")
    axes = figure.subplots()
    places = np.arange(len(board))
    axes.errorbar(
        board["cv_mean_score"],
        places,
        xerr=board["cv_std"],
        fmt="o",
        color=_BLUE,
        capsize=3,
        label="cross-validation, mean ± std",
    )
    axes.plot([test_r2[name] for name in board["candidate"]], places, "D", color=_ORANGE, label="test rows")
    axes.set_yticks(places, board["candidate"])
    axes.set_xlabel("R2")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure


def plot_predicted(target: np.ndarray, predicted: np.ndarray, name: str, label: str) -> Figure:
    """Return the predictions of the test rows against their true values, spread a little where values are whole."""
    figure = Figure(figsize=(5.5, 5), layout="tight")
    axes = figure.subplots()
    whole = bool(np.all(target == np.rint(target))) and len(np.unique(target)) < 30
    spread = np.random.default_rng(0).uniform(-0.15, 0.15, len(target)) if whole else 0.0
    axes.plot(target + spread, predicted, ".", color=_BLUE, alpha=0.5)
    limits = [min(target.min(), predicted.min()), max(target.max(), predicted.max())]
    axes.plot(limits, limits, "--", color=_GREY, label="predicted = true")
    axes.set(xlabel=f"true {label}", ylabel=f"predicted {label}", title=f"{name}, test rows")
    axes.legend(frameon=False)
    return figure


def plot_residuals(target: np.ndarray, predicted: np.ndarray, name: str, label: str) -> Figure:
    """Return the residuals (true minus predicted) of the test rows against the prediction, and how they are distributed."""
    residuals = target - predicted
    figure = Figure(figsize=(8, 4), layout="tight")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1], sharey=True)
    left.plot(predicted, residuals, ".", color=_BLUE, alpha=0.5)
    left.axhline(0, color=_GREY, linestyle="--")
    left.set(xlabel=f"predicted {label}", ylabel="true - predicted", title=f"{name}, test rows")
    right.hist(residuals, bins=30, orientation="horizontal", color=_BLUE)
    right.set(xlabel="rows")
    return figure


def plot_grades(per_grade: list[dict[str, Any]], name: str) -> Figure:
    """Return the mean absolute error and the bias of each grade, with the number of test rows it stands on."""
    figure = Figure(figsize=(6.5, 4), layout="tight")
    axes = figure.subplots()
    grades = [entry["grade"] for entry in per_grade]
    axes.bar(grades, [entry["mae"] for entry in per_grade], color=_BLUE, width=0.6, label="mean absolute error")
    axes.plot(grades, [entry["bias"] for entry in per_grade], "D", color=_ORANGE, label="bias (predicted - true)")
    axes.axhline(0, color=_GREY, linewidth=0.8)
    axes.set_xticks(grades, [f"{entry['grade']}\n{entry['rows']} rows" for entry in per_grade])
    axes.set(xlabel="true grade", title=f"{name}, test rows")
    axes.legend(frameon=False)
    return figure


def plot_gain(gain: Gain, *, needed: float, opponent: str) -> Figure:
    """Return the gain in R2 with its 90 % interval, the lower limit that decides, and the line that this must be above."""
    figure = Figure(figsize=(7, 2.2), layout="tight")
    axes = figure.subplots()
    low, high = gain.interval_90
    axes.plot([low, high], [0, 0], color=_BLUE, linewidth=3, label="90 % interval", solid_capstyle="butt")
    axes.plot([gain.gain], [0], "o", color=_BLUE, markersize=9, label=f"gain {gain.gain:+.4f}")
    axes.plot([gain.lower], [0], "|", color=_ORANGE, markersize=28, markeredgewidth=3, label=f"lower limit, {gain.level:.1%}")
    axes.axvline(needed, color=_GREY, linestyle="--", label=f"must be above {needed:g}")
    axes.set(xlabel=f"R2 of the challenger minus R2 of {opponent}, {gain.rows} rows", ylim=(-1, 1))
    axes.set_yticks([])
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, fontsize="small")
    return figure
