"""The tails of an interval: two quantile models, and their predictions.

Predictions are out of fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import HistGradientBoostingRegressor

from recipeline.engine.workers import Call, Shared, Workers
from recipeline.inference.by_value import ByColumn, Shown, fit_by_column
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.form import as_function
from recipeline.inference.interval import LEVEL, Interval, both, fit_constant, fit_quantile, interval_score
from recipeline.training.weights import TrainingRows, fit_weighted

#: Few small trees: 0.06 s a fit, and no wider than an interval of three times as many larger ones (decision 0009).
SETTINGS = {
    "loss": "quantile",
    "learning_rate": 0.1,
    "max_iter": 50,
    "max_leaf_nodes": 4,
    "min_samples_leaf": 30,
    "l2_regularization": 10.0,
    "max_features": 0.5,
}

Folds = Iterable[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Quantiles:
    """The fitted models of lower and upper tail, and their out-of-fold predictions.

    NaN is of a row in no fold, as the earliest over time.
    """

    models: tuple[BaseEstimator, BaseEstimator]
    out_of_fold: tuple[np.ndarray, np.ndarray]

    def take(self, rows: np.ndarray) -> Quantiles:
        """Return the same models with the predictions of some training rows.

        `rows` are positions or a mask.
        """
        low, high = self.out_of_fold
        return Quantiles(self.models, (low[rows], high[rows]))


def fit_quantiles(
    features: pd.DataFrame,
    target: np.ndarray,
    folds: Folds,
    workers: Workers,
    *,
    seed: int,
    weights: np.ndarray | None = None,
    level: float = LEVEL,
) -> Callable[[], Quantiles]:
    """Start to fit both tails, on all rows and without each fold.

    Call the result for the models.

    Parameters
    ----------
    features, target : the training rows; NaN in the features is allowed.
    folds : (seen, unseen) positions of the rows, as `recipeline.data.splits.cv_folds` gives them.
    weights : how much each row counts; None: all count the same.
    """
    parts = list(folds)
    everything = np.arange(len(target))
    calls: list[Call] = []
    rows = Shared(TrainingRows(features, target, weights))
    for quantile in ((1 - level) / 2, (1 + level) / 2):
        model = HistGradientBoostingRegressor(**SETTINGS, quantile=quantile, random_state=seed)
        for seen, unseen in [(everything, everything[:0]), *parts]:
            calls.append((_fit, (model, rows, seen, unseen)))
    under_way = workers.map(calls)

    def collect() -> Quantiles:
        fits = list(under_way)
        size = len(fits) // 2
        models, out_of_fold = [], []
        for model, *of_folds in (fits[:size], fits[size:]):
            honest = np.full(len(target), np.nan)
            for (_, unseen), said in zip(parts, of_folds, strict=True):
                honest[unseen] = said
            models.append(model)
            out_of_fold.append(honest)
        return Quantiles((models[0], models[1]), (out_of_fold[0], out_of_fold[1]))

    return collect


def _fit(model: BaseEstimator, rows: TrainingRows, seen: np.ndarray, unseen: np.ndarray) -> BaseEstimator | np.ndarray:
    """Return the fitted model's predictions of `unseen`; without any, the model.

    A column without any value is constant for the fit, which needs one to make bins; no tree splits on it.
    """
    learned = rows.take(seen)
    empty = learned.features.columns[learned.features.isna().all()]
    known = learned.features.fillna(dict.fromkeys(empty, 0.0))
    fitted = fit_weighted(clone(model), known, learned.target, learned.weights)  # with one worker all calls share `model`
    return np.asarray(fitted.predict(rows.features.iloc[unseen]), dtype=float) if len(unseen) else fitted


def choose_interval(
    rows: np.ndarray,
    names: Sequence[str],
    target: np.ndarray,
    out_of_fold: np.ndarray,
    quantiles: Quantiles,
    *,
    groups: np.ndarray | None = None,
    level: float = LEVEL,
    by: tuple[str, Shown] | None = None,
) -> Interval:
    """Return the better of two intervals: constant width, or quantile models.

    Both have the width that the training rows require out of fold, where their interval scores are compared: a mean width does
    not show which rows are missed, and by how much. Equal scores give the constant one.

    Parameters
    ----------
    rows, target, out_of_fold : of the training rows; the first as codes of the columns `names`, the last one what the model
        that is to be served predicts out of fold.
    groups : of the same shape, where whole groups are new at once; None: each row is.
    by : the name of a column, and what shows its codes: each of its values has limits of its own.
    """
    codes = Columns.of_numbers(names)
    tails = both(*(as_function(model, codes) for model in quantiles.models))
    low, high = quantiles.out_of_fold

    def fit_both(some: np.ndarray) -> tuple[Interval, Interval]:
        of_groups = None if groups is None else groups[some]
        return (
            fit_constant(target[some], out_of_fold[some], groups=of_groups, level=level),
            fit_quantile(target[some], low[some], high[some], tails, groups=of_groups, level=level),
        )

    constant, by_quantile = fit_both(np.ones(len(target), dtype=bool))
    if by is not None:
        place = list(names).index(by[0])

        def limits_of(arm: int) -> ByColumn:
            def fit(some: np.ndarray) -> tuple[float, float]:
                found = fit_both(some)[arm]
                return found.lower, found.upper

            return fit_by_column(by[0], place, rows[:, place], by[1], fit, level=level, groups=groups)

        constant, by_quantile = replace(constant, by=limits_of(0)), replace(by_quantile, by=limits_of(1))
    honest = replace(by_quantile, tails=lambda _: (low, high))
    scores = [interval_score(target, interval.around(out_of_fold, rows), level) for interval in (constant, honest)]
    return by_quantile if scores[1] < scores[0] else constant
