"""Several classes in monitoring: probabilities, decided labels and sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recipeline.config.table import RESERVED_PREFIX
from recipeline.data.target_codes import TargetCodes
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import Feature, ModelInfo
from recipeline.metrics.tasks.multiclass import Multiclass as Scores
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import Calibration, Described
from recipeline.monitoring.tasks.base import Stated, Task

#: The key of the probabilities in a line of the service's log.
PROBABILITIES = "probabilities"


#: Probabilities are watched to so many decimals. What a model learned from all rows says of a rare label is often a thousandth
#: more or less than what models of folds say: all rows are in other deciles then, and nothing has happened.
_DECIMALS = 2


class Multiclass(Task):
    """The probabilities of all labels."""

    increase = "loss_increase"
    scores = Scores()

    def watch(self, predicted: np.ndarray) -> np.ndarray:
        """Return the greatest probability of each row, in whole percent."""
        return np.round(self.certainty(predicted), _DECIMALS)

    def certainty(self, predicted: np.ndarray) -> np.ndarray:
        """Return the greatest probability of each row, (rows,)."""
        greatest: np.ndarray = predicted.max(axis=1)
        return greatest

    def decide(self, predicted: np.ndarray, threshold: float) -> np.ndarray | None:
        """Return the place of each row's decided label."""
        return self.scores.decide(predicted, threshold)

    def describe_said(self, predicted: np.ndarray, codes: TargetCodes, threshold: float) -> Described | None:
        """Return the shares of decided labels as of a category."""
        decided = self.scores.decide(predicted, threshold).astype(float)
        return KINDS["category"].describe(decided, Feature("", type="category", categories=codes.texts))

    def calibrate(self, target: np.ndarray, predicted: np.ndarray, codes: TargetCodes) -> Mapping[str, Calibration] | None:
        """Return the calibration in the large of each label: share against probability.

        Source: Cox (1958); Van Calster et al. (2016) call it mean calibration.
        """
        shown = zip(self.coded(codes), self.one_each(target), self.one_each(predicted), strict=True)
        return {
            label: Calibration(float(share.mean()), float(said.mean()), float((share - said).std()))
            for label, share, said in shown
        }

    def coded(self, codes: TargetCodes) -> tuple[str, ...]:
        """Return the labels that have a code, as text."""
        return codes.texts

    def one_each(self, values: np.ndarray) -> np.ndarray:
        """Return codes by label, (labels, rows)."""
        return values.T

    def state(self, info: ModelInfo, interval: Interval | None) -> Stated | None:
        """Return the prediction set, of which the row's label is a member."""
        known = info.prediction_set
        if known is None:
            return None

        def covers(rows: np.ndarray, predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
            inside: np.ndarray = (known.members(self.scores.both(predicted), rows) * self.scores.both(target)).any(axis=1)
            return inside

        return Stated(known.level, covers, known.test_coverage)

    def logged(self, entry: Mapping[str, Any], codes: TargetCodes) -> list[Any] | None:
        """Return the probabilities, which are those of the model's labels."""
        found = entry.get(PROBABILITIES)
        if not isinstance(found, dict) or found.keys() != {*codes.texts}:
            return None
        return [found[label] for label in self.coded(codes)]

    def answers(self, codes: TargetCodes) -> list[str]:
        """Return the columns of the probabilities."""
        return [f"{RESERVED_PREFIX}{label}" for label in self.coded(codes)]
