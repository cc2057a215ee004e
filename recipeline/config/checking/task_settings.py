"""Settings of a recipe that belong to another task than its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

from recipeline.config.recipe_keys import RecipeKeys
from recipeline.config.tasks import TASK_RULES, refuse_setting


def refuse_settings(recipe: RecipeKeys) -> str:
    """Return the error message of the first setting of another task, else ""."""
    return next(filter(None, (refuse_setting(recipe.task, key, place) for key, place in _settings(recipe))), "")


def _settings(recipe: RecipeKeys) -> Iterator[tuple[str, str]]:
    """Yield the settings that belong to some tasks, where a recipe has them."""
    yield from ((key, f"target.{key}") for key in ("transform", "positive") if getattr(recipe.predicted, key) is not None)
    if recipe.decision.is_set:
        yield "decision", "decision"
    if "tolerances" in recipe.metrics.model_fields_set:
        yield "tolerances", "metrics.tolerances"
    limits = [key for key in ("mae_increase", "loss_increase", "calibration") if key in recipe.monitoring.model_fields_set]
    yield from ((key, f"monitoring.{key}") for key in limits)
    yield from (("calibrate", f"candidates.{name}.calibrate") for name, it in recipe.candidates.items() if it.calibrate)
    rails, place = recipe.promotion.guard_rails, "promotion.guard_rails"
    yield from ((key, f"{place}.{key}") for key in ("mae", "slice_mae", "slice_loss") if getattr(rails, key) is not None)
    for name, rows in rails.slices.items():
        yield from ((key, f"{place}.slices.{name}.{key}") for key in ("min", "max") if getattr(rows, key) is not None)
        if rows.labels:
            yield "labels", f"{place}.slices.{name}.labels"


def refuse_label(recipe: RecipeKeys) -> str:
    """Return the error message where the positive label does not fit the target."""
    column, positive = recipe.columns[recipe.target], recipe.predicted.positive
    if positive is None:
        if column.type not in TASK_RULES[recipe.task].needs_positive:
            return ""
        known = f", one of {', '.join(column.values)}" if column.values else ""
        return f"'target.positive' is missing: name the label whose probability is predicted{known}."
    if type(positive) is _LABELS.get(column.type) and (not column.values or positive in column.values):
        return ""
    rule = f"one of {', '.join(column.values)}" if column.values else f"a label of a column of the type {column.type}"
    return f"'target.positive' must be {rule}. Got {json.dumps(positive)} instead."


#: The type of a label in the recipe, by that of the target's column.
_LABELS = {"boolean": bool, "integer": int, "category": str}
