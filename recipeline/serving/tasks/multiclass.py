"""Several classes in the service: labels, probabilities, and sets on request."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import compress
from typing import Any

import numpy as np

from recipeline.data.tasks.base import Label
from recipeline.inference.asking import probabilities
from recipeline.serving.tasks.base import Json, Task

#: The type of a label in JSON schema, by its type in Python.
_TYPES = {bool: "boolean", int: "integer", str: "string"}


class Multiclass(Task):
    """Labels in the user's own words, with the probability of each."""

    noun = "labels"
    wishes = {"set": "The labels among which the true one is expected."}

    def lacks(self, wish: str) -> str:
        """Return why there is no prediction set."""
        return "" if self.info.prediction_set else "This version has no prediction set."

    def say(self, predicted: np.ndarray) -> list[Label]:
        """Return the decided labels."""
        said: list[Label] = self.info.target.say(predicted).tolist()
        return said

    def answer(self, predicted: np.ndarray) -> Json:
        """Return the decided labels and the probabilities by label."""
        return {"predictions": self.say(predicted), "probabilities": self._by_label(predicted)}

    def grant(self, wishes: Collection[str], predicted: np.ndarray, values: np.ndarray) -> Json:
        """Return `set`: its level, and the labels in that of each row."""
        known = self.info.prediction_set
        if "set" not in wishes or known is None:
            return {}
        target = self.info.target
        labels, members = target.labels, known.members(probabilities(predicted, target.codes), values)
        return {"set": {"level": known.level, "labels": [[*compress(labels, row)] for row in members.tolist()]}}

    def log(self, predicted: np.ndarray) -> Iterator[Json]:
        """Yield each decided label as `label`, with its row's `probabilities`."""
        rows = zip(self.say(predicted), self._by_label(predicted), strict=True)
        return ({"label": label, "probabilities": found} for label, found in rows)

    def _by_label(self, predicted: np.ndarray) -> list[dict[str, float]]:
        codes = self.info.target.codes
        return [dict(zip(codes.texts, row, strict=True)) for row in probabilities(predicted, codes).tolist()]

    def item(self) -> Json:
        """Return one of the labels: text is enumerated.

        Whole numbers have limits: client generators take no enumeration of them.
        """
        labels = self.info.target.labels
        if not labels:
            return {"type": list(_TYPES.values())}
        kind = _TYPES[type(labels[0])]
        if kind == "string":
            return {"type": kind, "enum": list(labels)}
        if kind == "integer":
            return {"type": kind, "minimum": min(labels), "maximum": max(labels), "description": f"One of {_list(labels)}."}
        return {"type": kind}

    def always(self) -> dict[str, Json]:
        """Return the schema of `probabilities`."""
        rows = {"type": "array", "items": {"$ref": "#/components/schemas/Probabilities"}}
        return {"probabilities": {**rows, "description": "For each row the probability of each label; their sum is 1."}}

    def asked(self) -> dict[str, Json]:
        """Return the schema of `set`."""
        return {"set": {"$ref": "#/components/schemas/LabelSet"}}

    def components(self) -> dict[str, Json]:
        """Return the schemas of the probabilities of a row, and of prediction sets."""
        share: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
        texts = self.info.target.codes.texts
        named = {"properties": dict.fromkeys(texts, share), "required": list(texts)} if texts else {}
        fields: Json = {
            "level": {"type": "number", "description": "The share of new rows whose label is meant to be in their set."},
            "labels": {"type": "array", "items": {"type": "array", "items": self.item(), "minItems": 1}},
        }
        return {
            "Probabilities": {"type": "object", **named, "additionalProperties": False if texts else share},
            "LabelSet": {"type": "object", "properties": fields, "required": list(fields)},
        }


def _list(labels: Collection[Any]) -> str:
    return ", ".join(map(str, labels))
