"""Categories in the service."""

from __future__ import annotations

from recipeline.inference.model_info import Feature
from recipeline.serving.kinds.base import Json, Kind, with_missing


class Category(Kind):
    """A category."""

    def schema(self, feature: Feature, *, reject: bool) -> Json:
        """Return the JSON schema of a column's values: text, limited by the recipe.

        The profile may limit the values too.
        """
        names = list(feature.values) or (list(feature.categories) if reject else [])
        value: Json = {"type": "string", "enum": names} if names else {"type": "string", "minLength": 1}
        return with_missing(value, feature, [feature.trained_on] if feature.categories else [])
