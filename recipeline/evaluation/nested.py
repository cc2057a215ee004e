"""The nested estimate: choosing and fitting the best candidate, cross-validated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.relating.relations import weigh_rows
from recipeline.data.splits import cv_folds, require_folds
from recipeline.data.target_codes import TargetCodes
from recipeline.engine.workers import Workers
from recipeline.evaluation.described import NestedEstimate
from recipeline.inference.asking import ask_model
from recipeline.training.candidates import components_of
from recipeline.training.cross_validation import compare_candidates, rank
from recipeline.training.tasks.every import TASKS


def estimate_nested(
    recipe: Recipe,
    names: Sequence[str],
    train: pd.DataFrame,
    method: str,
    workers: Workers,
    *,
    selected: float,
    advance: Callable[[str, int, int], None] = lambda *_: None,
) -> NestedEstimate:
    """Return the score of the choice among candidates, on rows that it has not seen.

    The mean over folds of the best candidate is optimistic, because it is the greatest of several (Cawley and Talbot 2010, On
    Over-fitting in Model Selection). Here the whole of train, folds of its own included, is repeated without each fold of the
    training rows, and the candidate that is best there is scored on that fold (Varma and Simon 2006).

    Parameters
    ----------
    names : the candidates that were compared.
    train : the training rows; their folds are those of train, of the split `method`.
    selected : the mean over the folds of the best candidate, to compare with.
    advance : called with the candidate of each fit, the fits done and their total.

    Raises
    ------
    DataError : the rows without a fold cannot be divided into folds.
    """
    codes, weights = TargetCodes.learn(recipe, train), weigh_rows(train, recipe)
    scorer = build_scorer(recipe, codes.labels)
    target, features = codes.of(train, recipe), train[list(recipe.features)]
    folds = list(cv_folds(train, recipe, method))
    scores: list[float] = []
    chosen: list[str] = []
    for fold, (seen, _) in enumerate(folds):
        require_folds(train.iloc[seen], recipe, method, f" without the rows of fold {fold}", must_vary=False)
    inside = (list(cv_folds(train.iloc[seen], recipe, method)) for seen, _ in folds)
    total, done = sum(len(components_of(recipe, names)) * (len(it) + 1) for it in inside), 0
    for fold, (seen, unseen) in enumerate(folds):
        results = []
        for fitted, complete in compare_candidates(recipe, names, train.iloc[seen], method, workers):
            done += 1
            advance(f"nested, {fitted}", done, total)
            results += complete
        best = rank(results)[0]
        said = ask_model(best.model, features.iloc[unseen], codes)
        counted = None if weights is None else weights[unseen]
        threshold, whose = TASKS[recipe.task].threshold(best.model), f"the candidate {best.name} in fold {fold}"
        scores.append(scorer.value(recipe.ranked_by.name, target[unseen], said, counted, threshold, whose=whose))
        chosen.append(best.name)
    metric = recipe.ranked_by
    return NestedEstimate(
        metric.label, tuple(scores), float(np.mean(scores)), tuple(chosen), selected, metric.greater_is_better
    )
