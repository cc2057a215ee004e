from __future__ import annotations

import numpy as np
import pytest

from recipeline.reports.plots.axes import LONGEST, cut_label, is_graded, legend, panel, row_axes, spread_points


def test_a_panel_has_its_margins_in_inches() -> None:
    figure, axes = panel(8, 4, left=1, right=2, top=0.5, bottom=1)
    assert figure.get_size_inches().tolist() == [8, 4]
    assert axes.get_position().bounds == pytest.approx((1 / 8, 1 / 4, 5 / 8, 2.5 / 4))


def test_rows_stand_from_top_to_bottom_and_make_the_picture_higher() -> None:
    figure, axes, places = row_axes(["first", "second", "third"])
    assert places.tolist() == [2, 1, 0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second", "third"]
    assert figure.get_size_inches()[1] > row_axes(["first"])[0].get_size_inches()[1]
    assert row_axes([])[2].tolist() == []


def test_a_long_label_is_cut_in_the_picture() -> None:
    assert cut_label("a" * LONGEST) == "a" * LONGEST
    assert cut_label("a" * (LONGEST + 1)) == "a" * (LONGEST - 1) + "…"


def test_whole_targets_of_few_values_are_grades_and_others_are_not() -> None:
    assert is_graded(np.array([3.0, 5.0, 5.0]))
    assert not is_graded(np.array([3.0, 5.5]))
    assert not is_graded(np.arange(30.0))


def test_grades_are_spread_alike_each_time_and_other_targets_not_at_all() -> None:
    grades, other = np.full(50, 5.0), np.array([0.5, 1.5])
    np.testing.assert_array_equal(spread_points(grades), spread_points(grades))
    assert 0 < np.abs(spread_points(grades) - grades).max() <= 0.18
    assert spread_points(other) is other


def test_a_legend_stands_above_the_picture() -> None:
    _, axes = panel(4, 3)
    axes.plot([0, 1], label="a line")
    legend(axes)
    found = axes.get_legend()
    assert [text.get_text() for text in found.get_texts()] == ["a line"]
    assert found.get_bbox_to_anchor().y0 == pytest.approx(axes.bbox.y1)
