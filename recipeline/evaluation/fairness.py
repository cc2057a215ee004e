"""Differences of decisions between groups of rows: recall and false positive rate.

After Hardt, Price and Srebro (2016), "Equality of Opportunity in Supervised Learning": equal recall, and equal false positive
rates, of all groups. A difference is a reason to look, not a proof of injustice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from recipeline.evaluation.tasks.results import Disparity, Gap, GroupRate
from recipeline.inference.columns import Codes, Columns
from recipeline.metrics.rates import Rates, resample_rates, widest_gap

#: The names of the measures, and whether a row has the label where it counts.
MEASURES = {"recall": True, "false positive rate": False}

#: So many values of a feature are compared, the most frequent ones.
MOST_VALUES = 10


def compare_groups(
    rows: Codes,
    columns: Columns,
    truth: np.ndarray,
    decided: np.ndarray,
    labels: Sequence[tuple[int, Any]],
    groups: np.ndarray,
    *,
    seed: int,
    weights: np.ndarray | None = None,
) -> tuple[Disparity, ...]:
    """Return recall and false positive rate by value of each feature that has groups.

    Features are categories and booleans; what is no feature, as a sensitive column, is not looked at.

    Parameters
    ----------
    rows : codes of the features. truth, decided : (rows,), places of labels. labels : places and names of those to report.
    groups : (rows,), drawn as a whole. weights : (rows,) or None.
    """
    found = []
    for place, feature in enumerate(columns.features):
        if not feature.kind.has_groups:
            continue
        parts = [(value, part) for value, _, part in feature.kind.parts(rows[:, place], feature, MOST_VALUES)]
        if len(parts) < 2:
            continue
        values, masks = [value for value, _ in parts], np.column_stack([part for _, part in parts])
        for label, name in labels:
            for measure, has_label in MEASURES.items():
                among = masks & ((truth == label) == has_label)[:, None]
                hits = np.broadcast_to((decided == label)[:, None], among.shape)
                rates = resample_rates(hits, among, groups, seed=seed, weights=weights)
                found.append(Disparity(feature.name, name, measure, _rates(values, rates), _gap(values, rates)))
    return tuple(found)


def _rates(values: Sequence[Any], rates: Rates) -> tuple[GroupRate, ...]:
    def plain(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    return tuple(
        GroupRate(
            value,
            int(rates.rows[place]),
            plain(rates.value[place]),
            None if math.isnan(rates.low[place]) else (float(rates.low[place]), float(rates.high[place])),
        )
        for place, value in enumerate(values)
    )


def _gap(values: Sequence[Any], rates: Rates) -> Gap | None:
    gap = widest_gap(rates)
    return None if gap is None else Gap(values[gap.of[0]], values[gap.of[1]], gap.value, (gap.low, gap.high))
