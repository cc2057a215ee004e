from __future__ import annotations

import numpy as np
import pytest

from recipeline.reports.plots.model import (
    Limit,
    Measured,
    plot_calibration,
    plot_curve,
    plot_dependence,
    plot_grades,
    plot_importance,
    plot_leaderboard,
    plot_measured,
    plot_predicted,
    plot_residuals,
    plot_shares,
    plot_slices,
)
from recipeline.reports.style import GREEN, ORANGE
from tests.reports.plots.helpers import assert_drawn, assert_inside, assert_labelled, assert_told, markers

NAN = float("nan")
TARGET, PREDICTED = np.array([5.0, 6, 5, 7]), np.array([5.2, 5.9, 4.8, 8.0])
DATES = np.array(["2024-01-28", "2024-02-01", "2024-02-09"], dtype="datetime64[us]")
FOLDS = np.array([[0.3, 0.5], [0.2, 0.4]])
MEASURED = [
    ("1 is perfect", [Measured("R2", 0.4, 0.3, 0.5, (Limit("at least", 0.2, True),))]),
    ("grade", [Measured("RMSE", 0.7, 0.6, 0.8), Measured("MAE", 0.6, 0.5, 0.7, (Limit("at most", 0.55, False),))]),
]

FIGURES = {
    "leaderboard": lambda: plot_leaderboard(["A", "B"], [0.4, 0.3], FOLDS, label="R2"),
    "leaderboard with test rows": lambda: plot_leaderboard(["A", "B"], [0.4, 0.3], FOLDS, [0.35, 0.31], label="R2"),
    "shares": lambda: plot_shares(["A", "B"], [0.9, 0.1]),
    "predicted": lambda: plot_predicted(TARGET, PREDICTED, "grade"),
    "measured": lambda: plot_measured(MEASURED, "Does Best pass its gates? It fails one of two"),
    "residuals": lambda: plot_residuals(TARGET, PREDICTED, "grade"),
    "calibration": lambda: plot_calibration([5, 6], [5.1, 5.8], "grade"),
    "grades": lambda: plot_grades([5, 7], [0.3, 1.2], [0.1, -1.2], [30, 2], "grade"),
    "importance": lambda: plot_importance(["a", "b"], [0.3, -0.01], [0.02, 0.01], "R2"),
    "slices": lambda: plot_slices(["all"], [0.4], [(0.3, 0.6)], [-0.1], "grade"),
    "curve": lambda: plot_curve([10, 20], [0.7, 0.7], [0.3, 0.4], [0.2, 0.3], [0.4, 0.5], "R2"),
    "dependence": lambda: plot_dependence([1, 2], [5.5, 5.7], "alcohol (% vol)", "grade"),
    "dependence on dates": lambda: plot_dependence(list(DATES), [5.5, 5.7, 5.1], "sold on", "grade"),
    "long names": lambda: plot_slices(["a name of " + "very " * 30 + "many words"], [0.4], [(0.3, 0.6)], [-0.1], "grade"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_can_be_drawn_without_a_display(name: str) -> None:
    assert_drawn(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_of_a_picture_lies_outside_of_it(name: str) -> None:
    assert_inside(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_says_what_it_is(name: str) -> None:
    assert_labelled(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_values_are_shown_on_hover(name: str) -> None:
    assert_told(FIGURES[name])


def test_metrics_share_an_axis_only_with_those_of_their_unit_and_have_their_gates_and_the_decision() -> None:
    figure = FIGURES["measured"]()
    assert [axes.get_xlabel() for axes in figure.axes] == ["1 is perfect", "grade"]
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [
        ["R2 0.4", "passes: at least 0.2"],
        ["RMSE 0.7", "MAE 0.6", "fails: at most 0.55"],
    ]
    assert [text.get_color() for axes in figure.axes for text in axes.texts if ":" in text.get_text()] == [GREEN, ORANGE]
    gates = [[float(line.get_segments()[0][0, 0]) for line in axes.collections[:-1]] for axes in figure.axes]
    assert gates == [[0.2], [0.55]]


def test_what_fails_is_said_before_what_passes() -> None:
    both = (Limit("at most", 0.9, True), Limit("below", 0.5, False))
    axes = plot_measured([("grade", [Measured("RMSE", 0.7, NAN, NAN, both)])]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["RMSE 0.7", "fails: below 0.5"]


def test_the_leaderboard_has_the_best_on_top_with_its_folds_and_both_figures() -> None:
    axes = plot_leaderboard(["Best", "Second"], [0.4, 0.3], FOLDS, [0.35, 0.31], label="R2").axes[0]
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
    # Its first number would stand on the last one of the points.
    assert histogram.get_xlim()[0] == 0 < histogram.get_xticks()[0]


def test_each_grade_has_its_error_its_bias_and_its_rows() -> None:
    axes = plot_grades([5, 7], [0.3, 1.2], [0.1, -1.2], [30, 2], "grade").axes[0]
    bars = [bar.get_width() for bar in axes.patches if abs(bar.get_height() - 0.6) < 1e-9]
    assert bars == [0.3, 1.2]
    assert markers(axes, "D") == [0.1, -1.2]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["5: 30 rows", "7: 2 rows"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("error of grade", "true grade")
