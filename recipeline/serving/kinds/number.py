"""Numbers in the service."""

from __future__ import annotations

import math
from collections.abc import Sequence

from recipeline.data.checking.numbers import LARGEST
from recipeline.inference.model_info import Feature
from recipeline.serving.kinds.base import Json, Kind


class Number(Kind):
    """A number."""

    #: The type of JSON schema.
    json_type = "number"

    def schema(self, feature: Feature, *, reject: bool) -> Json:
        """Return the JSON schema of a column's values: a number between limits."""
        kind = self.json_type
        low, high = (-LARGEST if feature.min is None else feature.min), (LARGEST if feature.max is None else feature.max)
        text = [feature.unit] if feature.unit else []
        if math.isfinite(feature.low) and math.isfinite(feature.high):
            text.append(f"trained on {feature.low:g} to {feature.high:g}")
            if reject:
                low, high = max(low, feature.low), min(high, feature.high)
        limits: Json = {"type": kind, "minimum": low, "maximum": high}
        if feature.na or feature.nullable:
            return _with_words(feature, limits, text)
        return limits | ({"description": "; ".join(text)} if text else {})


def _with_words(feature: Feature, limits: Json, text: Sequence[str]) -> Json:
    """Return the schema of a column with words for a missing value.

    A word is accepted where null is, and a fault where null is one; so is an empty text. Words are an `enum` and each code a
    range of its own: client generators take no enumeration of both, nor of numbers.
    """
    codes = [{"minimum": code, "maximum": code} for code in feature.missing_codes if math.isfinite(code)]
    words = ", ".join(f"'{word}'" for word in feature.na)
    taken = f"{words} or null" if words else "null"
    is_taken = f"{taken}: a missing value" if feature.nullable else f"no missing value, also not as {words}"
    described: Json = {"description": "; ".join([*text, is_taken])}
    value = limits | ({"not": {"anyOf": codes}} if codes else {})
    if not feature.nullable:
        return value | described
    missing = [{"type": "null"}, {"type": "string", "enum": [*feature.na, ""]}, *({"type": "number", **code} for code in codes)]
    return {"anyOf": [value, *missing], **described}
