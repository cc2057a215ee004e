"""The diagnosis of classes: curves, the choice of a threshold, prediction sets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from recipeline.config.rules import Decision
from recipeline.evaluation.tasks.results import Band, Label, LabelCurves, LabelSets, ThresholdCurve
from recipeline.metrics.bands import CurveBand, resample_curves
from recipeline.metrics.curves import count_by_threshold
from recipeline.metrics.rates import resample_rates
from recipeline.training.decision import measure_decision

#: So many thresholds are shown.
_THRESHOLDS = 101


def draw_curves(
    truth: np.ndarray,
    probabilities: np.ndarray,
    labels: Sequence[tuple[int, Label]],
    groups: np.ndarray,
    *,
    seed: int,
    weights: np.ndarray | None,
) -> tuple[LabelCurves, ...]:
    """Return ROC and precision-recall curves of labels, each against the rest.

    A label that no row or every row has is left out: it has no curve.

    Parameters
    ----------
    truth, probabilities : (rows, labels). labels : places and names of those to draw.
    """
    found = []
    for place, label in labels:
        bands = resample_curves(truth[:, place], probabilities[:, place], groups, seed=seed, weights=weights)
        if bands is not None:
            found.append(LabelCurves(label, int(truth[:, place].sum()), *map(_plain, bands)))
    return tuple(found)


def _plain(band: CurveBand) -> Band:
    """Return a curve in the digits that a plot shows."""
    known = [values if np.isfinite(values).all() else values[:0] for values in (band.x, band.y, band.low, band.high)]
    return Band(*(tuple(np.round(values, 6).tolist()) for values in known))


def draw_thresholds(
    chosen_by: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    tested: tuple[np.ndarray, np.ndarray, np.ndarray | None],
    decision: Decision,
    threshold: float,
) -> ThresholdCurve | None:
    """Return the measure of a decision by threshold, out of fold and on test rows.

    Thresholds are spread over 0 to 1 and over the predictions, which may all be small. None where one of the two has one label
    only.

    Parameters
    ----------
    chosen_by, tested : target, probabilities and weights of the training and of the test rows.
    """
    if any(len(np.unique(target)) < 2 for target, *_ in (chosen_by, tested)):
        return None
    even, share = np.linspace(0, 1, _THRESHOLDS // 2), np.linspace(0, 1, _THRESHOLDS // 2)
    at = np.unique([*even, *np.quantile(chosen_by[1], share).round(6), threshold])
    values = []
    for target, predicted, weights in (chosen_by, tested):
        curve = count_by_threshold(target, predicted, weights)
        name, measured = measure_decision(curve, decision)
        # A threshold between two predictions says the same as the least one above the lower of them.
        between = np.searchsorted(np.unique(predicted), at).clip(max=len(measured) - 1)
        values.append(tuple(measured[between].tolist()))
    return ThresholdCurve(name, tuple(at.tolist()), *values)


def measure_sets(
    truth: np.ndarray, inside: np.ndarray, sizes: np.ndarray, labels: Sequence[Label], groups: np.ndarray, *, seed: int
) -> tuple[LabelSets, ...]:
    """Return coverage and mean size of prediction sets by true label.

    The level holds for the average row only. A label without rows is left out.

    Parameters
    ----------
    truth : (rows, labels). inside : (rows,), a mask of the rows whose label is in their set. sizes : (rows,), labels in it.
    """
    among = truth == 1
    rates = resample_rates(np.broadcast_to(inside[:, None], among.shape), among, groups, seed=seed)
    return tuple(
        LabelSets(
            label,
            int(rates.rows[place]),
            float(rates.value[place]),
            float(sizes[among[:, place]].mean()),
            None if math.isnan(rates.low[place]) else (float(rates.low[place]), float(rates.high[place])),
        )
        for place, label in enumerate(labels)
        if rates.rows[place]
    )
