from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.artifacts import (
    COLUMN_PROFILE,
    DIAGNOSIS,
    LEADERBOARD,
    LEAK_AUDIT,
    METRICS,
    OUT_OF_FOLD,
    TEST_PREDICTIONS,
    VERDICT,
)
from recipeline.data.column_profile import describe_columns
from recipeline.reports.cards import evaluate, ingest, split, train
from recipeline.reports.limits import MOST_COLUMNS, MOST_POINTS, explain_points, sample_points, select_strongest
from recipeline.reports.page import Page, render
from recipeline.reports.plots.model import plot_residuals
from tests.conftest import as_recipe, small_recipe
from tests.reports.cards.helpers import Saved
from tests.reports.cards.test_split import AUDIT

MANY_ROWS, MANY_COLUMNS = 60_000, 401


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 20_000))
def test_points_are_all_rows_or_a_sample_of_them_without_repetition_always_the_same(rows: int) -> None:
    places = sample_points(rows)
    assert len(places) == min(rows, MOST_POINTS)
    assert (np.diff(places) > 0).all()
    assert 0 <= places[0] <= places[-1] < rows
    np.testing.assert_array_equal(places, sample_points(rows))
    assert bool(explain_points(rows)) == (len(places) < rows)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=120))
def test_the_strongest_columns_are_kept_in_their_order_and_a_sentence_says_so(strength: list[float]) -> None:
    kept, sentence = select_strongest(range(len(strength)), strength)
    assert kept == sorted(kept)
    assert len(kept) == min(len(strength), MOST_COLUMNS)
    left_out = set(range(len(strength))) - set(kept)
    assert min(strength[place] for place in kept) >= max((strength[place] for place in left_out), default=-1)
    assert (f"{MOST_COLUMNS} of {len(strength)}" in sentence) == bool(left_out)


def tall() -> Saved:
    """Return what `train` and `evaluate` save, of many rows."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=MANY_ROWS)
    rows = pd.DataFrame({"target": target, "predicted LinearRegression": target + rng.normal(size=MANY_ROWS)})
    board = pd.DataFrame(
        [
            {
                "candidate": "LinearRegression",
                "cv_mean_score": 0.5,
                "cv_std": 0.1,
                "fold_0": 0.4,
                "gain_with_best": 0.0,
                "fit_seconds": 1.0,
            }
        ]
    ).assign(predict_seconds=0.1, found="{}", best_share=1.0)
    return Saved({LEADERBOARD: board, OUT_OF_FOLD: rows, TEST_PREDICTIONS: rows, **scored(["a", "quality"])})


def scored(columns: list[str]) -> dict[Any, Any]:
    """Return what `evaluate` saves of a model of these columns."""
    best = {
        "candidate": "LinearRegression",
        "interval_95": {name: [0.4, 0.6] for name in ("r2", "rmse", "mae")},
        "accuracy_within": {"0.5": 0.6},
        "interval_90": {"level": 0.9, "coverage": 0.9, "mean_width": 2.0, "rows": 100},
    }
    candidate = {"r2": 0.5, "rmse": 0.5, "mae": 0.5, "cv_mean_score": 0.5, "cv_std": 0.1}
    part = {"from": 0.0, "to": 1.0, "rows": 10, "mean_predicted": 0.5, "mean_true": 0.5, "error": 0.1, "interval_coverage": 0.9}
    values = dict.fromkeys(columns, 1.0)
    return {
        METRICS: {
            "best": best,
            "test_rows": MANY_ROWS,
            "mean_predictor": {"rmse": 1.0},
            "candidates": {"LinearRegression": candidate},
            "random_split_r2": None,
            "leaks": None,
        },
        VERDICT: {"verdict": "VALIDATED", "criteria": []},
        DIAGNOSIS: {
            "by_predicted": [part],
            "slices": [{"slice": "all rows", "rows": 10, "error": 0.1, "bias": 0.0}],
            "worst_rows": [{"row": 0, "predicted": 0.5, "values": values}] * 10,
            "coverage": [{"feature": name, "from": 0.0, "to": 1.0, "rows": 10, "coverage": 0.9} for name in columns],
            "importance": [{"feature": name, "mean": 0.1 / (1 + n), "std": 0.01} for n, name in enumerate(columns)],
        },
    }


def wide() -> Saved:
    """Return results of steps of many columns, of which the last two go together."""
    rng = np.random.default_rng(0)
    names = [f"column {number}" for number in range(MANY_COLUMNS)]
    table = pd.DataFrame(rng.normal(size=(60, MANY_COLUMNS)), columns=names)
    table[names[-1]] = -table[names[-2]]
    recipe = as_recipe(small_recipe() | {"target": names[0], "columns": {name: {} for name in names}})
    audit = AUDIT | {
        "columns": [
            {"column": name, "ks": n / 500, "limit": 0.2, "p": 0.5, "train_mean": 0.0, "test_mean": 0.0}
            for n, name in enumerate(names)
        ],
    }
    saved = Saved({COLUMN_PROFILE: describe_columns(table, recipe), LEAK_AUDIT: audit, **scored(names)} | tall_artifacts())
    saved.recipe = recipe
    return saved


def tall_artifacts() -> dict[Any, Any]:
    """Return the leaderboard and the test rows of a wide table."""
    board = pd.DataFrame([{"candidate": "LinearRegression", "cv_mean_score": 0.5, "fold_0": 0.4}])
    rows = pd.DataFrame({"target": np.arange(20.0), "predicted LinearRegression": np.arange(20.0) + 0.5})
    return {LEADERBOARD: board, TEST_PREDICTIONS: rows}


def elements(page: Page) -> int:
    return len(re.findall(r"<(?:use|path|rect|g|td)\b", page.html))


@pytest.mark.parametrize("card", [train, evaluate], ids=["train", "evaluate"])
def test_a_card_does_not_grow_with_the_rows_and_says_how_many_are_points(card: Any) -> None:
    page = render(card.make_card(tall()))
    assert page.failures == []
    assert elements(page) < 3 * MOST_POINTS
    assert f"A random sample of {MOST_POINTS:,} of the {MANY_ROWS:,} rows." in page.html


@pytest.mark.parametrize("card", [ingest, split, evaluate], ids=["ingest", "split", "evaluate"])
def test_a_card_does_not_grow_with_the_square_of_the_columns_and_says_which_are_shown(card: Any) -> None:
    page = render(card.make_card(wide()))
    assert page.failures == []
    assert len(page.html) < 2_000_000
    assert max(map(len, page.plots.values())) < 1_000_000
    assert re.search(rf"The (first|strongest) {MOST_COLUMNS} of {MANY_COLUMNS} are shown", page.html)


def test_the_columns_of_the_strongest_pairs_are_among_those_whose_correlations_are_shown() -> None:
    (section,) = (it for it in ingest.make_card(wide()).sections if it.title == "Correlations")
    (plot,) = section.blocks
    columns = plot.values.columns
    assert columns[-2:] == [f"column {MANY_COLUMNS - 2}", f"column {MANY_COLUMNS - 1}"]


def test_the_distribution_of_the_residuals_is_of_all_rows() -> None:
    points, histogram = plot_residuals(np.zeros(MANY_ROWS), np.linspace(0, 1, MANY_ROWS), "y").axes
    assert len(points.lines[0].get_xdata()) == MOST_POINTS
    assert sum(bar.get_width() for bar in histogram.patches) == MANY_ROWS
