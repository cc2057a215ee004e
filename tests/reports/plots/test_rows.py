from __future__ import annotations

import numpy as np
import pytest

from recipeline.reports.plots.rows import (
    plot_correlations,
    plot_differences,
    plot_distributions,
    plot_memory,
    plot_strongest,
    plot_twins,
)
from tests.reports.plots.helpers import assert_drawn, assert_inside, assert_labelled, assert_told, markers, texts

CORRELATIONS = np.array([[1, -0.5], [-0.5, 1]])

FIGURES = {
    "distributions": lambda: plot_distributions({"a": np.array([1.0, 3, 0])}, {"a": "0 to 9.5"}),
    "a column without values": lambda: plot_distributions({"a": np.zeros(3)}, {"a": "0 to 0"}),
    "correlations": lambda: plot_correlations(["a", "b"], CORRELATIONS),
    "correlations of many": lambda: plot_correlations([f"column {n}" for n in range(14)], np.full((14, 14), -0.25)),
    "strongest": lambda: plot_strongest(["a and b", "a and c"], [0.9, -0.5]),
    "twins": lambda: plot_twins({"random": (64, 320), "grouped": (0, 299)}),
    "memory": lambda: plot_memory({"with": 1.0, "all": 0.07, "without": -0.1}, "R2", "R2 (1 is perfect)"),
    "differences": lambda: plot_differences(["a", "b"], [0.02, 0.3], [0.1, 0.2]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_can_be_drawn_without_a_display(name: str) -> None:
    assert_drawn(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_of_a_picture_lies_outside_of_it(name: str) -> None:
    assert_inside(FIGURES[name])


@pytest.mark.parametrize("name", [name for name in FIGURES if "correlations" not in name])
def test_every_axis_says_what_it_is(name: str) -> None:
    assert_labelled(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_values_are_shown_on_hover(name: str) -> None:
    assert_told(FIGURES[name])


def test_each_pair_of_columns_has_one_cell_with_its_correlation() -> None:
    axes = plot_correlations(["a", "b", "c"], np.array([[1, -0.5, 0.25], [-0.5, 1, 0.75], [0.25, 0.75, 1]])).axes[0]
    written = {(text.get_position(), text.get_text()) for text in axes.texts}
    assert written == {((0.5, 1.5), "50"), ((0.5, 0.5), "25"), ((1.5, 0.5), "75")}


def test_the_picture_of_twins_counts_them_for_each_split() -> None:
    figure = plot_twins({"a plain random split": (64, 320), "this split, grouped": (0, 299)})
    assert [text.get_text() for text in figure.axes[0].texts] == ["64 of 320", "0 of 299"]
    assert "test rows with a twin in training" in texts(figure)


def test_columns_beyond_chance_have_another_mark() -> None:
    axes = plot_differences(["a", "b", "c"], [0.02, 0.3, 0.1], [0.1, 0.1, 0.1]).axes[0]
    assert markers(axes, "o") == [0.02, 0.1]
    assert markers(axes, "D") == [0.3]
