from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.plots import plot_grades, plot_leaderboard, plot_predicted, plot_residuals

TARGET, PREDICTED = np.array([5, 6, 5, 7]), np.array([5.2, 5.9, 4.8, 8.0])
PER_GRADE = [{"grade": 5, "rows": 30, "mae": 0.3, "bias": 0.1}, {"grade": 7, "rows": 2, "mae": 1.2, "bias": -1.2}]


def board() -> pd.DataFrame:
    return pd.DataFrame({"candidate": ["Best", "Second"], "cv_mean_score": [0.4, 0.3], "cv_std": [0.02, 0.05]})


def test_the_leaderboard_has_the_best_on_top_with_its_two_figures() -> None:
    axes = plot_leaderboard(board(), {"Second": 0.31, "Best": 0.42}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Second", "Best"]
    cross_validated, test = (next(line for line in axes.lines if line.get_marker() == marker) for marker in "oD")
    assert list(cross_validated.get_xdata()) == [0.3, 0.4]
    assert list(test.get_xdata()) == [0.31, 0.42]


def test_the_error_bars_of_the_leaderboard_are_one_standard_deviation() -> None:
    axes = plot_leaderboard(board(), {"Second": 0.31, "Best": 0.42}).axes[0]
    bars = sorted(segment[:, 0].tolist() for segment in axes.collections[0].get_segments())
    assert np.allclose(bars, [[0.25, 0.35], [0.38, 0.42]])


def test_whole_targets_are_spread_a_little_and_others_are_where_they_are() -> None:
    whole = plot_predicted(TARGET, PREDICTED, "M", "grade").axes[0].lines[0]
    assert np.abs(whole.get_xdata() - TARGET).max() <= 0.15
    assert len(np.unique(whole.get_xdata())) == 4
    assert list(whole.get_ydata()) == list(PREDICTED)
    other = plot_predicted(TARGET + 0.5, PREDICTED, "M", "grade").axes[0].lines[0]
    assert list(other.get_xdata()) == list(TARGET + 0.5)


def test_the_line_of_perfect_predictions_spans_both() -> None:
    axes = plot_predicted(TARGET, PREDICTED, "M", "grade").axes[0]
    assert list(axes.lines[1].get_xdata()) == list(axes.lines[1].get_ydata()) == [4.8, 8.0]
    assert (axes.get_xlabel(), axes.get_title()) == ("true grade", "M, test rows")


def test_residuals_are_true_minus_predicted() -> None:
    points, histogram = plot_residuals(TARGET, PREDICTED, "M", "grade").axes
    assert list(points.lines[0].get_xdata()) == list(PREDICTED)
    assert list(points.lines[0].get_ydata()) == list(TARGET - PREDICTED)
    assert sum(bar.get_width() for bar in histogram.patches) == 4


def test_each_grade_has_its_error_its_bias_and_its_rows() -> None:
    axes = plot_grades(PER_GRADE, "M").axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.3, 1.2]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5\n30 rows", "7\n2 rows"]
    (bias,) = (line for line in axes.lines if line.get_marker() == "D")
    assert list(bias.get_ydata()) == [0.1, -1.2]


@pytest.mark.parametrize(
    "figure",
    [
        plot_leaderboard(board(), {"Second": 0.31, "Best": 0.42}),
        plot_predicted(TARGET, PREDICTED, "M", "grade"),
        plot_residuals(TARGET, PREDICTED, "M", "grade"),
        plot_grades(PER_GRADE, "M"),
    ],
    ids=["leaderboard", "predicted", "residuals", "grades"],
)
def test_a_plot_can_be_saved_without_a_display(figure: Figure) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer)
    assert buffer.getvalue().startswith(b"\x89PNG")
