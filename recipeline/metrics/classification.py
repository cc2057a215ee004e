"""Classification metrics and their bootstrap intervals.

A target is a matrix with a 1 in the column of each row's label, probabilities are alike, and decided labels are columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from recipeline.metrics.bootstrap import percentiles, resample_sums, tail_share
from recipeline.metrics.skill import row_losses, skill_score

#: Scores are sorted into at most so many bins for the intervals of ranking metrics.
_MOST_BINS = 4_096

#: At most about so many rows are drawn for the intervals of ranking metrics, in all draws together.
_MOST_DRAWN = 200_000_000

#: A probability of 0 counts as this in the log loss, as scikit-learn's `log_loss` has it.
_LEAST = float(np.finfo(float).eps)


def score_classes(
    target: np.ndarray, probabilities: np.ndarray, decided: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return the metrics of probabilities and of decided labels.

    With two labels, F1, precision, recall, ROC AUC and average precision are those of the second one, the positive; with more
    they are the mean over the labels that are true or decided in some row, of ranking metrics over those that are true, each
    against the rest. Ranking metrics are NaN if `target` has one label only.

    Parameters
    ----------
    target, probabilities : (rows, labels), the rows of both add up to 1.
    decided : (rows,), columns of `target`.
    weights : (rows,); None: all rows count the same.
    """
    counted = np.ones(len(target)) if weights is None else weights
    truth = target.argmax(axis=1)
    size = target.shape[1]
    confusion = np.bincount(truth * size + decided, weights=counted, minlength=size * size)[None, :]
    rank = _rank_metrics(target, probabilities)
    return {
        "brier_skill": skill_score(target, probabilities, weights),
        "log_loss": float(np.average(log_losses(target, probabilities), weights=weights)),
        **{name: float(found) for name, found in zip(("roc_auc", "average_precision"), rank(counted), strict=True)},
        **{name: float(found[0]) for name, found in score_confusion(confusion, size).items()},
    }


def log_losses(target: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return minus the log of the probability of each row's label, of shape (rows,)."""
    said = np.clip((probabilities * target).sum(axis=1), _LEAST, 1)
    losses: np.ndarray = -np.log(said)
    return losses


def score_confusion(confusion: np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Return the metrics of decided labels, from confusion matrices.

    Parameters
    ----------
    confusion : (matrices, size * size), counts or weights; a matrix's rows are the true labels.

    Returns
    -------
    Arrays of shape (matrices,). MCC is 0 where only one label is true, or decided (Matthews 1975), and kappa is NaN where both
    are the same one (Cohen 1960).
    """
    matrix = confusion.reshape(-1, size, size)
    return _score_counts(np.einsum("mii->mi", matrix), matrix.sum(axis=2), matrix.sum(axis=1))


def _score_counts(hits: np.ndarray, true: np.ndarray, said: np.ndarray) -> dict[str, np.ndarray]:
    """Return the metrics of decided labels from counts by label, (matrices, labels).

    They are the rows that have the label and are decided so, those that have it, and those that are decided so.
    """
    total = true.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = np.where(true > 0, hits / true, np.nan)
        there = true + said > 0
        f1 = np.where(there, 2 * hits / (true + said), np.nan)
        # A label that is never decided has the precision 0, and one that is decided and never true the recall 0.
        precision, found = (np.where(there, hits / np.where(of > 0, of, 1), np.nan) for of in (said, true))
        agreed = (true * said).sum(axis=1) / total**2
        accuracy = hits.sum(axis=1) / total
        spread = (total**2 - (true**2).sum(axis=1)) * (total**2 - (said**2).sum(axis=1))
        covariance = hits.sum(axis=1) * total - (true * said).sum(axis=1)
        # Counted, not computed: the difference of two sums of weights has their rounding.
        labels_true, labels_said = ((it > 0).sum(axis=1) for it in (true, said))
        varies = (labels_true > 1) & (labels_said > 1)
        mcc = np.where(varies, covariance / np.sqrt(np.where(varies, spread, 1)), 0.0)
        return {
            "accuracy": accuracy,
            "balanced_accuracy": _mean_of_known(recall),
            "f1": _of_positive(f1),
            "mcc": mcc,
            "kappa": (accuracy - agreed) / (1 - agreed),
            "precision": _of_positive(precision),
            "recall": _of_positive(found),
        }


def _of_positive(values: np.ndarray) -> np.ndarray:
    """Return the values of the second of two labels, or the mean over more.

    0: none is known.
    """
    found: np.ndarray = np.nan_to_num(values[:, 1]) if values.shape[1] == 2 else _mean_of_known(values)
    return found


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    mean: np.ndarray = np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


Rank = Callable[[np.ndarray], tuple[float, float]]


def _rank_metrics(target: np.ndarray, probabilities: np.ndarray, most: int | None = None) -> Rank:
    """Return a function of row weights: ROC AUC and average precision.

    With `most`, scores are first sorted into about so many bins of equally many rows.
    """
    labels = [1] if target.shape[1] == 2 else range(target.shape[1])
    prepared = [(_as_places(probabilities[:, label], most), target[:, label]) for label in labels]

    def rank(weights: np.ndarray) -> tuple[float, float]:
        found = []
        for places, is_one in prepared:
            ones, others = (np.bincount(places, weights=weights * part) for part in (is_one, 1 - is_one))
            if ones.sum() > 0 and others.sum() > 0:
                found.append((_roc_auc(ones, others), _average_precision(ones, others)))
        auc, precision = np.mean(found, axis=0) if found else (math.nan, math.nan)
        return float(auc), float(precision)

    return rank


def _as_places(scores: np.ndarray, most: int | None) -> np.ndarray:
    distinct, places = np.unique(scores, return_inverse=True)
    if most is None or len(distinct) <= most:
        return places
    rank: np.ndarray = np.argsort(np.argsort(scores, kind="stable"), kind="stable") * most // len(scores)
    return rank


def _roc_auc(ones: np.ndarray, others: np.ndarray) -> float:
    """Return the share of pairs in order, ties half (Hanley and McNeil 1982).

    `ones` and `others` are weights of the positive and of the other rows by score, the lowest first.
    """
    below = np.cumsum(others) - others
    return float(ones @ (below + others / 2) / (ones.sum() * others.sum()))


def _average_precision(ones: np.ndarray, others: np.ndarray) -> float:
    """Return the mean of precision over recall, as `average_precision_score` does."""
    hits, rest = np.cumsum(ones[::-1]), np.cumsum(others[::-1])
    found = hits + rest
    precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    return float(ones[::-1] @ precision / ones.sum())


def bootstrap_classes(
    target: np.ndarray,
    probabilities: np.ndarray,
    decided: np.ndarray,
    groups: np.ndarray,
    *,
    draws: int,
    seed: int,
    level: float = 0.95,
    is_clustered: bool = False,
    weights: np.ndarray | None = None,
) -> Mapping[str, tuple[float, float]]:
    """Return percentile bootstrap intervals of the metrics of `score_classes`.

    Whole groups are drawn; with `is_clustered` the limits are those of few groups (`bootstrap.tail_share`), NaN of a single
    one. A draw in which a metric is not defined is left out of it.
    """
    _, group = np.unique(groups, return_inverse=True)
    count, size = int(group.max()) + 1, target.shape[1]
    outside = tail_share(level, count, is_clustered=is_clustered)
    counted = np.ones(len(target)) if weights is None else weights
    said = (decided[:, None] == np.arange(size)).astype(float)
    losses = (row_losses(target, probabilities), log_losses(target, probabilities))
    columns = np.column_stack([np.ones(len(target)), *losses, target, said, target * said])
    sums = np.column_stack([np.bincount(group, weights=column * counted) for column in columns.T])
    drawn = resample_sums(sums, draws=draws, seed=seed)
    n, brier, logs = drawn[:, :3].T
    true, decided_as, hits = np.split(drawn[:, 3:], 3, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        reference = n - (true**2).sum(axis=1) / n
        values = {"brier_skill": np.where(reference > 1e-9 * n, 1 - brier / reference, np.nan), "log_loss": logs / n}
    values |= _score_counts(hits, true, decided_as)
    values |= _resample_rank(target, probabilities, group, counted, draws=draws, seed=seed)
    return {name: percentiles(found, outside) for name, found in values.items()}


def _resample_rank(
    target: np.ndarray, probabilities: np.ndarray, group: np.ndarray, weights: np.ndarray, *, draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Return ROC AUC and average precision of bootstrap samples of whole groups."""
    rank, rng, count = _rank_metrics(target, probabilities, _MOST_BINS), np.random.default_rng(seed), int(group.max()) + 1
    draws = max(min(draws, 200), min(draws, _MOST_DRAWN // len(target)))
    found = np.array(
        [rank(weights * np.bincount(rng.integers(count, size=count), minlength=count)[group]) for _ in range(draws)]
    )
    return {"roc_auc": found[:, 0], "average_precision": found[:, 1]}
