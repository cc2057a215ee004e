"""The interface of a column kind in the service: the schema of its values in JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from recipeline.inference.model_info import Feature

Json = dict[str, Any]


class Kind(ABC):
    """A column kind in the service."""

    @abstractmethod
    def schema(self, feature: Feature, *, reject: bool) -> Json:
        """Return the JSON schema of a column's values.

        The training range limits them only if the service refuses values outside of it: `reject`.
        """


def with_missing(value: Json, feature: Feature, text: Sequence[str]) -> Json:
    """Return the schema of values of one type, with null and words for missing ones.

    `text` is the description.
    """
    described: Json = {"description": "; ".join(text)} if text else {}
    if not feature.nullable:
        return value | described
    words = {"type": "string", "enum": [*feature.na, ""]}
    return {"anyOf": [value, {"type": "null"}, words], **described}
