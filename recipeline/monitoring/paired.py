"""Two models on the same rows: the differences of their predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recipeline.data.target_codes import TargetCodes
from recipeline.inference.asking import probabilities
from recipeline.inference.golden import PREDICTION
from recipeline.inference.model_info import Target
from recipeline.monitoring.tasks.every import TASKS


@dataclass(frozen=True)
class Differences:
    """The differences of two models' predictions, theirs minus mine.

    `signed` is (rows, names): of the number, or of each label's probability. `absolute` is (rows,): of labels half the sum over
    all probabilities (the total variation), from 0 to 1. `agreed` are the rows with the same decided label; None of numbers.
    """

    names: tuple[str, ...]
    signed: np.ndarray
    absolute: np.ndarray
    agreed: np.ndarray | None


def spread_out(predicted: np.ndarray, codes: TargetCodes) -> np.ndarray:
    """Return predictions as columns: numbers in one, of labels one for each."""
    return probabilities(predicted, codes) if codes.labels else predicted[:, None]


def names_of(codes: TargetCodes) -> tuple[str, ...]:
    """Return the names of the columns of `spread_out`."""
    return codes.texts or (PREDICTION,)


def are_comparable(mine: TargetCodes, theirs: TargetCodes) -> bool:
    """Whether two models predict the same kind of thing: numbers, or a common label."""
    return not {*names_of(mine)}.isdisjoint(names_of(theirs)) and bool(mine.labels) == bool(theirs.labels)


def differ(mine: np.ndarray, theirs: np.ndarray, codes: TargetCodes) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed differences, (rows, names), and the absolute ones, (rows,).

    Both are as `spread_out` returns them. The part of `theirs` that is missing to a sum of 1 are probabilities
    of labels that `mine` does not have.
    """
    signed = theirs - mine
    absolute = np.abs(signed).sum(axis=1)
    if codes.labels:
        absolute = (absolute + np.maximum(1 - theirs.sum(axis=1), 0)) / 2
    return signed, absolute


def compare_predictions(mine: np.ndarray, target: Target, theirs: np.ndarray, other: Target) -> Differences:
    """Return the differences of two models' predictions of the same rows.

    Predictions have the shape of their target's codes, `target` and `other`, which are comparable.
    """
    codes, names = target.codes, names_of(target.codes)
    columns = dict(zip(names_of(other.codes), spread_out(theirs, other.codes).T, strict=True))
    nothing = np.zeros(len(theirs))
    found = np.column_stack([columns.get(name, nothing) for name in names])
    signed, absolute = differ(spread_out(mine, codes), found, codes)
    decided, by_other = _decide(mine, target), _decide(theirs, other)
    agreed = None if decided is None or by_other is None else decided == by_other
    return Differences(names, signed, absolute, agreed)


def _decide(predicted: np.ndarray, target: Target) -> np.ndarray | None:
    places = TASKS[target.codes.task].decide(predicted, target.decides_at)
    return None if places is None else np.array(target.codes.texts)[places.astype(np.intp)]
