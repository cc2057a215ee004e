"""Error rate and power of the promotion gate on simulated rows.

Usage: make calibrate [ARGS="datasets=200 jobs=-1 only=worlds"], or only=clusters, or only=classes

A data set has as many distinct rows as there are red wines, and 15 % copies. A recipe is a linear regression that lacks one of
ten exchangeable features, so that all recipes are equally good, and every promotion is an error. The champion is one of them,
the challenger the best of the others by cross-validation on the training rows, as in the chain. For the power, the challenger
is the linear regression of all ten features. `benchmarks.worlds` has further simulations, and the power by number of rows,
`benchmarks.clusters` and `benchmarks.classes` those of few clusters and of labels.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score

from benchmarks import classes, clusters
from benchmarks.tables import new_table
from benchmarks.worlds import RIGHT, WRONG
from recipeline.config.rules import Promotion
from recipeline.data.relating.relations import Relations, deal_folds
from recipeline.engine.dask import DaskWorkers
from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Workers
from recipeline.promotion.gain import cross_validate, measure_gain
from recipeline.promotion.gate import corrected_level, judge
from recipeline.promotion.results import CHALLENGER, CHAMPION

ROWS, COPIES, FEATURES, FOLDS, TEST_SIZE = 1359, 0.15, 10, 5, 0.2
CANDIDATES = FEATURES - 1
#: A quarter of the recipe's draws: the standard error of the bootstrap is then itself sure to 2 %.
SETTINGS = Promotion(bootstrap_draws=1000)
#: What one feature is worth where all recipes are equal: their R2 is 0.36, as that of the real wines.
WORTH = 0.04
GAINS = (0.02, 0.04)

#: Simulations of one data set by the name of their world.
Worlds = Mapping[str, Callable[[int], clusters.Verdicts]]


@dataclass(frozen=True)
class Outcome:
    """The result of one data set: gain in R2, standard errors, and decisions.

    `promoted` is the gate's decision, `promoted_nominal` the one without the correction for the number of candidates.
    """

    gain: float
    bootstrap: float
    corrected: float
    promoted: bool
    promoted_nominal: bool

    @property
    def std_error(self) -> float:
        """The larger of the two standard errors, which the gate uses."""
        return max(self.bootstrap, self.corrected)


@dataclass(frozen=True)
class Share:
    """`hits` of `of` data sets."""

    hits: int
    of: int

    @property
    def upper(self) -> float:
        """The upper one-sided 95 % limit of the probability (Clopper and Pearson 1934)."""
        return 1.0 if self.hits == self.of else float(stats.beta.ppf(0.95, self.hits + 1, self.of - self.hits))

    def __str__(self) -> str:
        return f"{self.hits} of {self.of}"


@dataclass(frozen=True)
class FalsePromotions:
    """False promotions of the gate with and without correction for candidates."""

    corrected: Share
    nominal: Share


def effect_of(worth: float) -> float:
    """Return the effect of each of p features that makes one worth `worth` R2.

    For effects e and noise of variance 1, all p explain p e^2 of p e^2 + 1, and p - 1 of them e^2 less.
    """
    return math.sqrt(worth / (1 - FEATURES * worth))


def simulate(seed: int, *, gain: float, candidates: int = CANDIDATES) -> Outcome:
    """Return what the gate decides on one data set.

    Parameters
    ----------
    gain : true gain in R2 of the challenger; 0: it is the best of as many equal recipes as there are `candidates`.
    candidates : also what the level is corrected for.
    """
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(ROWS, FEATURES))
    answers = values @ np.full(FEATURES, effect_of(gain or WORTH)) + rng.normal(size=ROWS)
    groups = np.concatenate([np.arange(ROWS), rng.integers(ROWS, size=int(COPIES * ROWS))])
    table, target = pd.DataFrame(values[groups]), answers[groups]
    train = (rng.random(ROWS) >= TEST_SIZE)[groups]

    features = table if gain else _choose(table, target, groups, train, candidates, seed)
    model = LinearRegression()
    evidence = cross_validate(
        {CHALLENGER: (model, features), CHAMPION: (model, table.drop(columns=0))},
        target,
        Relations(groups),
        folds=FOLDS,
        repeats=SETTINGS.repeats,
        seed=seed,
        workers=LocalWorkers(1),
    )
    found, passed = [], []
    for count in (candidates, 1):
        level = corrected_level(SETTINGS.alpha, candidates=count, attempt=1)
        measured = measure_gain(evidence, level=level, draws=SETTINGS.bootstrap_draws, seed=seed)
        found.append(measured)
        passed.append(judge("recipe", measured, [], SETTINGS, policy="auto", opponent="the champion").promoted)
    assert found[0].corrected_std_error is not None
    return Outcome(
        gain=found[0].gain,
        bootstrap=found[0].bootstrap_std_error,
        corrected=found[0].corrected_std_error,
        promoted=passed[0],
        promoted_nominal=passed[1],
    )


def _choose(
    table: pd.DataFrame, target: np.ndarray, groups: np.ndarray, train: np.ndarray, candidates: int, seed: int
) -> pd.DataFrame:
    """Return the features of the candidate with the highest cross-validated R2.

    Only training rows are used.
    """
    folds = list(deal_folds(groups[train], FOLDS, seed))
    offers = [table.drop(columns=lacking) for lacking in range(1, candidates + 1)]
    scores = [cross_val_score(LinearRegression(), offer[train], target[train], cv=folds).mean() for offer in offers]
    return offers[int(np.argmax(scores))]


def run(datasets: int, *, gain: float, candidates: int = CANDIDATES, workers: Workers | None = None) -> list[Outcome]:
    """Return the outcomes of the data sets of seeds 0, 1, ..., on all cores.

    Progress goes to stderr.
    """
    outcomes: list[Outcome] = []
    simulate_one = partial(simulate, gain=gain, candidates=candidates)
    for outcome in (workers or LocalWorkers(-1)).map([(simulate_one, (seed,)) for seed in range(datasets)]):
        outcomes.append(outcome)
        if len(outcomes) % 50 == 0 or len(outcomes) == datasets:
            label = f"true gain {gain:g}, {candidates} candidates"
            print(f"  {label}: {len(outcomes)} of {datasets} data sets", file=sys.stderr, flush=True)
    return outcomes


def share(outcomes: list[Outcome], hit: Callable[[Outcome], bool]) -> Share:
    """Return in how many data sets `hit` holds."""
    return Share(sum(map(hit, outcomes)), len(outcomes))


def false_promotions(datasets: int) -> FalsePromotions:
    """Return how often the best of nine recipes replaces a champion that is as good."""
    outcomes = run(datasets, gain=0)
    return FalsePromotions(share(outcomes, lambda o: o.promoted), share(outcomes, lambda o: o.promoted_nominal))


def power(datasets: int, *, gain: float) -> Share:
    """Return how often a challenger that is better by `gain` in R2 is promoted."""
    return share(run(datasets, gain=gain), lambda o: o.promoted)


def main(options: dict[str, str]) -> None:
    """Simulate and print the tables."""
    datasets, start = int(options.get("datasets", "200")), time.perf_counter()
    workers, only = _open_workers(options), options.get("only")
    tables: dict[str, Callable[[], str]] = {"worlds": partial(tabulate_worlds, datasets, workers)}
    tables |= {
        name: partial(tabulate_clusters, module.WRONG, module.RIGHT, datasets, workers)
        for name, module in (("clusters", clusters), ("classes", classes))
    }
    for name, tabulate in tables.items():
        if only in (None, name):
            print(tabulate(), flush=True)
    if only:
        return
    print(f"{datasets} data sets a row; {ROWS} distinct rows and {COPIES:.0%} copies; {FEATURES} features", flush=True)
    scenarios = {
        f"equal, best of {CANDIDATES}": (0.0, run(datasets, gain=0, workers=workers)),
        "equal, one candidate": (0.0, run(datasets, gain=0, candidates=1, workers=workers)),
        **{f"better by {gain:g}": (gain, run(datasets, gain=gain, workers=workers)) for gain in GAINS},
    }
    print(tabulate_decisions(scenarios))
    print(tabulate_errors(scenarios))
    print(f"{time.perf_counter() - start:.0f} s")


def _open_workers(options: dict[str, str]) -> Workers:
    """Return the engine of the options: jobs=, or engine=dask with jobs= or address=."""
    jobs = int(options.get("jobs", "-1"))
    if options.get("engine", "local") == "local":
        return LocalWorkers(jobs)
    return DaskWorkers(
        options.get("address", ""),
        n_jobs=jobs,
        packages=["benchmarks"],
        announce=lambda words: print(f"engine: {words}", file=sys.stderr),
    )


def tabulate_worlds(datasets: int, workers: Workers) -> str:
    """Return how often anything is promoted in each world, attempts counted or not."""
    table = new_table(["world", "promoted", "chance at most", "not counted"])
    for label, simulate_one in (WRONG | RIGHT).items():
        verdicts = list(workers.map([(simulate_one, (seed,)) for seed in range(datasets)]))
        counted = Share(sum(it.counted for it in verdicts), datasets)
        uncounted = Share(sum(it.uncounted for it in verdicts), datasets)
        table.add_row([label, str(counted), f"{counted.upper:.3f}" if label in WRONG else "", str(uncounted)])
        print(f"  {label}: {counted}, {uncounted}", file=sys.stderr, flush=True)
    return str(table.get_string())


def tabulate_clusters(wrong: Worlds, right: Worlds, datasets: int, workers: Workers) -> str:
    """Return how often anything is promoted where rows are clustered, or have labels.

    Once with the clusters kept together, once with rows dealt one by one.
    """
    table = new_table(["world", "promoted", "chance at most", "rows dealt one by one"])
    for label, simulate_one in {**wrong, **right}.items():
        verdicts = list(workers.map([(simulate_one, (seed,)) for seed in range(datasets)]))
        kept, torn = Share(sum(it.kept for it in verdicts), datasets), Share(sum(it.torn for it in verdicts), datasets)
        table.add_row([label, str(kept), f"{kept.upper:.3f}" if label in wrong else "", str(torn)])
        print(f"  {label}: {kept}, {torn}", file=sys.stderr, flush=True)
    return str(table.get_string())


def tabulate_decisions(scenarios: dict[str, tuple[float, list[Outcome]]]) -> str:
    """Return the number of promotions, with and without correction for candidates."""
    table = new_table(["challenger", "promoted", "chance at most", "promoted at nominal level", "chance at most "])
    for label, (true, outcomes) in scenarios.items():
        shares = (share(outcomes, lambda o: o.promoted), share(outcomes, lambda o: o.promoted_nominal))
        # Of what is right to promote, an upper limit says nothing.
        table.add_row([label, *(cell for found in shares for cell in (str(found), "" if true else f"{found.upper:.3f}"))])
    return str(table.get_string())


def tabulate_errors(scenarios: dict[str, tuple[float, list[Outcome]]]) -> str:
    """Return mean and spread of gains, mean standard errors, and coverage.

    Coverage is that of 95 % intervals for the true gain.
    """
    kinds: dict[str, Callable[[Outcome], float]] = {
        "bootstrap": lambda o: o.bootstrap,
        "corrected": lambda o: o.corrected,
        "larger": lambda o: o.std_error,
    }
    table = new_table(
        ["challenger", "mean gain", "spread", *(f"{kind} error" for kind in kinds), *(f"{kind} 95 %" for kind in kinds)]
    )
    half = float(stats.norm.ppf(0.975))
    for label, (true, outcomes) in scenarios.items():
        gains = np.array([outcome.gain for outcome in outcomes])
        errors = {kind: np.array([error(outcome) for outcome in outcomes]) for kind, error in kinds.items()}
        table.add_row(
            [
                label,
                f"{gains.mean():+.4f}",
                f"{gains.std(ddof=1):.4f}",
                *(f"{error.mean():.4f}" for error in errors.values()),
                *(f"{np.mean(np.abs(gains - true) <= half * error):.1%}" for error in errors.values()),
            ]
        )
    return str(table.get_string())


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
