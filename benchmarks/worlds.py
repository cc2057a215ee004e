"""Worlds with a search, earlier looks, repeated attempts or reused test rows.

In each of them no promotion is right. `counted` is the gate's decision, `uncounted` the one of a gate that knows nothing of the
looks and attempts before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

from recipeline.config.rules import Promotion
from recipeline.data.relating.relations import Relations, deal_folds
from recipeline.engine.local import LocalWorkers
from recipeline.promotion.gain import Answers, cross_validate, measure_gain
from recipeline.promotion.gate import Rule, corrected_level, judge
from recipeline.promotion.results import CHALLENGER, CHAMPION, Gain

ROWS, FOLDS, TEST_SIZE, TRIES, LOOKS, DRAWS = 600, 5, 0.2, 10, 9, 20
SETTINGS = Promotion(bootstrap_draws=400)


@dataclass(frozen=True)
class Verdicts:
    """Whether anything was promoted, with what was tried before counted, and without."""

    counted: bool
    uncounted: bool


def draw_rows(rng: np.random.Generator, worths: np.ndarray, rows: int = ROWS) -> tuple[pd.DataFrame, np.ndarray]:
    """Return features, each worth so much R2, and a target; their sum is below 1."""
    values = rng.normal(size=(rows, len(worths)))
    noise = rng.normal(0, np.sqrt(1 - worths.sum()), rows)
    return pd.DataFrame(values), values @ np.sqrt(worths) + noise


def best_of(looks: int, *, on_test_rows: bool) -> Callable[[int], Verdicts]:
    """Return a world whose challenger is the best of `looks` recipes as good as now."""

    def simulate(seed: int) -> Verdicts:
        rng = np.random.default_rng(seed)
        table, target = draw_rows(rng, np.full(looks + 1, 0.36 / (looks + 1)))
        seen = np.ones(ROWS, dtype=bool) if on_test_rows else rng.random(ROWS) >= TEST_SIZE
        offers = [table.drop(columns=lacking) for lacking in range(1, looks + 1)]
        folds = list(deal_folds(np.flatnonzero(seen), FOLDS, seed))
        scores = [cross_val_score(LinearRegression(), it.to_numpy()[seen], target[seen], cv=folds).mean() for it in offers]
        gain = _compare(offers[int(np.argmax(scores))], table.drop(columns=0), target, seed)
        return Verdicts(_passes("recipe", gain, candidates=looks), _passes("recipe", gain))

    return simulate


def try_again(seed: int) -> Verdicts:
    """Return whether any of ten recipes as good as the champion passes the gate."""
    table, target = draw_rows(np.random.default_rng(seed), np.full(TRIES + 1, 0.36 / (TRIES + 1)))
    gains = (_compare(table.drop(columns=lacking), table.drop(columns=0), target, seed) for lacking in range(1, TRIES + 1))
    return _any("recipe", gains)


def refresh_again(seed: int) -> Verdicts:
    """Return whether any of ten models that lose the whole margin passes the gate.

    Each is fitted to more rows; the test rows are the same each time.
    """
    rng, margin = np.random.default_rng(seed), SETTINGS.margin
    table, target = draw_rows(rng, np.array([margin, *np.full(9, 0.033)]))
    test, train = np.arange(ROWS) < TEST_SIZE * ROWS, np.flatnonzero(np.arange(ROWS) >= TEST_SIZE * ROWS)
    worse = table.drop(columns=0)
    champion = LinearRegression().fit(table.iloc[train[:300]], target[train[:300]]).predict(table[test])

    def tries() -> Iterator[Gain]:
        for rows in np.linspace(300, len(train), TRIES).astype(int):
            model = LinearRegression().fit(worse.iloc[train[:rows]], target[train[:rows]])
            predicted = {CHALLENGER: model.predict(worse[test])[:, None], CHAMPION: champion[:, None]}
            yield _measure(Answers(target[test], Relations(np.flatnonzero(test)), predicted), seed)

    return _any("refresh", tries())


def see(rows: int, gain: float, looks: int) -> Callable[[int], Verdicts]:
    """Return a simulation in which the challenger is better by `gain`.

    Promotion is right, with this number of rows and looks.
    """

    def simulate(seed: int) -> Verdicts:
        table, target = draw_rows(np.random.default_rng(seed), np.array([gain, *np.full(9, 0.04)]), rows)
        found = _compare(table, table.drop(columns=0), target, seed)
        return Verdicts(_passes("recipe", found, candidates=looks), _passes("recipe", found))

    return simulate


def _compare(challenger: pd.DataFrame, champion: pd.DataFrame, target: np.ndarray, seed: int) -> Gain:
    arms = {CHALLENGER: (LinearRegression(), challenger), CHAMPION: (LinearRegression(), champion)}
    answers = cross_validate(
        arms,
        target,
        Relations(np.arange(len(target))),
        folds=FOLDS,
        repeats=SETTINGS.repeats,
        seed=seed,
        workers=LocalWorkers(1),
    )
    return _measure(answers, seed)


def _measure(answers: Answers, seed: int) -> Gain:
    return measure_gain(answers, level=0.95, draws=SETTINGS.bootstrap_draws, seed=seed)


def _passes(rule: Rule, gain: Gain, *, candidates: int = 1, attempt: int = 1) -> bool:
    level = corrected_level(SETTINGS.alpha, candidates=candidates, attempt=attempt)
    gain = replace(gain, level=level, lower=gain.gain - float(stats.norm.ppf(level)) * gain.std_error)
    return judge(rule, gain, [], SETTINGS, policy="auto", opponent="the champion").promoted


def _any(rule: Rule, gains: Iterator[Gain]) -> Verdicts:
    found = list(gains)
    return Verdicts(
        any(_passes(rule, gain, attempt=attempt) for attempt, gain in enumerate(found, 1)),
        any(_passes(rule, gain) for gain in found),
    )


#: No promotion is right here.
WRONG: dict[str, Callable[[int], Verdicts]] = {
    f"search of {DRAWS} draws": best_of(DRAWS, on_test_rows=False),
    f"look at {LOOKS} on all rows, then one alone": best_of(LOOKS, on_test_rows=True),
    f"{TRIES} attempts at one champion": try_again,
    f"{TRIES} refreshes that lose the margin, same test rows": refresh_again,
}

#: Every promotion is right here.
RIGHT: dict[str, Callable[[int], Verdicts]] = {
    f"{rows} rows, better by {gain:g}": see(rows, gain, LOOKS) for rows in (400, 1359, 4000) for gain in (0.02, 0.04)
}
