"""Means of compiled forms, as VotingRegressor and VotingClassifier take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator

from recipeline.inference.compiled.form import Compiled, UnknownKindError


def weights_of(model: BaseEstimator, members: int) -> np.ndarray | None:
    """Return the weights of a voting model's members, (members,).

    None: all count alike.
    Raises
    ------
    UnknownKindError : their sum is 0, or they are those of other members.
    """
    kept = [not (isinstance(member, str) and member == "drop") for _, member in model.estimators]
    weights = None if model.weights is None else np.asarray(model.weights)[kept]
    if not members or (weights is not None and (len(weights) != members or not weights.sum())):
        raise UnknownKindError
    return weights


def describe_mean(members: Sequence[Compiled]) -> str:
    """Return what a mean computes, for people."""
    return "mean of " + ", ".join(dict.fromkeys(member.kind for member in members))


def mean_of(model: BaseEstimator, members: Sequence[Compiled]) -> Compiled:
    """Return the mean of classifiers' probabilities, added up in their order.

    Raises
    ------
    UnknownKindError : as `weights_of`.
    """
    asked, weights = [member.predict for member in members], weights_of(model, len(members))
    total = len(members) if weights is None else weights.sum()

    def predict(rows: np.ndarray) -> np.ndarray:
        first, *others = (
            (ask(rows) for ask in asked)
            if weights is None
            else (ask(rows) * weight for ask, weight in zip(asked, weights, strict=True))
        )
        mean: np.ndarray = sum(others, start=first) / total
        return mean

    is_exact = all(member.exact for member in members)
    return Compiled(describe_mean(members), is_exact, predict, is_light=all(member.is_light for member in members))
