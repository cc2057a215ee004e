"""Regression in the service: numbers, on request with an interval and as grades."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from recipeline.data.kinds.every import KINDS
from recipeline.serving.tasks.base import Json, Task

_LARGEST_WHOLE = 2**53

_MAYBE_NUMBER: Json = {"type": ["number", "null"]}


class Regression(Task):
    """Numbers."""

    noun = "numbers"
    wishes = {
        "interval": "The limits between which the true value is expected.",
        "grade": "The predictions as whole numbers.",
    }

    def lacks(self, wish: str) -> str:
        """Return why there is no interval, or no grade."""
        if wish == "interval":
            return "" if self.interval else "This version has no interval."
        return "" if KINDS[self.info.target.type].is_whole else "This model's target has no grades."

    def say(self, predicted: np.ndarray) -> Any:
        """Return the numbers."""
        return predicted

    def answer(self, predicted: np.ndarray) -> Json:
        """Return the numbers."""
        return {"predictions": predicted}

    def grant(self, wishes: Collection[str], predicted: np.ndarray, values: np.ndarray) -> Json:
        """Return `interval` and `grade`, if asked for."""
        fields: Json = {}
        if "interval" in wishes and self.interval:
            lower, upper = self.interval.around(predicted, values)
            fields["interval"] = {"level": self.interval.level, "lower": lower, "upper": upper}
        if "grade" in wishes:
            fields["grade"] = self._grades(predicted)
        return fields

    def log(self, predicted: np.ndarray) -> Iterator[Json]:
        """Yield each number as `prediction`."""
        return ({"prediction": value} for value in predicted.tolist())

    def _grades(self, predicted: np.ndarray) -> np.ndarray:
        """Return the predictions as whole numbers within the target's range, to look at."""
        low, high = self.info.target.min, self.info.target.max
        grades: np.ndarray = np.clip(
            np.rint(predicted), -_LARGEST_WHOLE if low is None else low, _LARGEST_WHOLE if high is None else high
        )
        return grades.astype(np.int64)

    def item(self) -> Json:
        """Return a number, or null."""
        return _MAYBE_NUMBER

    def always(self) -> dict[str, Json]:
        """Return nothing more."""
        return {}

    def asked(self) -> dict[str, Json]:
        """Return the schemas of `interval` and `grade`."""
        return {
            "interval": {"$ref": "#/components/schemas/Interval"},
            "grade": {"type": "array", "items": {"type": ["integer", "null"]}, "description": "The predictions, rounded."},
        }

    def components(self) -> dict[str, Json]:
        """Return the schema of an interval."""
        fields: Json = {
            "level": {"type": "number", "description": "The share of new rows that is meant to lie inside."},
            "lower": {"type": "array", "items": _MAYBE_NUMBER},
            "upper": {"type": "array", "items": _MAYBE_NUMBER},
        }
        return {"Interval": {"type": "object", "properties": fields, "required": list(fields)}}
