from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recipeline.reports.plots.change import plot_gain, plot_pairs, plot_timeline
from recipeline.reports.plots.model import (
    plot_calibration,
    plot_curve,
    plot_dependence,
    plot_grades,
    plot_importance,
    plot_intervals,
    plot_leaderboard,
    plot_predicted,
    plot_residuals,
    plot_shares,
    plot_slices,
)
from recipeline.reports.plots.rows import plot_correlations, plot_differences, plot_distributions, plot_memory, plot_twins
from recipeline.reports.style import VARIABLES, as_png, as_svg, styled

TARGET, PREDICTED = np.array([5.0, 6, 5, 7]), np.array([5.2, 5.9, 4.8, 8.0])
FOLDS = np.array([[0.3, 0.5], [0.2, 0.4]])
CORRELATIONS = np.array([[1, -0.5], [-0.5, 1]])
GAIN = {"needed": 0.0, "level": 0.95, "passed": True}

FIGURES = {
    "distributions": lambda: plot_distributions({"a": np.array([1.0, 3, 0])}, {"a": (0, 9.5)}),
    "a column without values": lambda: plot_distributions({"a": np.zeros(3)}, {"a": (0, 0)}),
    "correlations": lambda: plot_correlations(["a", "b"], CORRELATIONS),
    "twins": lambda: plot_twins({"random": (64, 320), "grouped": (0, 299)}),
    "memory": lambda: plot_memory({"with": 1.0, "all": 0.07, "without": -0.1}),
    "differences": lambda: plot_differences(["a", "b"], [0.02, 0.3], [0.1, 0.2]),
    "leaderboard": lambda: plot_leaderboard(["A", "B"], [0.4, 0.3], FOLDS),
    "leaderboard with test rows": lambda: plot_leaderboard(["A", "B"], [0.4, 0.3], FOLDS, [0.35, 0.31]),
    "shares": lambda: plot_shares(["A", "B"], [0.9, 0.1]),
    "predicted": lambda: plot_predicted(TARGET, PREDICTED, "grade"),
    "intervals": lambda: plot_intervals(["R2"], [0.4], [0.3], [0.5]),
    "residuals": lambda: plot_residuals(TARGET, PREDICTED, "grade"),
    "calibration": lambda: plot_calibration([5, 6], [5.1, 5.8], "grade"),
    "grades": lambda: plot_grades([5, 7], [0.3, 1.2], [0.1, -1.2], [30, 2], "grade"),
    "importance": lambda: plot_importance(["a", "b"], [0.3, -0.01], [0.02, 0.01]),
    "slices": lambda: plot_slices(["all"], [0.4], [-0.1], "grade"),
    "gain": lambda: plot_gain(0.03, 0.01, 0.05, 0.002, **GAIN),
    "curve": lambda: plot_curve([10, 20], [0.7, 0.7], [0.3, 0.4], [0.2, 0.3], [0.4, 0.5]),
    "dependence": lambda: plot_dependence([1, 2], [5.5, 5.7], "alcohol (% vol)", "grade"),
    "pairs": lambda: plot_pairs(["A"], [0.3], [0.4], "R2"),
    "timeline": lambda: plot_timeline(["ingest", "train"], [0, 1], [1, 5], [True, False]),
    "long names": lambda: plot_slices(["a name of " + "very " * 30 + "many words"], [0.4], [-0.1], "grade"),
    "an empty timeline": lambda: plot_timeline([], [], [], []),
}


def markers(axes: Axes, marker: str) -> list[float]:
    (line,) = (line for line in axes.lines if line.get_marker() == marker)
    return list(np.asarray(line.get_xdata(), dtype=float))


def texts(figure: Figure) -> list[str]:
    legends = [legend.get_texts() for axes in figure.axes if (legend := axes.get_legend())]
    labels = [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label)]
    return [text.get_text() for text in (*labels, *(text for legend in legends for text in legend))]


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_can_be_drawn_without_a_display(name: str) -> None:
    with styled():
        figure = FIGURES[name]()
        assert as_png(figure).startswith(b"\x89PNG")
        assert as_svg(figure).startswith("<svg")


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_of_a_picture_lies_outside_of_it(name: str) -> None:
    with styled():
        figure = FIGURES[name]()
        figure.draw_without_rendering()
        width, height = figure.bbox.size
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        boxes += [legend.get_window_extent() for axes in figure.axes if (legend := axes.get_legend())]
    for box in boxes:
        assert box is not None
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_says_what_it_is(name: str) -> None:
    for axes in FIGURES[name]().axes:
        if axes.get_xticklabels() and name != "correlations":
            assert axes.get_xlabel()


def test_the_leaderboard_has_the_best_on_top_with_its_folds_and_both_figures() -> None:
    axes = plot_leaderboard(["Best", "Second"], [0.4, 0.3], FOLDS, [0.35, 0.31]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Best", "Second"]
    assert list(axes.get_yticks()) == [1, 0]
    assert markers(axes, "o") == [0.4, 0.3]
    assert markers(axes, "D") == [0.35, 0.31]
    assert [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()] == [[0.3, 0.5], [0.2, 0.4]]


def test_whole_targets_are_spread_a_little_and_others_are_where_they_are() -> None:
    whole = plot_predicted(TARGET, PREDICTED, "grade").axes[0].lines[0]
    assert np.abs(np.asarray(whole.get_xdata()) - TARGET).max() <= 0.18
    assert len(np.unique(whole.get_xdata())) == 4
    assert list(whole.get_ydata()) == list(PREDICTED)
    other = plot_predicted(TARGET + 0.5, PREDICTED, "grade").axes[0].lines[0]
    assert list(other.get_xdata()) == list(TARGET + 0.5)


def test_residuals_are_true_minus_predicted_and_all_of_them_are_counted() -> None:
    points, histogram = plot_residuals(TARGET, PREDICTED, "grade").axes
    assert list(points.lines[0].get_ydata()) == list(TARGET - PREDICTED)
    assert sum(bar.get_width() for bar in histogram.patches) == 4


def test_each_grade_has_its_error_its_bias_and_its_rows() -> None:
    axes = plot_grades([5, 7], [0.3, 1.2], [0.1, -1.2], [30, 2], "grade").axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.3, 1.2]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5\n30 rows", "7\n2 rows"]


@pytest.mark.parametrize(("passed", "verdict"), [(True, "the gate: passed"), (False, "the gate: not passed")])
def test_the_picture_of_the_gate_says_how_it_ends_and_where_it_passes(passed: bool, verdict: str) -> None:
    figure = plot_gain(0.03, 0.01, 0.05, -0.002, needed=0.0, level=0.95, passed=passed)
    axes = figure.axes[0]
    assert axes.get_title(loc="right") == verdict
    assert [text.get_text() for text in axes.texts] == ["the lower limit must be here"]
    assert {"gain +0.0300", "lower limit at 95.0%: -0.0020", "it must be above 0"} <= set(texts(figure))
    low, high = axes.get_xlim()
    assert low < -0.002
    assert high > 0.05


def test_the_picture_of_twins_counts_them_for_each_split() -> None:
    figure = plot_twins({"a plain random split": (64, 320), "this split, grouped": (0, 299)})
    assert [text.get_text() for text in figure.axes[0].texts] == ["64", "0"]
    assert "test rows with a twin in training" in texts(figure)


def test_columns_beyond_chance_have_another_mark() -> None:
    axes = plot_differences(["a", "b", "c"], [0.02, 0.3, 0.1], [0.1, 0.1, 0.1]).axes[0]
    assert markers(axes, "o") == [0.02, 0.1]
    assert markers(axes, "D") == [0.3]


def test_a_reused_step_is_named_so() -> None:
    axes = plot_timeline(["ingest", "train"], [0, 1], [0, 5], [True, False]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["reused", "5.0 s"]


def test_the_users_own_style_does_not_reach_the_pictures() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"text.usetex": True, "axes.facecolor": "black"}), styled():
        assert mpl.rcParams["text.usetex"] is False
        assert "#000000" not in as_svg(plot_shares(["A"], [1.0]))


def test_the_colours_of_the_style_are_told_apart_by_the_colour_blind() -> None:
    """Viénot, Brettel and Mollon (1999): what a protanope and a deuteranope see, and how far apart that is in CIE L*a*b*."""
    seen = [
        np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
        np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
    ]
    data = {colour: name for colour, name in VARIABLES.items() if name in ("blue", "orange", "green")}
    for matrix in seen:
        labs = [to_lab(matrix @ linear(colour)) for colour in data]
        distances = [np.linalg.norm(a - b) for place, a in enumerate(labs) for b in labs[place + 1 :]]
        assert min(distances) > 10


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(matrix @ rgb, 0, None) / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
