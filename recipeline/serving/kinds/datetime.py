"""Dates in the service."""

from __future__ import annotations

from recipeline.inference.model_info import Feature
from recipeline.serving.kinds.base import Json, Kind, with_missing


class Datetime(Kind):
    """A date, or a date and time."""

    def schema(self, feature: Feature, *, reject: bool) -> Json:
        """Return the JSON schema of a column's values: text without a `format`.

        A date without a time is valid too.
        """
        form = f"a date, {feature.format} or ISO 8601" if feature.format else "a date in ISO 8601"
        return with_missing({"type": "string", "minLength": 8}, feature, [form])
