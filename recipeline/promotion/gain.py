"""Paired evidence about two recipes, or two fitted models: the gain in R2, how sure it is, and what else got worse.

Two questions are asked, and they need different rows. Is one *recipe* better than another? Both are cross-validated on the same
rows and folds. Is one *fitted model* no worse than another? Both answer rows that neither has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator, clone

from recipeline.data.splits import deal_folds
from recipeline.engine.local import Call, Workers
from recipeline.metrics.bootstrap import resample_scores
from recipeline.promotion.results import Gain

#: The two sides of a comparison.
CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Answers:
    """The target and both arms' predictions of the same rows, one column a repeat: shape (rows, repeats).

    `folds` holds each row's fold, of the same shape; None where the models were not fitted for the occasion.
    """

    target: np.ndarray
    groups: np.ndarray
    predicted: Mapping[str, np.ndarray]
    folds: np.ndarray | None = None

    def errors(self, arm: str) -> np.ndarray:
        """Return the arm's errors, predicted minus true, of shape (rows, repeats)."""
        difference: np.ndarray = self.predicted[arm] - self.target[:, None]
        return difference


def cross_validate(
    arms: Mapping[str, tuple[BaseEstimator, pd.DataFrame]],
    target: np.ndarray,
    groups: np.ndarray,
    *,
    folds: int,
    repeats: int,
    seed: int,
    workers: Workers,
    advance: Callable[[str, int, int], None] = lambda *_: None,
) -> Answers:
    """Return the out-of-fold predictions of both arms' recipes on the same rows and folds.

    Parameters
    ----------
    arms : per arm an estimator, of which an unfitted clone is fitted, and its features, one row for each of `target`.
    groups : rows with equal values are copies of one row, and share a fold.
    repeats : how often the rows are dealt into folds anew.
    seed : of the folds, and of the estimators' own seeds, which differ between arms and repeats: two arms that differ in
        their seeds alone must look like two draws of one recipe, not like one.
    advance : told the arm of each fit, and how many of how many are done.
    """
    calls: list[Call] = []
    places: list[tuple[str, int, np.ndarray]] = []
    fold_of = np.empty((len(target), repeats), dtype=int)
    for repeat in range(repeats):
        for fold, (seen, unseen) in enumerate(deal_folds(groups, folds, _seed(seed, 0, repeat))):
            fold_of[unseen, repeat] = fold
            for number, (arm, (estimator, features)) in enumerate(arms.items(), start=1):
                seeded = reseed(estimator, _seed(seed, number, repeat))
                calls.append((_fit_and_predict, (seeded, features.iloc[seen], target[seen], features.iloc[unseen])))
                places.append((arm, repeat, unseen))
    predicted = {arm: np.empty((len(target), repeats)) for arm in arms}
    for done, ((arm, repeat, unseen), values) in enumerate(zip(places, workers.map(calls), strict=True), start=1):
        predicted[arm][unseen, repeat] = values
        advance(arm, done, len(calls))
    return Answers(target, groups, predicted, fold_of)


def reseed(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """Return an unfitted clone whose every `random_state`, also of parts, is a seed of its own drawn from `seed`."""
    copy = clone(estimator)
    names = sorted(name for name in copy.get_params(deep=True) if name.rpartition("__")[2] == "random_state")
    seeds = np.random.default_rng(seed).integers(2**31, size=len(names))
    seeded: BaseEstimator = copy.set_params(**{name: int(value) for name, value in zip(names, seeds, strict=True)})
    return seeded


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _fit_and_predict(estimator: BaseEstimator, features: pd.DataFrame, target: np.ndarray, unseen: pd.DataFrame) -> np.ndarray:
    return np.asarray(estimator.fit(features, target).predict(unseen), dtype=float)


def measure_gain(answers: Answers, *, level: float, draws: int, seed: int) -> Gain:
    """Return the gain in R2 of the challenger over the champion, with the lower limit that holds with probability `level`.

    The standard error is the larger of two. One is of a bootstrap over distinct rows (Efron and Tibshirani 1993, ch. 6), of
    the squared errors averaged over the repeats. The other, for a cross-validation, is of the folds' gains with the correction
    for overlapping training rows (Nadeau and Bengio 2003, Inference for the Generalization Error, eq. 9; for repeats Bouckaert
    and Frank 2004), because the bootstrap does not see that another sample would have given other models.
    """
    squared = {arm: (answers.errors(arm) ** 2).mean(axis=1) for arm in answers.predicted}
    target = answers.target
    saved = squared[CHAMPION] - squared[CHALLENGER]
    spread = float(((target - target.mean()) ** 2).sum())
    gain = float(saved.sum() / spread)

    _, drawn_spread, sums = resample_scores(target, answers.groups, saved[:, None], draws=draws, seed=seed)
    bootstrap = float(np.nanstd(sums[:, 0] / drawn_spread, ddof=1))

    corrected, folds = None, 0
    if answers.folds is not None:
        folds = int(answers.folds.max()) + 1
        corrected = _corrected_std_error(answers, spread / len(target), folds)
    error = max(bootstrap, corrected or 0.0)
    half = float(stats.norm.ppf(0.95)) * error
    return Gain(
        gain=gain,
        lower=gain - float(stats.norm.ppf(level)) * error,
        level=level,
        interval_90=(gain - half, gain + half),
        std_error=error,
        bootstrap_std_error=bootstrap,
        corrected_std_error=corrected,
        r2={arm: float(1 - values.sum() / spread) for arm, values in squared.items()},
        mae={arm: float(np.abs(answers.errors(arm)).mean()) for arm in squared},
        rows=len(target),
        distinct_rows=len(np.unique(answers.groups)),
        repeats=answers.predicted[CHALLENGER].shape[1],
        folds=folds,
        seed=seed,
    )


def _corrected_std_error(answers: Answers, variance: float, folds: int) -> float:
    assert answers.folds is not None
    saved = answers.errors(CHAMPION) ** 2 - answers.errors(CHALLENGER) ** 2
    repeats = saved.shape[1]
    gains = [
        saved[answers.folds[:, repeat] == fold, repeat].mean() / variance for repeat in range(repeats) for fold in range(folds)
    ]
    return float(np.sqrt(np.var(gains, ddof=1) * (1 / len(gains) + 1 / (folds - 1))))
