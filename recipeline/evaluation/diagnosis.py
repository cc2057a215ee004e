"""The diagnosis of a model: errors by prediction and slice, feature importance."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline.config.recipe import Recipe
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.relating.relations import relate_rows, weigh_rows
from recipeline.data.target_codes import TargetCodes
from recipeline.evaluation.results import Diagnosis, FeatureCoverage, Importance, RangeErrors, SliceErrors, WorstRow
from recipeline.evaluation.tasks.base import ChosenBy, Tested, Uncertainty
from recipeline.evaluation.tasks.every import TASKS
from recipeline.inference.asking import probabilities, say
from recipeline.inference.columns import Codes, Columns
from recipeline.inference.compiled.compile import fastest
from recipeline.metrics.bootstrap import mean_interval
from recipeline.metrics.rates import resample_rates
from recipeline.metrics.skill import skill_score
from recipeline.metrics.tasks.every import TASKS as METRIC_TASKS
from recipeline.metrics.two_labels import HALF

REPEATS, WORST, BINS, MOST_ROWS = 5, 10, 5, 5_000


def diagnose(
    model: BaseEstimator,
    test: pd.DataFrame | HeldOut,
    predicted: np.ndarray,
    uncertain: Uncertainty,
    recipe: Recipe,
    columns: Columns,
    codes: TargetCodes,
    chosen_by: ChosenBy,
    threshold: float = HALF,
) -> Diagnosis:
    """Return what is known of the errors of `model` on the test rows.

    Parameters
    ----------
    test : the rows, with the recipe's columns. predicted : shaped as the target's codes, without NaN. uncertain : its
        interval or set of labels.
    chosen_by : target, predictions and weights of the training rows out of fold, without NaN.
    """
    held_out = HeldOut.of(test)
    target, rows = codes.of(held_out.keys, recipe), columns.codes(held_out.rows)
    error = METRIC_TASKS[codes.task].row_errors(target, predicted)
    drawn = draw_rows(len(held_out), recipe.random_state)
    asked, truth = held_out.take(drawn, recipe.features), target[drawn]
    importance = measure_importance(model, asked, truth, columns, codes, seed=recipe.random_state)
    groups, task, inside = relate_rows(held_out.keys, recipe).evidence()[0].pieces, TASKS[codes.task], uncertain.inside
    tested = Tested(
        rows=rows,
        target=target,
        predicted=predicted,
        uncertain=uncertain,
        groups=groups,
        weights=weigh_rows(held_out.keys, recipe),
        threshold=threshold,
        columns=columns,
        codes=codes,
        recipe=recipe,
        chosen_by=chosen_by,
    )
    return Diagnosis(
        by_predicted=errors_by_range(
            *task.confidence(target, predicted),
            error,
            inside,
            task.ranges(len(held_out)),
            groups if task.has_shares else None,
            seed=recipe.random_state,
        ),
        slices=errors_by_slice(
            rows, target, predicted, error, groups, recipe, columns, codes, [entry.feature for entry in importance[:3]]
        ),
        coverage=coverage_by_feature(rows, inside, columns),
        worst_rows=worst_rows(held_out, target, predicted, error, codes, threshold, left_out=recipe.not_features),
        importance=importance,
        **vars(task.examine(tested)),
    )


def draw_rows(rows: int, seed: int) -> np.ndarray:
    """Return the places of at most MOST_ROWS rows, drawn without replacement."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    places: np.ndarray = np.random.RandomState(seed).choice(rows, MOST_ROWS, replace=False)
    return places


def measure_importance(
    model: BaseEstimator, features: pd.DataFrame, target: np.ndarray, columns: Columns, codes: TargetCodes, *, seed: int
) -> tuple[Importance, ...]:
    """Return the permutation importance of features, the greatest first.

    It is the drop of skill (R2; of classes the Brier skill) when a feature is shuffled, with mean and standard deviation.
    Correlated features share their importance (Breiman 2001). Shuffles and results are those of scikit-learn's
    `permutation_importance`; all shuffles of a feature are predicted at once, which is faster. If there are more than MOST_ROWS
    rows, that many are drawn.
    """
    drawn = draw_rows(len(features), seed)
    features, truth = features.iloc[drawn], target[drawn]
    rows = columns.matrix(features)
    ask = fastest(model, features, columns, codes)
    shuffler = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    order, shuffles = np.arange(len(rows)), [np.arange(len(rows))]
    for _ in range(REPEATS):
        shuffler.shuffle(order)
        shuffles.append(shuffles[-1][order])  # what was shuffled before is shuffled again
    whole = skill_score(truth, ask(rows))
    entries = []
    for column, name in enumerate(features.columns):
        shuffled = np.tile(rows, (REPEATS, 1))
        shuffled[:, column] = np.concatenate([rows[shuffle, column] for shuffle in shuffles[1:]])
        drops = [whole - skill_score(truth, said) for said in np.split(ask(shuffled), REPEATS)]
        entries.append(Importance(str(name), float(np.mean(drops)), float(np.std(drops))))
    return tuple(sorted(entries, key=lambda entry: -entry.mean))


def errors_by_range(
    target: np.ndarray,
    predicted: np.ndarray,
    error: np.ndarray,
    inside: np.ndarray,
    ranges: int = BINS,
    groups: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> tuple[RangeErrors, ...]:
    """Return means, mean error and coverage by range of the prediction.

    Ranges have about equally many rows. With `groups`, (rows,), `target` is 1 and 0, and its share in a range has an interval.
    """
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, min(ranges, len(order)))
    intervals = [None] * len(parts) if groups is None else _share_intervals(target, parts, groups, seed)
    return tuple(
        RangeErrors(
            from_=float(predicted[rows].min()),
            to=float(predicted[rows].max()),
            rows=len(rows),
            mean_predicted=float(predicted[rows].mean()),
            mean_true=float(target[rows].mean()),
            error=float(error[rows].mean()),
            interval_coverage=float(inside[rows].mean()),
            true_interval_95=interval,
        )
        for rows, interval in zip(parts, intervals, strict=True)
    )


def _share_intervals(
    target: np.ndarray, parts: Sequence[np.ndarray], groups: np.ndarray, seed: int
) -> list[tuple[float, float] | None]:
    among = np.zeros((len(target), len(parts)), dtype=bool)
    for place, rows in enumerate(parts):
        among[rows, place] = True
    rates = resample_rates(np.broadcast_to(target[:, None] == 1, among.shape), among, groups, seed=seed)
    limits = zip(rates.low.tolist(), rates.high.tolist(), strict=True)
    return [None if np.isnan(low) else (low, high) for low, high in limits]


def coverage_by_feature(rows: Codes, inside: np.ndarray, columns: Columns) -> tuple[FeatureCoverage, ...]:
    """Return the coverage of the interval by parts of each feature's values.

    Parts are fifths of numbers, and the most frequent of other values. `rows` are codes. Missing values are left out, and so is
    a feature without others.
    """
    return tuple(
        FeatureCoverage(it.name, first, last, int(part.sum()), float(inside[part].mean()))
        for place, it in enumerate(columns.features)
        for first, last, part in it.kind.parts(rows[:, place], it, BINS)
    )


def errors_by_slice(
    rows: Codes,
    target: np.ndarray,
    predicted: np.ndarray,
    error: np.ndarray,
    groups: np.ndarray,
    recipe: Recipe,
    columns: Columns,
    codes: TargetCodes,
    by: Sequence[str],
) -> tuple[SliceErrors, ...]:
    """Return the mean error, its 95 % interval and the bias of slices of the rows.

    Slices are the recipe's, and the ends of the features `by`: the lowest and the highest quarter of numbers, the most frequent
    of other values. `rows` are codes. Whole `groups` are drawn for the intervals.
    """
    slices = [("all rows", np.ones(len(target), dtype=bool))]
    for name, limits in recipe.promotion.guard_rails.slices.items():
        slices.append((name, codes.mask(target, limits)))
    for name in by:
        place = columns.names.index(name)
        feature = columns.features[place]
        slices += [(f"{name} {words}", part) for words, part in feature.kind.ends(rows[:, place], feature)]
    return tuple(
        SliceErrors(
            slice=name,
            rows=int(inside.sum()),
            error=float(error[inside].mean()),
            bias=float((predicted - target)[inside].mean()) if target.ndim == 1 else None,
            interval_95=mean_interval(error[inside], groups[inside], seed=recipe.random_state),
        )
        for name, inside in slices
        if inside.any()
    )


def worst_rows(
    test: pd.DataFrame | HeldOut,
    target: np.ndarray,
    predicted: np.ndarray,
    error: np.ndarray,
    codes: TargetCodes,
    threshold: float = HALF,
    left_out: Collection[str] = (),
) -> tuple[WorstRow, ...]:
    """Return the rows with the largest errors, worst first; NaN is None.

    Rows are numbered as in the data set, from 0. Columns that are `left_out` are not shown.
    """
    held_out, places = HeldOut.of(test), np.argsort(-error, kind="stable")[:WORST]
    said = say(predicted[places], codes, threshold).tolist()
    true = probability_of_truth(target[places], predicted[places], codes)
    worst, rows = held_out.take(places, [name for name in held_out.columns if name not in left_out]), []
    for place in range(len(places)):
        known = {str(name): _plain(value) for name, value in worst.iloc[place].items()}
        rows.append(WorstRow(int(worst.index[place]), said[place], known, None if true is None else float(true[place])))
    return tuple(rows)


def probability_of_truth(target: np.ndarray, predicted: np.ndarray, codes: TargetCodes) -> np.ndarray | None:
    """Return the probability of each row's own label, (rows,); None for numbers."""
    if not codes.labels:
        return None
    own: np.ndarray = (probabilities(target, codes) * probabilities(predicted, codes)).sum(axis=1)
    return own


def _plain(value: Any) -> Any:
    """Return a value of a data frame as JSON takes it, None where it is missing."""
    if pd.isna(value):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value if isinstance(value, str) else float(value)
