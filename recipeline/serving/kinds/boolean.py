"""True and false in the service."""

from __future__ import annotations

from recipeline.inference.model_info import Feature
from recipeline.serving.kinds.base import Json, Kind, with_missing


class Boolean(Kind):
    """True or false."""

    def schema(self, feature: Feature, *, reject: bool) -> Json:
        """Return the JSON schema of a column's values."""
        return with_missing({"type": "boolean"}, feature, [])
