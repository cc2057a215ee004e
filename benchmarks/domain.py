"""Measure the false alarms and the power of the domain classifier of monitoring.

Usage: python -m benchmarks.domain [draws=200] [rows=100,150,200,500]

Rows are synthetic wines. Each draw has training rows and live rows of its own. `new vintage` has the same columns, each
shuffled by itself; in `half known` every other row is a training row. Alarms are p-values below 0.01, `at most` is the 99.9 %
quantile of their number; a shift is found below 0.01 / 12, as beside eleven features that have not moved.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from prettytable import PrettyTable, TableStyle
from scipy import stats

from custom.red_wine import draw
from recipeline.monitoring.domain import measure_domain

ALPHA = 0.01
Change = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """The areas and p-values of all draws that were judged."""

    auc: np.ndarray
    p_value: np.ndarray


def no_drift(live: np.ndarray, _train: np.ndarray, _random: np.random.Generator) -> np.ndarray:
    """Return the rows as they are."""
    return live


def new_vintage(live: np.ndarray, _train: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return rows with the same columns, which come together by chance."""
    return random.permuted(live, axis=0)


def half_known(live: np.ndarray, train: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the new vintage, every other row replaced by a training row."""
    changed = new_vintage(live, train, random)
    changed[::2] = train[random.permutation(len(train))[: len(changed[::2])]]
    return changed


def simulate(draws: int, rows: int, change: Change) -> Outcome:
    """Return what is said of so many draws of live rows."""
    found = []
    for seed in range(draws):
        random = np.random.default_rng(seed)
        train = _features(2 * seed)
        later = np.concatenate([_features(10_000 + 100 * seed + part) for part in range(1 + rows // 1000)])
        live = change(later[random.permutation(len(later))[:rows]], train, random)
        said = measure_domain(train, live, seed=seed)
        if said:
            found.append((said.auc, said.p_value))
    auc, p_value = np.array(found).T
    return Outcome(auc, p_value)


def _features(seed: int) -> np.ndarray:
    return draw(seed).drop(columns="quality").drop_duplicates().to_numpy(dtype=float)


def main(arguments: list[str]) -> None:
    """Print the table."""
    given = dict(argument.split("=", 1) for argument in arguments)
    draws = int(given.get("draws", 200))
    heads = ["AUC without drift", "alarms", "at most", "AUC, new vintage", "found", "AUC, half known", "found in it"]
    table = PrettyTable(["rows", *heads])
    table.set_style(TableStyle.MARKDOWN)
    most = int(stats.binom.ppf(0.999, draws, ALPHA))
    for rows in map(int, given.get("rows", "100,150,200,500").split(",")):
        alike = simulate(draws, rows, no_drift)
        cells: list[str] = []
        for change in (new_vintage, half_known):
            apart = simulate(max(draws // 10, 1), rows, change)
            cells += [f"{apart.auc.mean():.3f}", f"{np.mean(apart.p_value < ALPHA / 12):.0%}"]
        table.add_row(
            [rows, f"{alike.auc.mean():.3f} ± {alike.auc.std():.3f}", int((alike.p_value < ALPHA).sum()), most, *cells]
        )
        print(table.get_string(start=len(table.rows) - 1), flush=True)
    print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
