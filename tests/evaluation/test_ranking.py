from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from recipeline.evaluation.ranking import gains_with_best, resample_best, resample_best_by_metric
from recipeline.training.cross_validation import Result
from tests.conftest import as_recipe, small_recipe


@pytest.fixture
def result() -> Result:
    return Result("M", np.zeros(3), np.zeros(3), LinearRegression(), 0.0, 0.0, {})


def predicting(result: Result, *predictions: np.ndarray) -> list[Result]:
    """Return results with these out-of-fold predictions, named M0, M1 and so on."""
    return [replace(result, name=f"M{place}", out_of_fold=values) for place, values in enumerate(predictions)]


def test_the_one_with_no_error_is_the_best_in_every_resampling(result: Result) -> None:
    target = np.arange(20.0)
    shares = resample_best(predicting(result, target + 1, target), target, np.arange(20), draws=200, seed=0)
    assert shares.tolist() == [0, 1]


def test_two_that_err_alike_are_the_best_about_equally_often(result: Result) -> None:
    rng, target = np.random.default_rng(0), np.zeros(500)
    shares = resample_best(
        predicting(result, *rng.permuted(np.tile(np.linspace(-1, 1, 500), (2, 1)), axis=1)),
        target,
        np.arange(500),
        draws=2000,
        seed=0,
    )
    assert shares.sum() == pytest.approx(1)
    assert 0.1 < shares[0] < 0.9


def test_copies_of_a_row_are_drawn_together(result: Result) -> None:
    """The first is right on copies of one row, the second on the only other."""
    groups = np.array([0] * 9 + [1])
    first, second = np.where(groups == 0, 0.0, 10.0), np.where(groups == 0, 3.0, 0.0)
    shares = resample_best(predicting(result, first, second), np.zeros(10), groups, draws=4000, seed=0)
    assert shares[1] == pytest.approx(0.75, abs=0.05)  # where the second row is drawn at all: 100 against 81, or 0 against 81


def test_what_errs_the_other_way_gains_when_it_is_averaged_with_the_best(result: Result) -> None:
    target = np.arange(10.0)
    gains = gains_with_best(predicting(result, target + 1, target - 1, target + 2), target)
    assert gains[0] == 0
    assert gains[1] == pytest.approx(10 / np.sum((target - target.mean()) ** 2))
    assert gains[2] < 0


def test_the_certainty_of_a_ranking_by_another_metric_is_of_that_metric(result: Result) -> None:
    """The first has the smaller squared error, the second the smaller median error."""
    target = np.arange(40.0)
    small, large = np.where(target % 4 == 0, 30.0, 0.0), np.full(40, 5.0)
    results = predicting(result, target + large, target + small)
    groups = np.arange(40)
    assert resample_best(results, target, groups, draws=200, seed=0)[0] > 0.9
    content = small_recipe() | {"primary_metric": "median_absolute_error", "metrics": {"more": ["median_absolute_error"]}}
    shares = resample_best_by_metric(as_recipe(content), results, target, groups)
    assert shares[1] > 0.9
    assert shares.sum() == pytest.approx(1)
