"""A detailed inspection: learning curve, file order, partial dependence.

It takes longer than training the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from recipeline.config.recipe import Recipe
from recipeline.data.relating.relations import relate_rows, weigh_rows
from recipeline.data.splits import cv_folds
from recipeline.data.target_codes import NUMBERS, TargetCodes, fit_target
from recipeline.engine.workers import Call, Shared, Workers
from recipeline.evaluation.results import Dependence, FileOrder, FoldScores, LearningCurve
from recipeline.inference.asking import ask_model
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.compile import fastest
from recipeline.metrics.skill import skill_score
from recipeline.training.weights import TrainingRows

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)

GRID = 20

Advance = Callable[[str, int, int], None]


def learning_curve(
    model: BaseEstimator, train: pd.DataFrame, recipe: Recipe, method: str, workers: Workers, advance: Advance
) -> LearningCurve:
    """Return the skill on training and held-out rows by the number of training rows.

    Each fold's training rows are drawn in random order, copies of a row together, so that larger samples contain the smaller
    ones; a number that is too small for the model is left out. `advance` receives the progress, as
    `recipeline.orchestration.step.Reporter` does.

    Returns
    -------
    `rows`, the mean number of training rows; `train` and `test`, for each a list of skills by fold.
    """
    features, target, codes = train[list(recipe.features)], fit_target(train, recipe), TargetCodes.learn(recipe, train)
    weights = weigh_rows(train, recipe)
    relations, rng = relate_rows(train, recipe), np.random.default_rng(recipe.random_state)
    groups, calls = relations.groups, list[Call]()
    rows = Shared(TrainingRows(features, target, weights, relations.together))
    for seen, unseen in cv_folds(train, recipe, method):
        distinct = rng.permutation(np.unique(groups[seen]))
        for share in SHARES:
            kept = seen[np.isin(groups[seen], distinct[: max(2, round(share * len(distinct)))])]
            calls.append((_fit_and_score_if_enough, (clone(model), rows, codes, kept, unseen)))
    scores = []
    for done, score in enumerate(workers.map(calls), 1):
        scores.append(score)
        advance("learning curve", done, len(calls))
    by_share = [scores[place :: len(SHARES)] for place in range(len(SHARES))]
    by_share = [found for found in by_share if not np.isnan([score for _, *pair in found for score in pair]).any()]
    return LearningCurve(
        rows=tuple(round(float(np.mean([rows for rows, _, _ in found]))) for found in by_share),
        train=tuple(tuple(learned for _, learned, _ in found) for found in by_share),
        test=tuple(tuple(other for _, _, other in found) for found in by_share),
    )


def _fit_and_score(
    model: BaseEstimator, rows: TrainingRows, codes: TargetCodes, seen: np.ndarray, unseen: np.ndarray
) -> tuple[int, float, float]:
    """Return the number of training rows, and the skill on them and on the others."""
    fitted = rows.fit(model, seen)

    def skill(places: np.ndarray) -> float:
        asked = rows.take(places)
        return skill_score(codes.encode(asked.target), ask_model(fitted, asked.features, codes), asked.weights)

    return len(seen), skill(seen), skill(unseen)


def _fit_and_score_if_enough(
    model: BaseEstimator, rows: TrainingRows, codes: TargetCodes, seen: np.ndarray, unseen: np.ndarray
) -> tuple[int, float, float]:
    """Return `_fit_and_score`, or NaN if the model refuses so few rows."""
    try:
        return _fit_and_score(model, rows, codes, seen, unseen)
    except ValueError:
        return len(seen), float("nan"), float("nan")


def score_file_order(model: BaseEstimator, table: pd.DataFrame, recipe: Recipe, workers: Workers) -> FileOrder | None:
    """Return the skill over blocks in the file's order and over shuffled rows.

    Copies are left out. A drop means drift along the file. Both have the skill per fold and the mean. None where the model
    cannot be fitted without a block, as in a file that is sorted by the label, or a block has too few rows for a skill.
    """
    distinct = table.drop_duplicates(list(recipe.features))
    features, target, weights = distinct[list(recipe.features)], fit_target(distinct, recipe), weigh_rows(distinct, recipe)
    codes, rows = TargetCodes.learn(recipe, distinct), Shared(TrainingRows(features, target, weights))
    orders = (np.arange(len(distinct)), np.random.default_rng(recipe.random_state).permutation(len(distinct)))
    calls: list[Call] = []
    for order in orders:
        for block in np.array_split(order, recipe.cv.folds):
            calls.append((_fit_and_score_if_enough, (clone(model), rows, codes, np.setdiff1d(order, block), block)))
    found = [other for _, _, other in workers.map(calls)]
    if np.isnan(found).any():
        return None
    halves = (found[: recipe.cv.folds], found[recipe.cv.folds :])
    in_order, shuffled = (FoldScores(tuple(scores), float(np.mean(scores))) for scores in halves)
    return FileOrder(in_order, shuffled)


def partial_dependence(
    model: BaseEstimator, features: pd.DataFrame, names: Sequence[str], columns: Columns, codes: TargetCodes = NUMBERS
) -> dict[str, Dependence]:
    """Return the mean prediction when each of `names` has one value in all rows.

    Source: Friedman 2001. The values are up to 20 quantiles of the column between its 5 % and 95 %; NaN is left out, and so is
    a column of NaN alone.
    """
    ask, rows = fastest(model, features, columns, codes), columns.matrix(features)
    curves = {}
    for name in names:
        column = list(features.columns).index(name)
        feature = columns.features[column]
        values = feature.kind.grid(rows[:, column], feature, GRID)
        if not values.size:
            continue
        changed, found = rows.copy(), []
        for value in values:
            changed[:, column] = value
            found.append(np.atleast_1d(ask(changed).mean(axis=0)))
        means = np.array(found).T.tolist()
        by_label = dict(zip(map(str, codes.labels), map(tuple, means), strict=True)) if codes.is_matrix else {}
        shown = tuple(feature.kind.show(value, feature) for value in values.tolist())
        curves[name] = Dependence(shown, tuple(means[0]), by_label)
    return curves
