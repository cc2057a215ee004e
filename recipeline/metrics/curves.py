"""Counts of right and wrong decisions by threshold, for decisions and curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """Weights of rows by threshold, the least first, each of shape (thresholds,).

    The positive label is said of a row whose probability reaches the threshold. The first threshold is 0: it is said of all.
    """

    thresholds: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    true_negatives: np.ndarray

    @property
    def recall(self) -> np.ndarray:
        """The share of positive rows that are found."""
        share: np.ndarray = self.true_positives / (self.true_positives + self.false_negatives)
        return share


def count_by_threshold(target: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> Curve:
    """Return the counts at each threshold that makes a difference.

    Thresholds are 0, the middles between successive predictions, and 1 where no prediction reaches it.

    Parameters
    ----------
    target : (rows,), 1 and 0, both present. predicted : (rows,), from 0 to 1. weights : (rows,); None: 1.
    """
    counted = np.ones(len(target)) if weights is None else weights
    distinct, place = np.unique(predicted, return_inverse=True)
    ones, zeros = (np.bincount(place, weights=counted * part) for part in (target, 1 - target))
    between = np.nextafter(distinct[:-1], 1).clip(min=(distinct[:-1] + distinct[1:]) / 2)
    thresholds, last = np.concatenate([[0.0], between]), float(distinct[-1])
    said_ones, said_zeros = (np.cumsum(part[::-1])[::-1] for part in (ones, zeros))
    if last < 1:
        thresholds = np.append(thresholds, max((last + 1) / 2, np.nextafter(last, 1)))
        said_ones, said_zeros = np.append(said_ones, 0.0), np.append(said_zeros, 0.0)
    # Added up from below: a difference of two sums of weights would leave a residue where no row is, and MCC divides by it.
    below_ones, below_zeros = (np.concatenate([[0.0], np.cumsum(part)])[: len(thresholds)] for part in (ones, zeros))
    return Curve(thresholds, said_ones, said_zeros, below_ones, below_zeros)
