"""Width and coverage of 90 % intervals: five methods on the same splits.

Usage: make coverage [ARGS="data=wines.csv splits=20 model=lr,rf,mean"]

A split is the recipe's, grouped, with another seed: candidates are cross-validated and fitted on its training rows as by the
step train, each interval is fitted on their out-of-fold predictions, and counted on the test rows. The splits share rows, so
that the spread over them divided by the root of their number slightly underestimates the standard error of a mean.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
from joblib import Parallel, delayed, parallel_config
from scipy.optimize import linprog
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor

from benchmarks.tables import new_table
from recipeline.config.recipe import Recipe, load_recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.origin.sources import read_source
from recipeline.data.splits import cv_folds, split_rows
from recipeline.engine.local import LocalWorkers
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.form import as_function
from recipeline.inference.interval import LEVEL, both, fit_constant, fit_quantile, tail_quantiles
from recipeline.training.cross_validation import compare_candidates
from recipeline.training.quantiles import fit_quantiles

ROOT = Path(__file__).resolve().parents[1]
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
#: The way that the pipeline takes on the wines, to which the others are compared.
CHOSEN = "quantile models"
#: Three times the trees, each of twice the leaves: the settings of the recipe's candidate.
LARGER = HistGradientBoostingRegressor(
    loss="quantile",
    learning_rate=0.04,
    max_iter=150,
    max_leaf_nodes=8,
    min_samples_leaf=30,
    l2_regularization=10.0,
    max_features=0.5,
)
Limits = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Held:
    """Test rows of one split: targets, predictions and limits, of shape (rows,).

    They are in the target's unit.
    """

    target: np.ndarray
    predicted: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Whether each target is between its limits."""
        inside: np.ndarray = (self.lower <= self.target) & (self.target <= self.upper)
        return inside

    @property
    def width(self) -> np.ndarray:
        """The distance between each row's limits."""
        width: np.ndarray = self.upper - self.lower
        return width

    @property
    def score(self) -> float:
        """The mean interval score (Gneiting and Raftery 2007, eq. 43).

        It is the width plus 2 / (1 - level) times the miss.
        """
        outside = np.maximum(self.lower - self.target, 0) + np.maximum(self.target - self.upper, 0)
        return float(np.mean(self.width + 2 / (1 - LEVEL) * outside))


def tails_apart(target: np.ndarray, out_of_fold: np.ndarray, predicted: np.ndarray) -> Limits:
    """Return limits at the quantiles of the residuals, one for each tail.

    It is the pipeline's constant interval.
    """
    return fit_constant(target, out_of_fold).around(predicted, np.empty((len(predicted), 0)))


def symmetric(target: np.ndarray, out_of_fold: np.ndarray, predicted: np.ndarray) -> Limits:
    """Return limits at one quantile of the absolute residuals.

    Source: Lei et al. 2018, Algorithm 2.
    """
    reach = _conformal(np.abs(target - out_of_fold))
    return predicted - reach, predicted + reach


def linear(target: np.ndarray, out_of_fold: np.ndarray, predicted: np.ndarray) -> Limits:
    """Return limits from linear quantile regressions on the prediction.

    They are of the residuals, each conformalised for its tail.
    """
    residual = target - out_of_fold
    limits = []
    for tail, quantile in enumerate(TAILS):
        a, b = regress_quantile(out_of_fold, residual, quantile)
        shift = tail_quantiles(residual - (a + b * out_of_fold), LEVEL)[tail]
        limits.append(predicted + a + b * predicted + shift)
    return limits[0], limits[1]


def regress_quantile(x: np.ndarray, y: np.ndarray, quantile: float) -> tuple[float, float]:
    """Return (a, b) of the quantile regression line a + b x of y on x.

    Source: Koenker and Bassett 1978. Solved as its dual, which has as many constraints as the line has coefficients: 20
    times as fast as the primal problem.
    """
    design = np.column_stack([np.ones_like(x), x])
    dual = linprog(-y, A_eq=design.T, b_eq=(1 - quantile) * design.sum(axis=0), bounds=(0, 1), method="highs")
    a, b = -dual.eqlin.marginals
    return float(a), float(b)


def _conformal(scores: np.ndarray) -> float:
    """Return the ceil((n + 1) level)-th smallest of n scores."""
    return float(np.sort(scores)[min(len(scores), int(np.ceil((len(scores) + 1) * LEVEL))) - 1])


def of_features(recipe: Recipe, train: pd.DataFrame, test: pd.DataFrame) -> Limits:
    """Return limits from two quantile models of the features, conformalised.

    It is the pipeline's other interval.
    """
    features, target = train[list(recipe.features)], train[recipe.target].to_numpy(float)
    folds = cv_folds(train, recipe, "grouped")
    quantiles = fit_quantiles(features, target, folds, LocalWorkers(1), seed=recipe.random_state)()
    low, high = (as_function(model, Columns.of_numbers(recipe.features)) for model in quantiles.models)
    interval, rows = fit_quantile(target, *quantiles.out_of_fold, both(low, high)), test[list(recipe.features)].to_numpy(float)
    return low(rows) + interval.lower, high(rows) + interval.upper


def of_features_by_larger(recipe: Recipe, train: pd.DataFrame, test: pd.DataFrame) -> Limits:
    """Return limits from two larger quantile models of the features.

    They are conformalised out of fold.
    """
    features, target = list(recipe.features), train[recipe.target].to_numpy()
    honest, limits = [], []
    for quantile in TAILS:
        model = clone(LARGER).set_params(quantile=quantile, random_state=recipe.random_state)
        out_of_fold = np.empty(len(train))
        for seen, unseen in cv_folds(train, recipe, "grouped"):
            fitted = clone(model).fit(train[features].iloc[seen], target[seen])
            out_of_fold[unseen] = fitted.predict(train[features].iloc[unseen])
        honest.append(out_of_fold)
        limits.append(model.fit(train[features], target).predict(test[features]))
    shift = _conformal(np.maximum(honest[0] - target, target - honest[1]))
    return limits[0] - shift, limits[1] + shift


def measure(table: pd.DataFrame, recipe: Recipe, names: tuple[str, ...], seed: int) -> dict[tuple[str, str], Held]:
    """Return each candidate's intervals by method for the split of `seed`.

    Folds have that seed too.
    """
    recipe = recipe.model_copy(update={"random_state": seed})
    train, test = split_rows(table, recipe, "grouped")
    target, new = train[recipe.target].to_numpy(float), test[recipe.target].to_numpy(float)
    by_features, by_larger = of_features(recipe, train, test), of_features_by_larger(recipe, train, test)
    found: dict[tuple[str, str], Held] = {}
    for _, results in compare_candidates(recipe, names, train, "grouped", LocalWorkers(1)):
        for result in results:
            predicted = np.asarray(result.model.predict(test[list(recipe.features)]), float)
            given = (target, result.out_of_fold, predicted)
            ways = {
                CHOSEN: by_features,
                "quantile models, larger": by_larger,
                "constant, tails apart": tails_apart(*given),
                "constant, symmetric": symmetric(*given),
                "linear in prediction": linear(*given),
            }
            for way, (low, high) in ways.items():
                # As `Interval.around` does: the prediction is always inside.
                limits = np.minimum(low, predicted), np.maximum(high, predicted)
                found[result.name, way] = Held(new, predicted, *limits)
    return found


def run(table: pd.DataFrame, recipe: Recipe, names: tuple[str, ...], splits: int) -> dict[tuple[str, str], list[Held]]:
    """Return the intervals of the splits of seeds 1, 2, ..., on all cores.

    Progress goes to stderr.
    """
    held: dict[tuple[str, str], list[Held]] = {}
    with parallel_config(backend="loky", n_jobs=-1, inner_max_num_threads=1):
        calls = (delayed(measure)(table, recipe, names, seed) for seed in range(1, splits + 1))
        for done, found in enumerate(Parallel(return_as="generator")(calls), start=1):
            for key, value in found.items():
                held.setdefault(key, []).append(value)
            print(f"  {done} of {splits} splits", file=sys.stderr, flush=True)
    return held


def tabulate_ways(held: Mapping[tuple[str, str], list[Held]]) -> str:
    """Return mean coverage, width and interval score by candidate and method.

    Differences from the chosen method are included. After ± is the standard deviation over splits divided by the root of their
    number.
    """
    table = new_table(
        ["candidate", "interval", "coverage", "below", "above", "width", "against chosen", "score", "against chosen "]
    )
    for (candidate, way), splits in held.items():
        chosen = held[candidate, CHOSEN]
        widths, scores = (np.array([[of(h) for h in group] for group in (splits, chosen)]) for of in (_mean_width, _score))
        table.add_row(
            [
                candidate,
                way,
                _mean([h.inside.mean() for h in splits]),
                f"{np.mean([np.mean(h.target < h.lower) for h in splits]):.3f}",
                f"{np.mean([np.mean(h.target > h.upper) for h in splits]):.3f}",
                f"{widths[0].mean():.3f}",
                "" if way == CHOSEN else _mean(widths[0] - widths[1], sign="+"),
                f"{scores[0].mean():.3f}",
                "" if way == CHOSEN else _mean(scores[0] - scores[1], sign="+"),
            ]
        )
    return str(table.get_string())


def _mean_width(held: Held) -> float:
    return float(held.width.mean())


def _score(held: Held) -> float:
    return held.score


def tabulate_bins(ways: Mapping[str, list[Held]], by: str, edges: np.ndarray) -> str:
    """Return rows, coverage and width of each method by bins of `by`.

    `by` is ``predicted`` or ``target``.
    """
    table = new_table([by, "rows", *ways])
    joined = {way: [np.concatenate(parts) for parts in _columns(splits, by)] for way, splits in ways.items()}
    splits = len(next(iter(ways.values())))
    for low, high in zip((-np.inf, *edges), (*edges, np.inf), strict=True):
        bins = {way: (low <= value) & (value < high) for way, (value, _, _) in joined.items()}
        rows = int(next(iter(bins.values())).sum())
        if not rows:
            continue
        cells = [f"{joined[way][1][chosen].mean():.3f} {joined[way][2][chosen].mean():.2f}" for way, chosen in bins.items()]
        table.add_row([f"[{low:g}, {high:g})", f"{rows / splits:.0f}", *cells])
    return str(table.get_string())


def _columns(splits: list[Held], by: str) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    return [getattr(h, by) for h in splits], [h.inside for h in splits], [h.width for h in splits]


def _mean(values: list[float] | np.ndarray, sign: str = "") -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):{sign}.3f} ± {error:.3f}"


def main(options: dict[str, str]) -> None:
    """Measure and print all methods, then coverage by predicted and true value."""
    start = time.perf_counter()
    recipe = load_recipe(ROOT / "recipe.yaml", os.environ)
    names, splits = recipe.select(options.get("model", "lr,rf,mean")), int(options.get("splits", "20"))
    cache = Path(platformdirs.user_cache_dir("recipeline", appauthor=False))
    source = read_source(options.get("data", "auto"), recipe, folder=Path.cwd(), cache=cache)
    table = validate_table(source.open(recipe), recipe, origin=source.origin)
    print(f"data: {source.origin} [{source.kind}]; {splits} grouped splits; level {LEVEL:g}", flush=True)
    held = run(table, recipe, names, splits)
    print(tabulate_ways(held))
    for name in names:
        ways = {way: value for (candidate, way), value in held.items() if candidate == name}
        predicted = np.concatenate([h.predicted for h in ways[CHOSEN]])
        print(f"{name}, coverage, and then width, by predicted and by true value:")
        print(tabulate_bins(ways, "predicted", np.unique(np.round(np.quantile(predicted, (0.05, 0.25, 0.5, 0.75, 0.95)), 1))))
        print(tabulate_bins(ways, "target", np.unique(table[recipe.target])[1:]))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
