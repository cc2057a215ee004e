"""Worlds of labels: two balanced ones, a rare one, four, and clusters of 20 rows.

The log odds of a label are a linear function of normal features, and a recipe is a logistic regression of some of them. Where
no promotion is right, recipes lack one of several exchangeable features; where it is, the champion lacks the feature that makes
the challenger better. `kept` is the gate's decision, with clusters kept together, and `torn` the one with rows dealt one by
one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from benchmarks.clusters import Verdicts
from recipeline.config.rules import Promotion
from recipeline.data.relating.relations import Relations
from recipeline.data.target_codes import TargetCodes
from recipeline.data.tasks.every import TASKS
from recipeline.engine.local import LocalWorkers
from recipeline.promotion.gain import cross_validate, measure_gain
from recipeline.promotion.gate import corrected_level, judge
from recipeline.promotion.results import CHALLENGER, CHAMPION

FOLDS, TRAINED, SIZE = 5, 0.8, 20
#: The share of the variance, of features and of noise, that the rows of a cluster have in common.
ALIKE = 0.5
SETTINGS = Promotion(bootstrap_draws=1000)


@dataclass(frozen=True)
class World:
    """Rows with labels: number, log odds of the labels, effects of the features.

    `directions` has shape (kinds, labels): feature j adds its effect times `directions[j % kinds]`. There are `features` of the
    effect `effect`, and where promotion is right one more of the effect `extra`, which is worth `gain` Brier skill. With
    `clusters` rows come in as many equal parts, alike in features and noise.
    """

    task: str
    rows: int
    intercepts: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    effect: float
    extra: float
    gain: float
    features: int = 10
    clusters: int | None = None

    @property
    def codes(self) -> TargetCodes:
        """The codes of its labels, which are 0, 1, ..."""
        return TargetCodes(self.task, tuple(range(len(self.intercepts))))

    def draw(
        self, rng: np.random.Generator, extra: float = 0.0, rows: int | None = None
    ) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """Return features, labels and clusters; `extra` is in the first feature."""
        size = rows or self.rows
        cluster = np.arange(size) if self.clusters is None else np.arange(size) // (self.rows // self.clusters)
        effects = np.array([*([extra] if extra else []), *[self.effect] * self.features])
        kinds = np.array(self.directions)
        values = self._alike(rng, cluster, len(effects))
        weights = effects[:, None] * kinds[np.arange(len(effects)) % len(kinds)]
        odds = values @ weights + np.array(self.intercepts)
        if self.clusters is not None:
            odds += self._alike(rng, cluster, 1, own=0.0) * kinds[0]
        chances = np.exp(odds - odds.max(axis=1, keepdims=True))
        below = np.cumsum(chances / chances.sum(axis=1, keepdims=True), axis=1)[:, :-1]
        return pd.DataFrame(values), (rng.random(size)[:, None] > below).sum(axis=1), cluster

    def _alike(self, rng: np.random.Generator, cluster: np.ndarray, columns: int, own: float = 1.0) -> np.ndarray:
        values: np.ndarray = own * rng.normal(size=(len(cluster), columns))
        if self.clusters is not None:
            common = rng.normal(size=(int(cluster.max()) + 1, columns))[cluster]
            values = math.sqrt(ALIKE) * common + math.sqrt(1 - ALIKE) * values
        return values

    def relations(self, cluster: np.ndarray) -> Relations:
        """Return the relations of rows that keep clusters together."""
        return Relations(cluster, "" if self.clusters is None else "cluster")


def equal(world: World, seed: int) -> Verdicts:
    """Return whether the best of recipes that are as good as the champion is promoted."""
    rng = np.random.default_rng(seed)
    table, target, cluster = world.draw(rng)
    seen = np.isin(cluster, rng.permutation(np.unique(cluster))[: round(TRAINED * len(np.unique(cluster)))])
    offers = [table.drop(columns=lacking) for lacking in range(1, world.features)]

    def passes(relations: Relations) -> bool:
        folds = list(relations.take(seen).deal(FOLDS, seed, TASKS[world.task].strata(target[seen])))
        scores = [
            cross_val_score(new_model(), it.to_numpy()[seen], target[seen], cv=folds, scoring="neg_log_loss").mean()
            for it in offers
        ]
        return _passes(world, offers[int(np.argmax(scores))], table.drop(columns=0), target, relations, seed, len(offers))

    return _both(world, cluster, passes)


def better(world: World, seed: int, looks: int = 1) -> Verdicts:
    """Return whether a challenger that is better by the world's gain is promoted."""
    table, target, cluster = world.draw(np.random.default_rng(seed), world.extra)
    return _both(world, cluster, lambda it: _passes(world, table, table.drop(columns=0), target, it, seed, looks))


def new_model() -> LogisticRegression:
    """Return an unfitted recipe, almost without a penalty."""
    return LogisticRegression(C=100.0, max_iter=200)


def _both(world: World, cluster: np.ndarray, passes: Callable[[Relations], bool]) -> Verdicts:
    kept = passes(world.relations(cluster))
    return Verdicts(kept, kept if world.clusters is None else passes(Relations(np.arange(len(cluster)))))


def _passes(
    world: World,
    challenger: pd.DataFrame,
    champion: pd.DataFrame,
    target: np.ndarray,
    relations: Relations,
    seed: int,
    looks: int,
) -> bool:
    arms = {CHALLENGER: (new_model(), challenger), CHAMPION: (new_model(), champion)}
    answers = cross_validate(
        *(arms, target, relations),
        folds=FOLDS,
        repeats=SETTINGS.repeats,
        seed=seed,
        workers=LocalWorkers(1),
        codes=world.codes,
    )
    level = corrected_level(SETTINGS.alpha, candidates=looks, attempt=1)
    gain = measure_gain(answers, level=level, draws=SETTINGS.bootstrap_draws, seed=seed)
    return judge("recipe", gain, [], SETTINGS, policy="auto", opponent="the champion").promoted


_TWO = ((0.0, 1.0),)
#: The corners of a tetrahedron: no label is nearer to another.
_FOUR = ((1.0, 1.0, 1.0), (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))
_CORNERS = tuple(tuple(sum(a * b for a, b in zip(one, other, strict=True)) / 3 for other in _FOUR) for one in _FOUR)

WORLDS: dict[str, World] = {
    "two labels, balanced": World("binary", 1000, (0.0, 0.0), _TWO, 0.45, 0.54, 0.04),
    "two labels, 3 % positive": World("binary", 4000, (0.0, -4.55), _TWO, 0.45, 0.93, 0.06),
    "four labels": World("multiclass", 1000, (0.0, 0.0, 0.0, 0.0), _CORNERS, 0.8, 0.74, 0.04, features=8),
    "60 clusters of 20 rows": World("binary", 1200, (0.0, 0.0), _TWO, 0.45, 0.81, 0.075, clusters=60),
}

#: No promotion is right here.
WRONG: dict[str, Callable[[int], Verdicts]] = {
    f"{name}, best of {world.features - 1} equals": partial(equal, world) for name, world in WORLDS.items()
}

#: Every promotion is right here.
RIGHT: dict[str, Callable[[int], Verdicts]] = {
    f"{name}: {world.rows} rows, better by {world.gain:g}, best of {looks}": partial(better, world, looks=looks)
    for name, world in WORLDS.items()
    for looks in (1, world.features - 1)
}
