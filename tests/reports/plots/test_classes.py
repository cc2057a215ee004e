from __future__ import annotations

import numpy as np
import pytest

from recipeline.reports.plots.classes import (
    Drawn,
    plot_confusion,
    plot_counts,
    plot_curves,
    plot_dependences,
    plot_rates,
    plot_reliability,
    plot_scores,
    plot_sets,
    plot_thresholds,
)
from tests.reports.plots.helpers import assert_drawn, assert_inside, assert_told, texts

NAN = float("nan")
EDGES = np.linspace(0, 1, 21)
SHARES = np.full(20, 0.05)
LONG = "a label of " + "very " * 12 + "many words"


def curve(label: str = "good", *, band: bool = True, point: tuple[float, float] | None = (0.2, 0.7)) -> Drawn:
    x, y = (0.0, 0.5, 1.0), (0.1, 0.8, 1.0)
    return Drawn(label, x, y, (0.0, 0.7, 0.9) if band else (), (0.3, 0.9, 1.0) if band else (), point, ((0, 0), (1, 1)))


FIGURES = {
    "a curve": lambda: plot_curves([curve()], "false positive rate", "recall"),
    "a curve without a band and a point": lambda: plot_curves([curve(band=False, point=None)], "x", "y"),
    "ten curves": lambda: plot_curves([curve(str(label)) for label in range(10)], "false positive rate", "recall"),
    "two curves": lambda: plot_curves([curve("a"), curve(LONG)], "recall", "precision"),
    "reliability": lambda: plot_reliability([0.1, 0.6], [0.2, 0.5], [(0.1, 0.4), None], "probability of the likeliest label"),
    "reliability of a constant": lambda: plot_reliability([0.4], [0.5], [None], "probability of good"),
    "counts": lambda: plot_counts(SHARES * 20, EDGES, "probability of good"),
    "confusion": lambda: plot_confusion(["bad", "good"], np.array([[50, 3], [0, 9]])),
    "confusion of long names": lambda: plot_confusion([LONG, "b", "c"], np.ones((3, 3), dtype=int)),
    "confusion of many": lambda: plot_confusion([str(label) for label in range(16)], np.eye(16, dtype=int) * 1000),
    "confusion with an empty label": lambda: plot_confusion(["a", "b"], np.array([[5, 1], [0, 0]])),
    "thresholds": lambda: plot_thresholds([0, 0.5, 1], [0.2, 0.1, 0.9], [0.2, 0.3, 0.8], 0.5, "cost per row"),
    "scores": lambda: plot_scores(["good"], [SHARES], [SHARES], EDGES, 0.3),
    "scores of labels": lambda: plot_scores(["a", "b", "c"], [SHARES] * 3, [SHARES, SHARES, np.full(20, NAN)], EDGES, None),
    "rates": lambda: plot_rates(["sex: man", LONG], [("recall", [0.5, NAN], [0.4, NAN], [0.6, NAN])]),
    "two rates": lambda: plot_rates(["a"], [("recall", [1.0], [0.4], [1.0]), ("false positive rate", [0], [0], [0.2])]),
    "sets": lambda: plot_sets(["a", "b"], [0.9, 0.3], [0.8, NAN], [0.95, NAN], 0.9),
    "dependences": lambda: plot_dependences([0, 1], {"a": [0.1, 0.2], LONG: [0.5, 0.4], "c": [0, 0]}, "alcohol (% vol)"),
    "dependences on text": lambda: plot_dependences(["x", "y"], {"a": [0.1, 0.2]}, "region"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_can_be_drawn_with_nothing_outside_of_it(name: str) -> None:
    assert_drawn(FIGURES[name])
    assert_inside(FIGURES[name])


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "scores of labels"])
def test_values_are_shown_on_hover(name: str) -> None:
    assert_told(FIGURES[name])


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_says_what_its_axes_are(name: str) -> None:
    axes = FIGURES[name]().axes
    assert any(it.get_xlabel() for it in axes)
    assert any(it.get_ylabel() or it.get_yticklabels() for it in axes)


def test_the_confusion_has_shares_and_counts_and_nothing_where_there_are_no_rows() -> None:
    figure = FIGURES["confusion"]()
    assert {text.get_text() for text in figure.axes[0].texts} == {"94%\n50", "6%\n3", "100%\n9"}
    assert {"bad", "good"} <= set(texts(figure))


def test_the_legend_is_written_once_for_all_panels() -> None:
    figure = FIGURES["ten curves"]()
    (found,) = (legend for axes in figure.axes if (legend := axes.get_legend()))
    assert [text.get_text() for text in found.get_texts()] == [
        "no skill",
        "95 % band",
        "test rows",
        "decided labels",
    ]
    assert len(figure.axes) == 10
    assert [axes.get_title() or axes.get_title(loc="left") for axes in figure.axes] == [str(label) for label in range(10)]
