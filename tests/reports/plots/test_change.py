from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from recipeline.reports.plots.change import (
    Change,
    direction,
    plot_changes,
    plot_gain,
    plot_pairs,
    plot_shares_of_bins,
    plot_stability,
    plot_trend,
)
from recipeline.reports.style import GREEN, ORANGE, SOFT
from tests.reports.plots.helpers import assert_drawn, assert_inside, assert_labelled, assert_told, texts

NAN = float("nan")
GAIN: dict[str, Any] = {"needed": 0.0, "level": 0.95, "passed": True, "skill": "R2"}
CHANGES = [Change("test R2", 0.31, 0.42, -0.11), Change("test MAE", 0.5, 0.51, 0.01), Change("CV R2 mean", 0.3, 0.3, 0.0)]

FIGURES = {
    "gain": lambda: plot_gain(0.03, 0.01, 0.05, 0.002, **GAIN),
    "gain of classes": lambda: plot_gain(0.03, 0.01, 0.05, 0.002, **GAIN | {"skill": "Brier skill"}),
    "pairs": lambda: plot_pairs(["A"], [0.3], [0.4], "R2"),
    "changes": lambda: plot_changes(CHANGES, "Better than the last run? R2 is, MAE is not"),
    "stability": lambda: plot_stability(["a", "b"], [0.3, 0.05], 0.1, 0.2),
    "shares of bins": lambda: plot_shares_of_bins(["below 3", "3 and more"], np.array([0.4, 0.6]), np.array([0.5, 0.5]), "pH"),
    "trend": lambda: plot_trend([0.05, 0.15, 0.3], 0.1, 0.2),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_can_be_drawn_without_a_display(name: str) -> None:
    assert_drawn(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_of_a_picture_lies_outside_of_it(name: str) -> None:
    assert_inside(FIGURES[name])


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "changes"])  # whose axes stand below a metric's name
def test_every_axis_says_what_it_is(name: str) -> None:
    assert_labelled(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_values_are_shown_on_hover(name: str) -> None:
    assert_told(FIGURES[name])


@pytest.mark.parametrize(
    ("passed", "is_synthetic", "verdict", "colour"),
    [
        (True, False, "the gate: passed", GREEN),
        (False, False, "the gate: not passed", ORANGE),
        (True, True, "the gate: passed, on synthetic rows", SOFT),
    ],
)
def test_the_picture_of_the_gate_says_how_it_ends_and_where_it_passes(
    passed: bool, is_synthetic: bool, verdict: str, colour: str
) -> None:
    figure = plot_gain(
        *(0.03, 0.01, 0.05, -0.002),
        **GAIN | {"passed": passed, "is_synthetic": is_synthetic, "title": "Is it better? Not shown"},
    )
    axes = figure.axes[0]
    assert [(text.get_text(), text.get_color()) for text in axes.texts] == [(verdict, colour)]
    assert [text.get_text() for text in figure.texts] == ["Is it better? Not shown"]
    said = {"gain +0.0300", "lower limit at 95.0%, which decides: -0.0020", "the lower limit must be here: above 0"}
    assert said <= set(texts(figure))
    low, high = axes.get_xlim()
    assert low < -0.002
    assert high > 0.05
    assert (GREEN in {to_hex(patch.get_facecolor()) for patch in axes.patches}) != is_synthetic


@pytest.mark.parametrize(("worsening", "word"), [(0.1, "worse"), (-0.1, "better"), (0.0, "the same"), (NAN, "not known")])
def test_the_direction_of_a_change_is_a_word(worsening: float, word: str) -> None:
    assert Change("MAE", 0.5, 0.5 + worsening, worsening).word == direction(worsening) == word


def test_metrics_that_changed_have_an_axis_each_and_the_colour_of_their_direction() -> None:
    figure = plot_changes(CHANGES)
    assert len(figure.axes) == 3
    written = [[(text.get_text(), text.get_color()) for text in axes.texts if text.get_text()] for axes in figure.axes]
    assert written == [
        [("test R2", "black"), ("0.3100 → 0.4200  better", GREEN)],
        [("test MAE", "black"), ("0.5000 → 0.5100  worse", ORANGE)],
        [("CV R2 mean", "black"), ("0.3000 → 0.3000  the same", SOFT)],
    ]
