from __future__ import annotations

import numpy as np
import pytest

from recipeline.reports.plots.change import (
    plot_gain,
    plot_pairs,
    plot_shares_of_bins,
    plot_stability,
    plot_timeline,
    plot_trend,
)
from tests.reports.plots.helpers import assert_drawn, assert_inside, assert_labelled, texts

GAIN = {"needed": 0.0, "level": 0.95, "passed": True, "skill": "R2"}

FIGURES = {
    "gain": lambda: plot_gain(0.03, 0.01, 0.05, 0.002, **GAIN),
    "gain of classes": lambda: plot_gain(0.03, 0.01, 0.05, 0.002, **GAIN | {"skill": "Brier skill"}),
    "pairs": lambda: plot_pairs(["A"], [0.3], [0.4], "R2"),
    "timeline": lambda: plot_timeline(["ingest", "train"], [0, 1], [1, 5], [True, False]),
    "an empty timeline": lambda: plot_timeline([], [], [], []),
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


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_says_what_it_is(name: str) -> None:
    assert_labelled(FIGURES[name])


@pytest.mark.parametrize(("passed", "verdict"), [(True, "the gate: passed"), (False, "the gate: not passed")])
def test_the_picture_of_the_gate_says_how_it_ends_and_where_it_passes(passed: bool, verdict: str) -> None:
    figure = plot_gain(0.03, 0.01, 0.05, -0.002, needed=0.0, level=0.95, passed=passed, skill="R2")
    axes = figure.axes[0]
    assert axes.get_title(loc="right") == verdict
    assert [text.get_text() for text in axes.texts] == ["required range of the lower limit"]
    assert {"gain +0.0300", "lower limit at 95.0%: -0.0020", "threshold: 0"} <= set(texts(figure))
    low, high = axes.get_xlim()
    assert low < -0.002
    assert high > 0.05


def test_a_reused_step_is_named_so() -> None:
    axes = plot_timeline(["ingest", "train"], [0, 1], [0, 5], [True, False]).axes[0]
    assert [text.get_text() for text in axes.texts] == ["reused", "5.0 s"]
