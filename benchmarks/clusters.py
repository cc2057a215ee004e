"""Worlds of few clusters and of series, whose rows share features and noise.

`kept` is the gate's decision with clusters kept together (`split.group`), or with the past alone learned from (`split.time`);
`torn` the one with rows dealt one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

from recipeline.config.rules import Promotion
from recipeline.data.relating.relations import Relations
from recipeline.engine.local import LocalWorkers
from recipeline.promotion.gain import cross_validate, measure_gain
from recipeline.promotion.gate import corrected_level, judge
from recipeline.promotion.results import CHALLENGER, CHAMPION

SIZE, FOLDS, LOOKS, TRAINED = 30, 5, 9, 0.8
#: The share of the variance, of features and of noise, that the rows of a cluster have in common.
ALIKE = 0.5
#: How much of a value of a series lasts until the next one (autoregression of order 1).
LASTS = 0.8
SETTINGS = Promotion(bootstrap_draws=1000)


@dataclass(frozen=True)
class Verdicts:
    """Whether the challenger was promoted: clusters together, and rows one by one."""

    kept: bool
    torn: bool


def draw_clusters(rng: np.random.Generator, worths: np.ndarray, clusters: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return features worth so much R2 on new clusters, a target and the clusters."""
    cluster = np.repeat(np.arange(clusters), SIZE)

    def alike(columns: int) -> np.ndarray:
        common, own = rng.normal(size=(clusters, columns)), rng.normal(size=(len(cluster), columns))
        values: np.ndarray = np.sqrt(ALIKE) * common[cluster] + np.sqrt(1 - ALIKE) * own
        return values

    values, noise = alike(len(worths)), alike(1)[:, 0]
    return pd.DataFrame(values), values @ np.sqrt(worths) + np.sqrt(1 - worths.sum()) * noise, cluster


def best_equal(clusters: int) -> Callable[[int], Verdicts]:
    """Return a world where the best of nine challengers is as good as the champion."""

    def simulate(seed: int) -> Verdicts:
        rng = np.random.default_rng(seed)
        table, target, cluster = draw_clusters(rng, np.full(LOOKS + 1, 0.36 / (LOOKS + 1)), clusters)
        seen = np.isin(cluster, rng.permutation(clusters)[: round(TRAINED * clusters)])
        relations = Relations(cluster, "cluster"), Relations(np.arange(len(cluster)))
        return Verdicts(*(_chosen_passes(table, target, it, seen, seed) for it in relations))

    return simulate


def draw_series(rng: np.random.Generator, worths: np.ndarray, rows: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return lasting features worth so much R2, a lasting target and the times."""
    values = rng.normal(size=(rows, len(worths) + 1))
    for row in range(1, rows):
        values[row] = LASTS * values[row - 1] + np.sqrt(1 - LASTS**2) * values[row]
    features, noise = values[:, 1:], values[:, 0]
    return pd.DataFrame(features), features @ np.sqrt(worths) + np.sqrt(1 - worths.sum()) * noise, np.arange(rows, dtype=float)


def best_equal_over_time(rows: int) -> Callable[[int], Verdicts]:
    """Return a world where the best of nine challengers is as good as the champion."""

    def simulate(seed: int) -> Verdicts:
        worths = np.full(LOOKS + 1, 0.36 / (LOOKS + 1))
        table, target, times = draw_series(np.random.default_rng(seed), worths, rows)
        seen = times < TRAINED * rows
        kept = Relations(np.arange(rows), times=times, time_column="time")
        return Verdicts(*(_chosen_passes(table, target, it, seen, seed) for it in (kept, Relations(np.arange(rows)))))

    return simulate


def better(clusters: int, gain: float, looks: int = 1) -> Callable[[int], Verdicts]:
    """Return a world whose challenger is better by `gain`, the best of so many looks."""

    def simulate(seed: int) -> Verdicts:
        worths = np.array([gain, *np.full(LOOKS, 0.04)])
        table, target, cluster = draw_clusters(np.random.default_rng(seed), worths, clusters)
        arms = table, table.drop(columns=0), target
        kept, torn = Relations(cluster, "cluster"), Relations(np.arange(len(cluster)))
        return Verdicts(_passes(*arms, kept, seed, looks), _passes(*arms, torn, seed, looks))

    return simulate


def _chosen_passes(table: pd.DataFrame, target: np.ndarray, relations: Relations, seen: np.ndarray, seed: int) -> bool:
    """Whether the best recipe without another feature, by the rows `seen`, passes."""
    offers = [table.drop(columns=lacking) for lacking in range(1, LOOKS + 1)]
    folds = list(relations.take(seen).deal(FOLDS, seed))
    scores = [cross_val_score(LinearRegression(), it.to_numpy()[seen], target[seen], cv=folds).mean() for it in offers]
    return _passes(offers[int(np.argmax(scores))], table.drop(columns=0), target, relations, seed, LOOKS)


def _passes(
    challenger: pd.DataFrame, champion: pd.DataFrame, target: np.ndarray, relations: Relations, seed: int, looks: int
) -> bool:
    arms = {CHALLENGER: (LinearRegression(), challenger), CHAMPION: (LinearRegression(), champion)}
    answers = cross_validate(arms, target, relations, folds=FOLDS, repeats=SETTINGS.repeats, seed=seed, workers=LocalWorkers(1))
    level = corrected_level(SETTINGS.alpha, candidates=looks, attempt=1)
    gain = measure_gain(answers, level=level, draws=SETTINGS.bootstrap_draws, seed=seed)
    return judge("recipe", gain, [], SETTINGS, policy="auto", opponent="the champion").promoted


#: No promotion is right here.
WRONG: dict[str, Callable[[int], Verdicts]] = {
    **{f"{clusters} clusters, best of {LOOKS} equals": best_equal(clusters) for clusters in (20, 60)},
    **{f"{rows} times, best of {LOOKS} equals": best_equal_over_time(rows) for rows in (300, 1000)},
}

#: Every promotion is right here.
RIGHT: dict[str, Callable[[int], Verdicts]] = {
    f"{clusters} clusters, better by {gain:g}": better(clusters, gain) for clusters in (20, 60) for gain in (0.05, 0.1, 0.2)
}
