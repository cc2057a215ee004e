"""Facts of every picture, and the values that one shows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recipeline.reports.style import as_png, as_svg, styled


def markers(axes: Axes, marker: str) -> list[float]:
    """Return where the marks of one shape are."""
    (line,) = (line for line in axes.lines if line.get_marker() == marker)
    return list(np.asarray(line.get_xdata(), dtype=float))


def texts(figure: Figure) -> list[str]:
    """Return what is written at the axes and in the legends."""
    legends = [legend.get_texts() for axes in figure.axes if (legend := axes.get_legend())]
    labels = [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label)]
    return [text.get_text() for text in (*labels, *(text for legend in legends for text in legend))]


def assert_drawn(draw: Callable[[], Figure]) -> None:
    """Assert that a picture can be drawn in both of its forms, without a display."""
    with styled():
        figure = draw()
        assert as_png(figure).startswith(b"\x89PNG")
        assert as_svg(figure).startswith("<svg")


def assert_inside(draw: Callable[[], Figure]) -> None:
    """Assert that nothing of a picture lies outside of it."""
    with styled():
        figure = draw()
        figure.draw_without_rendering()
        width, height = figure.bbox.size
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        boxes += [legend.get_window_extent() for axes in figure.axes if (legend := axes.get_legend())]
    boxes += [text.get_window_extent() for text in figure.texts]
    boxes += [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    for box in boxes:
        assert box is not None
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1


def assert_apart(draw: Callable[[], Figure]) -> None:
    """Assert that no number or date at a tick runs into the next one."""
    with styled():
        figure = draw()
        figure.draw_without_rendering()
        for axes in figure.axes:
            low, high = axes.get_xlim()
            ticks = axes.xaxis.get_major_ticks()
            boxes = [it.label1.get_window_extent() for it in ticks if low <= it.get_loc() <= high and it.label1.get_text()]
            boxes.sort(key=lambda box: box.x0)
            assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def assert_told(draw: Callable[[], Figure]) -> None:
    """Assert that values of a picture are shown on hover."""
    with styled():
        assert "<title>" in as_svg(draw())


def assert_labelled(draw: Callable[[], Figure]) -> None:
    """Assert that every axis with ticks says what it is."""
    for axes in draw().axes:
        if axes.get_xticklabels():
            assert axes.get_xlabel()
