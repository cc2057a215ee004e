"""The certainty of the ranking of candidates, and the gain of their means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.relating.relations import relate_rows, weigh_rows
from recipeline.data.target_codes import is_predicted
from recipeline.metrics.bootstrap import resample_sums
from recipeline.metrics.catalogue import skill_of
from recipeline.metrics.skill import row_losses, skill_score
from recipeline.training.cross_validation import Result
from recipeline.training.tasks.every import TASKS as TRAINING_TASKS

#: How often the rows are drawn again to see how sure the order of the candidates is.
RESAMPLINGS = 1000


def make_leaderboard(
    recipe: Recipe, train: pd.DataFrame, ranked: list[Result], runs: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """Return the leaderboard of ranked results, and how certain their order is.

    `runs` has the run IDs of each candidate.
    """
    target, weights = ranked[0].codes.of(train, recipe), weigh_rows(train, recipe)
    pieces = relate_rows(train, recipe).evidence()[0].pieces
    if recipe.ranked_by == skill_of(recipe.task):
        shares = resample_best(ranked, target, pieces, draws=RESAMPLINGS, seed=recipe.random_state, weights=weights)
    else:
        shares = resample_best_by_metric(recipe, ranked, target, pieces, weights)
    return tabulate_results(ranked, runs, shares, gains_with_best(ranked, target, weights))


def resample_best(
    results: list[Result],
    target: np.ndarray,
    groups: np.ndarray,
    *,
    draws: int,
    seed: int,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Return how often each result has the least out-of-fold squared error.

    The share is over `draws` bootstrap samples of distinct rows. Rows with equal `groups` are copies and are drawn
    together. The models are not refitted, so that the certainty is overestimated. Rows without a prediction, the earliest
    ones over time, are left out.
    """
    scored = is_predicted(results[0].out_of_fold)
    _, group = np.unique(groups[scored], return_inverse=True)
    counted = 1.0 if weights is None else weights[scored]
    errors = [
        np.bincount(group, weights=counted * row_losses(target[scored], result.out_of_fold[scored])) for result in results
    ]
    best = resample_sums(np.column_stack(errors), draws=draws, seed=seed).argmin(axis=1)
    return np.bincount(best, minlength=len(results)) / draws


def resample_best_by_metric(
    recipe: Recipe, results: list[Result], target: np.ndarray, groups: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return how often each result has the best value of the recipe's primary metric.

    As `resample_best`; there are at most `recipeline.metrics.scorer.MOST_DRAWS` samples. A result is not the best of one in
    which the metric fails for it.
    """
    scorer, scored = build_scorer(recipe, results[0].codes.labels), is_predicted(results[0].out_of_fold)
    counted = None if weights is None else weights[scored]
    task = TRAINING_TASKS[recipe.task]
    drawn = [
        scorer.resample(
            *(recipe.ranked_by.name, target[scored], result.out_of_fold[scored], groups[scored]),
            draws=RESAMPLINGS,
            seed=recipe.random_state,
            weights=counted,
            threshold=task.threshold(result.model),
        )
        for result in results
    ]
    worse = np.nan_to_num(np.column_stack([recipe.ranked_by.worsening(it, 0.0) for it in drawn]), nan=np.inf)
    return np.bincount(worse.argmin(axis=1), minlength=len(results)) / len(worse)


def gains_with_best(ranked: list[Result], target: np.ndarray, weights: np.ndarray | None = None) -> list[float]:
    """Return the gain in out-of-fold skill of each result's mean with the best one.

    The best is the first; its own gain is 0. Rows without a prediction, the earliest ones over time, are left out.
    """
    best = ranked[0].out_of_fold
    scored = is_predicted(best)
    counted = None if weights is None else weights[scored]

    def skill(predicted: np.ndarray) -> float:
        return skill_score(target[scored], predicted[scored], counted)

    return [skill((best + result.out_of_fold) / 2) - skill(best) for result in ranked]


def tabulate_results(
    ranked: Sequence[Result], runs: Mapping[str, Mapping[str, str]], best_shares: np.ndarray, gains: Sequence[float]
) -> pd.DataFrame:
    """Return the leaderboard: folds, times, run ID and model ID of each result."""
    rows = [
        {
            "candidate": result.name,
            "cv_mean_score": result.cv_mean_score,
            "cv_std": result.cv_std,
            **{f"fold_{fold}": score for fold, score in enumerate(result.fold_scores)},
            "found": json.dumps({key: str(value) for key, value in result.found.items()}),
            "settings_tried": result.settings_tried,
            "cut_searches": result.cut_searches,
            "fit_seconds": result.fit_seconds,
            "predict_seconds": result.predict_seconds,
            **runs[result.name],
        }
        for result in ranked
    ]
    return pd.DataFrame(rows).assign(best_share=best_shares, gain_with_best=gains)


def join_out_of_fold(train: pd.DataFrame, target: str, ranked: Sequence[Result]) -> pd.DataFrame:
    """Return the target and each result's out-of-fold prediction by row index.

    The earliest rows have none over time: NaN.
    """
    columns = {"target": train[target].to_numpy()}
    for result in ranked:
        columns |= result.codes.as_columns(f"predicted {result.name}", result.out_of_fold)
    return pd.DataFrame(columns, index=train.index)
