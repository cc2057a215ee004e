"""Figures and axes of plots, from plain results without computation.

All figures are WIDTH wide. Margins are computed from the measured width of text and not found by trial: that would draw every
plot twice. No text is cut; what is too long for its place is wrapped.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from recipeline.reports.hover import tell
from recipeline.reports.style import INK, LINE, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.3

#: Inches of a line of text, and of the label beside a row; a longer one stands above its row.
LINE_HEIGHT, _BESIDE = 0.19, 1.9
#: Inches below a line for what letters of all scripts have there.
_DEPTH = 0.12

#: Inches at the right and at the left of a figure without an axis there; EDGE where a tick may have a long number.
MARGIN, EDGE = 0.2, 0.32

_SIZE, _TITLE_SIZE, _KEY_SIZE = 11.0, 12.0, 10.0

_KEY = 0.42

#: Inches of a date at a tick.
_DATE = 0.9

#: How far above the middle of its row a label begins, in heights of a row.
_LABEL = 0.42


def panel(height: float, *, left: float = 0.6, right: float = MARGIN) -> Axes:
    """Return the axes of a new figure, of a height; all in inches.

    `finish` adds what is above and below them.
    """
    from matplotlib.figure import Figure  # half a second, which a card without a plot need not take

    figure = Figure(figsize=(WIDTH, height + 0.4))
    return figure.add_axes((left / WIDTH, 0.3 / (height + 0.4), (WIDTH - left - right) / WIDTH, height / (height + 0.4)))


def curve_axes(values: Sequence[Any]) -> Axes:
    """Return the axes of a curve over numbers or dates, with few enough ticks."""
    if not isinstance(values[0], np.datetime64):
        axes = panel(2.6)
        axes.locator_params(axis="x", nbins=5)
    else:
        from matplotlib.dates import MUSECONDS_PER_DAY, AutoDateFormatter, AutoDateLocator

        axes = panel(2.6, right=_DATE / 2)
        # Multiples of an interval begin anew each month, where the last one and the first of the next one would be too near.
        locator: Any = AutoDateLocator(minticks=2, maxticks=4, interval_multiples=False)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter = AutoDateFormatter(locator)  # type: ignore[no-untyped-call]
        formatter.scaled[1 / MUSECONDS_PER_DAY] = "%S.%f"
        axes.xaxis.set_major_formatter(formatter)
    axes.grid(axis="y")
    return axes


def row_axes(labels: Sequence[str], values: Sequence[str] | None = None) -> tuple[Axes, np.ndarray]:
    """Return the axes of horizontal rows, the first label on top, and row positions.

    A row has the text of `values` on hover, wherever in it. Labels stand at the left; where one of them needs more than two
    fifths of the width, all stand above their rows.
    """
    is_beside = max((measure(label) for label in labels), default=0.0) <= _BESIDE
    wrapped = [wrap(label, _BESIDE if is_beside else WIDTH - 2 * MARGIN) for label in labels]
    above = 0.0 if is_beside else max(label.count("\n") + 1 for label in wrapped) * LINE_HEIGHT / ROW + 0.1
    pitch, count = 1 + above, len(labels)
    left = 0.15 + max((measure(label) for label in wrapped), default=0.1) if is_beside else MARGIN
    axes = panel(ROW * (pitch * max(count, 1) + 0.3), left=left, right=0.3)
    places = np.arange(count)[::-1] * pitch
    if is_beside:
        axes.set_yticks(places, wrapped)
        axes.tick_params(axis="y", length=0)
    else:
        axes.set_yticks(places + _LABEL, wrapped)
        axes.tick_params(axis="y", length=0, pad=-2)
        axes.spines["left"].set_visible(False)
        for label in axes.get_yticklabels():
            label.set(ha="left", va="bottom")
    axes.set_ylim(-0.65, max(count - 1, 0) * pitch + 0.65 + above)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    for place, value in zip(places, values or (), strict=False):
        tell(axes.axhspan(place - 0.5, place + 0.5 + above, color=INK, alpha=0.001, linewidth=0), value)
    return axes, places


def mark_value(axes: Axes, places: np.ndarray, value: float, **style: Any) -> None:
    """Draw an upright line at a value of the rows of `row_axes`.

    Where labels stand above their rows, the line is beside each row only and crosses no label.
    """
    if _is_labelled_above(axes):
        axes.vlines(np.full(len(places), value), places - 0.5, places + _LABEL, **style)
    else:
        axes.axvline(value, **style)


def _is_labelled_above(axes: Axes) -> bool:
    """Whether the labels of rows stand above these."""
    return any(label.get_horizontalalignment() == "left" for label in axes.get_yticklabels())


def _interrupt_grid(axes: Axes) -> None:
    """Draw the grid beside each row only, where it would cross the labels above them."""
    if not (_is_labelled_above(axes) and any(line.get_visible() for line in axes.get_xgridlines())):
        return
    low, high = axes.get_xlim()
    axes.set_xlim(low, high)  # what is drawn now widens the axis no more
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    at, places = (values.ravel() for values in np.meshgrid(ticks, np.asarray(axes.get_yticks()) - _LABEL))
    axes.grid(visible=False)
    axes.vlines(at, places - 0.5, places + _LABEL, color=LINE, linewidth=0.8, zorder=0.5)


def finish(axes: Axes, title: str = "", *, x: str = "", y: str = "", room: float = 0.0, below: float = 0.0) -> Figure:
    """Write title, keys and names of the axes around them; return the figure.

    The figure grows by what they need. The name of the upright axis stands above it, where it can be read and is not cut.
    `room` are inches above the axes that are in use, `below` those of long names of ticks.
    """
    figure: Any = axes.figure
    _interrupt_grid(axes)
    handles, names = axes.get_legend_handles_labels()
    names = [wrap(name, WIDTH - 2 * MARGIN - _KEY, _KEY_SIZE) for name in names]
    title = wrap(title, WIDTH - 2 * 0.12, _TITLE_SIZE, is_bold=True)
    widest = max((measure(name, _KEY_SIZE) for name in names), default=0.0) + _KEY
    columns = max(1, min(len(names), int((WIDTH - MARGIN) / (widest + 0.1))))
    down = -(-len(names) // columns)  # keys stand one below the other, then in the next column
    key_lines = [max(name.count("\n") + 1 for name in names[row::down]) for row in range(down)]
    at_left = (axes.get_position().x0) * WIDTH
    y = wrap(y, WIDTH - 2 * 0.12)
    heights = [
        (title.count("\n") + 1) * 0.21 + 0.06 if title else 0.0,
        sum(key_lines) * 0.19 + 0.06 if key_lines else 0.0,
        (y.count("\n") + 1) * LINE_HEIGHT + 0.04 if y else 0.0,
    ]
    x = wrap(x, WIDTH - 2 * 0.12)
    height = grow(figure, sum(heights) + room, below + ((x.count("\n") + 1) * LINE_HEIGHT + _DEPTH if x else 0.0))
    if title:
        figure.text(0.12 / WIDTH, 1 - 0.06 / height, title, va="top", weight="bold", fontsize=_TITLE_SIZE, linespacing=1.2)
    if names:
        anchor = (0.06 / WIDTH, 1 - (0.04 + heights[0]) / height)
        axes.legend(
            handles,
            names,
            loc="upper left",
            bbox_to_anchor=anchor,
            bbox_transform=figure.transFigure,
            ncols=columns,
            borderaxespad=0,
            borderpad=0.1,
            handletextpad=0.5,
            columnspacing=1.0,
            handlelength=1.5,
            labelspacing=0.3,
            fontsize=_KEY_SIZE,
        )
    box = axes.get_position()
    if y:
        axes.set_ylabel(y, rotation=0, ha="left", va="bottom")
        axes.yaxis.set_label_coords((0.12 - at_left) / (box.width * WIDTH), 1 + (0.06 + room) / (box.height * height))
    if x:
        middle = (box.x0 + box.width / 2) * WIDTH
        half = max(measure(line) for line in x.split("\n")) / 2
        axes.set_xlabel(x, ha="center", va="top")
        # Where the middle of the axis is too near the edge for its name, the name moves inwards.
        middle = min(max(middle, half + 0.12), WIDTH - half - 0.12)
        lowest = min(one.get_position().y0 for one in figure.axes)
        transform = figure.transFigure
        axes.xaxis.set_label_coords(middle / WIDTH, lowest - (0.27 + below) / height, transform=transform)
    return axes.figure  # type: ignore[return-value]


def grow(figure: Any, above: float, below: float) -> float:
    """Add inches above and below all axes; return the new height."""
    before = float(figure.get_figheight())
    height: float = before + above + below
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position((box.x0, (box.y0 * before + below) / height, box.width, box.height * before / height))
    figure.set_size_inches(WIDTH, height)
    return height


@lru_cache(maxsize=4096)
def measure(text: str, size: float = _SIZE, *, is_bold: bool = False) -> float:
    """Return the width of the widest line of a text in inches, rather too much.

    DejaVu Sans is the widest of the fonts that a page may have; characters that it may lack count as its widest letter, or as
    what the picture has in their place, which for some of them are several boxes.
    """
    font = _font(is_bold)
    font.set_size(size, 72)

    def measure_line(line: str) -> float:
        font.set_text(line, 0)
        return float(font.get_width_height()[0] / 64 / 72)

    in_letters = re.sub(r"[^\n\u0020-\u024f]", "W", text)
    inches = max(map(measure_line, in_letters.split("\n")))
    if in_letters != text:
        with warnings.catch_warnings(action="ignore"):  # drawing warns of characters that the font lacks
            inches = max(inches, *map(measure_line, text.split("\n")))
    return 1.03 * inches


@lru_cache(maxsize=2)
def _font(is_bold: bool) -> Any:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if is_bold else "normal")))


def wrap(text: str, inches: float, size: float = _SIZE, *, is_bold: bool = False) -> str:
    """Return a text in lines of at most a width; a longer word is broken."""

    def is_in(words: str) -> bool:
        return measure(words, size, is_bold=is_bold) <= inches

    lines: list[str] = []
    for word in text.split():
        if lines and is_in(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
            continue
        rest = word
        while rest and not is_in(rest):
            fit = next(end for end in range(len(rest) - 1, 0, -1) if end == 1 or is_in(rest[:end]))
            lines.append(rest[:fit])
            rest = rest[fit:]
        if rest:
            lines.append(rest)
    return "\n".join(lines)


def is_graded(target: np.ndarray) -> bool:
    return bool(np.all(target == np.rint(target))) and len(np.unique(target)) < 30


def spread_points(target: np.ndarray) -> np.ndarray:
    """Return the target with jitter where values are whole numbers."""
    if not is_graded(target):
        return target
    spread: np.ndarray = target + np.random.default_rng(0).uniform(-0.18, 0.18, len(target))
    return spread
