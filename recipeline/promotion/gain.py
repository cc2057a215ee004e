"""Paired evidence on two recipes or two fitted models: the gain in R2.

Two comparisons need different rows. Two *recipes* are cross-validated on the same rows and folds. Two *fitted models*
predict rows that neither has seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import KFold, StratifiedKFold

from recipeline.data.relating.relations import Relations
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.data.tasks.every import TASKS as DATA_TASKS
from recipeline.engine.workers import Call, Shared, Workers
from recipeline.inference.asking import ask_model
from recipeline.metrics.bootstrap import resample_scores
from recipeline.metrics.scorer import Scorer
from recipeline.metrics.skill import row_losses
from recipeline.metrics.tasks.every import TASKS as METRIC_TASKS
from recipeline.metrics.two_labels import HALF
from recipeline.promotion.results import CHALLENGER, CHAMPION, Gain
from recipeline.training.weights import TrainingRows


@dataclass(frozen=True)
class Answers:
    """The target's codes and both arms' predictions of the same rows.

    Predictions have shape (rows, repeats), or (rows, repeats, labels), as the target's `codes`. `folds` holds each row's fold,
    of the same shape; None if the models were not fitted for this comparison. `left_out` is the number of other rows, without
    predictions. `weights` are those of the rows; None: all weights are equal. `against_mean`: the champion is the mean
    predictor, of which not every metric is defined.
    """

    target: np.ndarray
    relations: Relations
    predicted: Mapping[str, np.ndarray]
    folds: np.ndarray | None = None
    left_out: int = 0
    weights: np.ndarray | None = None
    codes: TargetCodes = NUMBERS
    against_mean: bool = False

    def losses(self, arm: str) -> np.ndarray:
        """Return the arm's squared errors, summed over labels, (rows, repeats)."""
        squared: np.ndarray = (self.predicted[arm] - self.target[:, None]) ** 2
        return squared if squared.ndim == 2 else squared.sum(axis=2)

    def errors(self, arm: str) -> np.ndarray:
        """Return the arm's errors of rows as slices average them, (rows, repeats)."""
        each = METRIC_TASKS[self.codes.task].row_errors
        repeats = range(self.predicted[arm].shape[1])
        return np.column_stack([each(self.target, self.predicted[arm][:, repeat]) for repeat in repeats])

    def scores(
        self, scorer: Scorer | None = None, thresholds: Mapping[str, float] | None = None
    ) -> dict[str, dict[str, float]]:
        """Return each metric by arm, averaged over the repeats.

        One that is not defined is left out.
        The metrics are those of `scorer`, else of the task. `thresholds` are those of the arms' decisions, else 0.5.

        Raises
        ------
        UsageError : a further metric fails for a model.
        """
        scorer, found = scorer or Scorer(self.codes.task, self.codes.labels), {}
        for arm, predicted in self.predicted.items():
            threshold = (thresholds or {}).get(arm, HALF)
            is_simple = self.against_mean and arm == CHAMPION
            score = scorer.attempt if is_simple else partial(scorer.score, whose=f"the {arm}")
            found[arm] = [
                score(self.target, predicted[:, repeat], self.weights, threshold) for repeat in range(predicted.shape[1])
            ]
        names = [
            name for name in found[CHALLENGER][0] if not any(math.isnan(it[name]) for of_arm in found.values() for it in of_arm)
        ]
        return {name: {arm: float(np.mean([it[name] for it in of_arm])) for arm, of_arm in found.items()} for name in names}


def cross_validate(
    arms: Mapping[str, tuple[BaseEstimator, pd.DataFrame]],
    target: np.ndarray,
    relations: Relations,
    *,
    folds: int,
    repeats: int,
    seed: int,
    workers: Workers,
    weights: np.ndarray | None = None,
    codes: TargetCodes = NUMBERS,
    advance: Callable[[str, int, int], None] = lambda *_: None,
) -> Answers:
    """Return the out-of-fold predictions of both arms on the same rows and folds.

    Rows that are in no fold, over time the earliest, are left out.

    Parameters
    ----------
    arms : per arm an estimator, of which an unfitted clone is fitted, and its features, one row for each of `target`.
    relations : how rows belong together; related rows share a fold.
    repeats : the number of divisions into folds.
    seed : of the folds, and of the estimators' own seeds, which differ between arms and repeats: two arms that differ in
        their seeds alone must look like two draws of one recipe, not like one.
    weights : of the rows; None: all weights are equal.
    codes : of the `target`, which is given as estimators are fitted to it.
    advance : called with the arm of each fit, the fits done and their total.
    """
    calls: list[Call] = []
    places: list[tuple[str, int, np.ndarray]] = []
    fold_of, truth = np.full((len(target), repeats), -1), codes.encode(target)
    strata = DATA_TASKS[codes.task].strata(target)
    tables = {arm: Shared(TrainingRows(features, target, weights, relations.together)) for arm, (_, features) in arms.items()}
    for repeat in range(repeats):
        for fold, (seen, unseen) in enumerate(relations.deal(folds, _seed(seed, 0, repeat), strata)):
            fold_of[unseen, repeat] = fold
            for number, (arm, (estimator, _)) in enumerate(arms.items(), start=1):
                seeded = reseed(estimator, _seed(seed, number, repeat))
                calls.append((_fit_and_predict, (seeded, tables[arm], seen, unseen, codes)))
                places.append((arm, repeat, unseen))
    predicted = {arm: np.full((len(target), repeats, *truth.shape[1:]), np.nan) for arm in arms}
    for done, ((arm, repeat, unseen), values) in enumerate(zip(places, workers.map(calls), strict=True), start=1):
        predicted[arm][unseen, repeat] = values
        advance(arm, done, len(calls))
    return keep_answered(Answers(truth, relations, predicted, fold_of, weights=weights, codes=codes))


def keep_answered(answers: Answers) -> Answers:
    """Return the answers without the rows in no fold, for which `folds` is -1."""
    assert answers.folds is not None
    kept = np.min(answers.folds, axis=1) >= 0
    if kept.all():
        return answers
    predicted = {arm: values[kept] for arm, values in answers.predicted.items()}
    target, folds, left_out = answers.target[kept], answers.folds[kept], int((~kept).sum())
    weights = None if answers.weights is None else answers.weights[kept]
    related = answers.relations.take(kept)
    return Answers(target, related, predicted, folds, left_out, weights, answers.codes, answers.against_mean)


def reseed(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """Return an unfitted clone with a new `random_state` in every part.

    Folds inside of a part are dealt anew too. The seeds are drawn from `seed`.
    """
    copy = clone(estimator)
    known = copy.get_params(deep=True)
    names = sorted(name for name in known if name.rpartition("__")[2] == "random_state")
    rng = np.random.default_rng(seed)
    seeds = dict(zip(names, rng.integers(2**31, size=len(names)).tolist(), strict=True))
    # That of a TargetEncoder warns where it is set, from scikit-learn 1.9 on, and does nothing: its folds have a seed.
    changes: dict[str, Any] = {name: it for name, it in seeds.items() if not isinstance(known[name], str)}
    for name in sorted(known):
        if isinstance(folds := known[name], KFold | StratifiedKFold) and folds.shuffle:
            changes[name] = type(folds)(folds.n_splits, shuffle=True, random_state=int(rng.integers(2**31)))
    seeded: BaseEstimator = copy.set_params(**changes)
    return seeded


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _fit_and_predict(
    estimator: BaseEstimator, rows: TrainingRows, seen: np.ndarray, unseen: np.ndarray, codes: TargetCodes
) -> np.ndarray:
    return ask_model(rows.fit(estimator, seen), rows.features.iloc[unseen], codes)


def measure_gain(
    answers: Answers,
    *,
    level: float,
    draws: int,
    seed: int,
    scorer: Scorer | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> Gain:
    """Return the gain in R2 of the challenger, with its lower limit at `level`.

    For classes R2 is that of the probabilities, the Brier skill.

    The standard error is the larger of two. One is of a bootstrap over distinct rows (Efron and Tibshirani 1993, ch. 6), of
    the squared errors averaged over the repeats. The other, for a cross-validation, is of the folds' gains with the correction
    for overlapping training rows (Nadeau and Bengio 2003, Inference for the Generalization Error, eq. 9; for repeats Bouckaert
    and Frank 2004), because the bootstrap does not see that another sample would have given other models.

    Clustered rows may be few pieces of evidence: with G of them the bootstrap's standard error is multiplied by
    sqrt(G / (G - 1)), and the limits are those of Student's t with G - 1 degrees of freedom (Cameron and Miller 2015,
    A Practitioner's Guide to Cluster-Robust Inference, section VI). With a single one the limit is NaN. If rows are pieces of
    evidence in two ways, the one with the lower limit counts.

    `scorer` and `thresholds` are those of the metrics besides the gain (`Answers.scores`).
    """
    squared = {arm: answers.losses(arm).mean(axis=1) for arm in answers.predicted}
    target, weights = answers.target, answers.weights
    saved = squared[CHAMPION] - squared[CHALLENGER]
    spread = _total(row_losses(target, np.average(target, axis=0, weights=weights)[None]), weights)
    gain = _total(saved, weights) / spread

    corrected, folds = None, 0
    if answers.folds is not None:
        folds = int(answers.folds.max()) + 1
        corrected = _corrected_std_error(answers, spread / _total(np.ones(len(target)), weights), folds)
    ways = answers.relations.evidence()
    limits = []
    for way in ways:
        _, drawn_spread, sums = resample_scores(target, way.pieces, saved[:, None], draws=draws, seed=seed, weights=weights)
        bootstrap, reach = float(np.nanstd(sums[:, 0] / drawn_spread, ddof=1)), stats.norm
        if way.is_clustered:
            bootstrap *= math.sqrt(way.count / (way.count - 1)) if way.count > 1 else math.nan
            reach = stats.t(max(way.count - 1, 1))
        error = max(bootstrap, corrected or 0.0)
        limits.append((gain - float(reach.ppf(level)) * error, float(reach.ppf(0.95)) * error, error, bootstrap))
    lower, half, error, bootstrap = min(limits, key=lambda it: -math.inf if math.isnan(it[0]) else it[0])
    return Gain(
        gain=gain,
        lower=lower,
        level=level,
        interval_90=(gain - half, gain + half),
        std_error=error,
        bootstrap_std_error=bootstrap,
        corrected_std_error=corrected,
        r2={arm: 1 - _total(values, weights) / spread for arm, values in squared.items()},
        scores=answers.scores(scorer, thresholds),
        rows=len(target),
        distinct_rows=answers.relations.by_group().count,
        repeats=answers.predicted[CHALLENGER].shape[1],
        folds=folds,
        seed=seed,
        unit=answers.relations.by_group().unit,
        blocks=None if answers.relations.times is None else ways[0].count,
        left_out=answers.left_out,
    )


def _total(values: np.ndarray, weights: np.ndarray | None) -> float:
    return float(values.sum() if weights is None else values @ weights)


def _corrected_std_error(answers: Answers, variance: float, folds: int) -> float:
    assert answers.folds is not None
    fold_of, weights = answers.folds, answers.weights
    saved = answers.losses(CHAMPION) - answers.losses(CHALLENGER)
    repeats = saved.shape[1]

    def gain(repeat: int, fold: int) -> float:
        rows = fold_of[:, repeat] == fold
        return float(np.average(saved[rows, repeat], weights=None if weights is None else weights[rows])) / variance

    gains = np.array([[gain(repeat, fold) for fold in range(folds)] for repeat in range(repeats)])
    ratio = 1 / (folds - 1)  # of test to training rows
    if answers.relations.times is not None:
        # All repeats have the same folds, and fold k learns from k blocks.
        gains, ratio = gains.mean(axis=0), float(np.mean(1 / np.arange(1, folds + 1)))
    return float(np.sqrt(np.var(gains, ddof=1) * (1 / gains.size + ratio)))
