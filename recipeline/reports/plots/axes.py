"""Figures and axes of plots, from plain results without computation.

Margins are given in inches and not found by trial: that would draw every plot twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHARACTER = 0.088  # inches, about, of the font that is drawn with

ROW = 0.34

# Characters of a label; what is longer is cut in the picture, and whole in the table below it.
LONGEST = 40


def panel(
    width: float, height: float, *, left: float = 0.75, right: float = 0.2, top: float = 0.45, bottom: float = 0.6
) -> tuple[Figure, Axes]:
    """Return a figure of one pair of axes; all in inches."""
    from matplotlib.figure import Figure  # half a second, which a card without a plot need not take

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height))
    return figure, axes


def row_axes(labels: Sequence[str], width: float = 8, *, top: float = 0.45) -> tuple[Figure, Axes, np.ndarray]:
    """Return a figure of horizontal rows, the first label on top, and row positions."""
    labels = [cut_label(label) for label in labels]
    left = 0.25 + CHARACTER * max(map(len, labels), default=1)
    figure, axes = panel(width, ROW * len(labels) + top + 0.65, left=left, right=0.45, top=top)
    places = np.arange(len(labels))[::-1]
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.7, len(labels) - 0.3)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    return figure, axes, places


def cut_label(label: str) -> str:
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"


def legend(axes: Axes, columns: int = 3) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2, handletextpad=0.5, fontsize=10)


def is_graded(target: np.ndarray) -> bool:
    return bool(np.all(target == np.rint(target))) and len(np.unique(target)) < 30


def spread_points(target: np.ndarray) -> np.ndarray:
    """Return the target with jitter where values are whole numbers."""
    if not is_graded(target):
        return target
    spread: np.ndarray = target + np.random.default_rng(0).uniform(-0.18, 0.18, len(target))
    return spread
