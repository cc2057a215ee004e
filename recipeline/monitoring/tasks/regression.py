"""Numbers in monitoring: absolute errors, and the coverage of intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recipeline.data.target_codes import TargetCodes
from recipeline.inference.golden import PREDICTION
from recipeline.inference.interval import Interval, are_inside
from recipeline.inference.model_info import ModelInfo
from recipeline.monitoring.results import Calibration, Described
from recipeline.monitoring.tasks.base import Stated, Task


class Regression(Task):
    """A number per row."""

    increase = "mae_increase"

    def watch(self, predicted: np.ndarray) -> np.ndarray:
        """Return the numbers."""
        return predicted

    def decide(self, predicted: np.ndarray, threshold: float) -> np.ndarray | None:
        """Return None."""
        return None

    def describe_said(self, predicted: np.ndarray, codes: TargetCodes, threshold: float) -> Described | None:
        """Return None."""
        return None

    def calibrate(self, target: np.ndarray, predicted: np.ndarray, codes: TargetCodes) -> Mapping[str, Calibration] | None:
        """Return None."""
        return None

    def state(self, info: ModelInfo, interval: Interval | None) -> Stated | None:
        """Return the interval, whose limits are part of it."""
        if interval is None:
            return None

        def covers(rows: np.ndarray, predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
            return are_inside(target, interval.around(predicted, rows))

        return Stated(interval.level, covers, info.interval.test_coverage if info.interval else None)

    def logged(self, entry: Mapping[str, Any], codes: TargetCodes) -> list[Any] | None:
        """Return the number."""
        return [entry[PREDICTION]] if PREDICTION in entry else None

    def answers(self, codes: TargetCodes) -> list[str]:
        """Return the column of the number."""
        return [PREDICTION]
