"""Randomised search of a candidate's parameters inside the grouped folds."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import ParameterSampler

from recipeline.config.candidate import Distribution, Search
from recipeline.data.relating.relations import Relations
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.data.tasks.every import TASKS as DATA_TASKS
from recipeline.inference.asking import ask_model
from recipeline.metrics.skill import skill_score
from recipeline.training.tasks.every import TASKS
from recipeline.training.weights import TrainingRows


@dataclass(frozen=True)
class Found:
    """The best parameters of `draws` tried; `is_cut`: the time limit was reached.

    None is tried where rows cannot be divided into folds.
    """

    params: dict[str, Any]
    draws: int
    is_cut: bool


def search_params(
    estimator: BaseEstimator,
    search: Search,
    features: pd.DataFrame,
    target: np.ndarray,
    relations: Relations,
    *,
    n_splits: int,
    seed: int,
    seconds: float | None,
    weights: np.ndarray | None = None,
    transform: str | None = None,
    codes: TargetCodes = NUMBERS,
) -> Found:
    """Return the drawn parameters with the highest mean skill over folds of the rows.

    The search sees only the rows it is given: inside a fold, it leaves the fold's own score unbiased. The number of draws ends
    it, so that the same seed gives the same result. If `seconds` have passed before (None: no limit), no further draw is
    started, the first one excepted, and the result is marked as cut: on another machine it may differ. `build_candidate` has
    checked that the space names parameters of the estimator. Folds follow `relations`; `weights` of the rows are used in fits
    and scores; `transform` is the recipe's of the target, and `codes` are how predictions of it are scored.

    A fold that has no rows to fit to, or none of a label, is left out; over time these are the earliest. So is one of a single
    row to score, which has no skill.
    """
    space = {name: _distribution(spec) for name, spec in search.space.items()}
    dealt = relations.deal(n_splits, seed, DATA_TASKS[codes.task].strata(target))
    folds = [(seen, unseen) for seen, unseen in dealt if len(unseen) > 1 and _is_complete(target[seen], target, codes)]
    if not folds:
        return Found({}, 0, is_cut=False)
    rows = TrainingRows(features, target, weights, relations.together)
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    best: dict[str, Any] = {}
    best_score = -np.inf
    draws = search.iterations
    if all(isinstance(values, list) for values in space.values()):
        draws = min(draws, math.prod(len(values) for values in space.values()))
    tried = 0
    for params in ParameterSampler(space, draws, random_state=seed):
        if tried and time.monotonic() >= deadline:
            break
        drawn = TASKS[codes.task].prepare(clone(estimator).set_params(**params), target, transform)
        scores = [_score(clone(drawn), rows, codes, seen, unseen) for seen, unseen in folds]
        score = float(np.mean(scores))
        if score > best_score:
            best, best_score = params, score
        tried += 1
    return Found(best, tried, tried < draws)


def _is_complete(seen: np.ndarray, target: np.ndarray, codes: TargetCodes) -> bool:
    """Whether a model can be fitted to the targets `seen`: all labels are there."""
    return len(seen) > 0 and (not codes.labels or len(np.unique(seen)) == len(np.unique(target)))


def _score(estimator: BaseEstimator, rows: TrainingRows, codes: TargetCodes, seen: np.ndarray, unseen: np.ndarray) -> float:
    model, asked = rows.fit(estimator, seen), rows.take(unseen)
    return skill_score(codes.encode(asked.target), ask_model(model, asked.features, codes), asked.weights)


def _distribution(spec: Distribution) -> Any:
    if spec.choice is not None:
        return list(spec.choice)
    if spec.integer is not None:
        return stats.randint(spec.integer[0], spec.integer[1] + 1)
    if spec.uniform is not None:
        return stats.uniform(spec.uniform[0], spec.uniform[1] - spec.uniform[0])
    assert spec.loguniform is not None
    return stats.loguniform(*spec.loguniform)
