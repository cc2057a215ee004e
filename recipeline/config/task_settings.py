"""Settings of a recipe that are not of its task, and names of metrics that are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from recipeline.config.rules import Decision, FurtherMetric
from recipeline.config.tasks import TASK_RULES, refuse_setting
from recipeline.errors import nearest
from recipeline.metrics.catalogue import METRICS, NEEDS, further_metric, list_further

if TYPE_CHECKING:
    from recipeline.config.recipe import Recipe

#: Names of figures of a candidate that are no metrics.
_TAKEN = ("cv_mean_score", "cv_std", "cv_fold_score", "fit_seconds", "settings_tried", "test_rows")


#: The types of columns whose values may have limits each.
_WITH_VALUES = ("category", "boolean")


def find_task_fault(recipe: Recipe) -> str:
    """Return the error message on the first setting that does not fit the task, else ""."""
    for key, where in _used(recipe):
        if fault := refuse_setting(recipe.task, key, where):
            return fault
    if fault := refuse_metrics(recipe.task, recipe.metrics.more):
        return fault
    if fault := _refuse_level_by(recipe):
        return fault
    known = [metric.name for metric in recipe.scored]
    for where, name in _named(recipe):
        if name not in known:
            add = further_metric(recipe.task, name) is not None
            hint = f"Add {name} to metrics.more." if add else nearest(name, known)
            return f"'{where}' must be a metric of the task {recipe.task}. Got '{name}' instead. {hint}"
    decided = [metric.name for metric in METRICS[recipe.task] if metric.can_decide]
    if recipe.decision.metric is not None and recipe.decision.metric not in decided:
        return (
            f"'decision.metric' must be a metric of decided labels. "
            f"Got '{recipe.decision.metric}' instead. {nearest(recipe.decision.metric, decided)}"
        )
    return ""


def refuse_metrics(task: str, more: Sequence[FurtherMetric]) -> str:
    """Return the error message where a further metric is not one of the task, else ""."""
    names = [it.name for it in more]
    for place, entry in enumerate(more):
        where = f"metrics.more.{place}"
        if names.count(entry.name) > 1:
            return f"'{where}.name' must be unique. Got '{entry.name}' {names.count(entry.name)} times instead."
        known = further_metric(task, entry.name)
        if entry.function is None and known is None:
            hint = nearest(entry.name, list_further(task))
            return f"'{where}' must be a metric of the task {task}, or have a function. Got '{entry.name}' instead. {hint}"
        if entry.function is not None and (known is not None or entry.name in _TAKEN):
            return f"'{where}.name' must not be a name that is taken. Got '{entry.name}' instead. Rename the metric."
        if entry.needs is not None and entry.needs not in NEEDS[task]:
            return f"'{where}.needs' must be {' or '.join(NEEDS[task])} for the task {task}. Got '{entry.needs}' instead."
    return ""


def _refuse_level_by(recipe: Recipe) -> str:
    name, rules = recipe.metrics.level_by, TASK_RULES[recipe.task]
    possible = [it for it in recipe.features if recipe.columns[it].type in _WITH_VALUES]
    possible += [recipe.target] * rules.has_labels
    if name is None or name in possible:
        return ""
    target = f", or the target, {recipe.target}" if rules.has_labels else ""
    return (
        f"'metrics.level_by' must be a feature of the type {' or '.join(_WITH_VALUES)}{target}. "
        f"Got '{name}' instead. {nearest(name, possible) if possible else ''}"
    ).rstrip()


def _used(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the settings of single tasks that a recipe has, each with its place."""
    yield from ((key, f"target.{key}") for key in ("transform", "positive") if getattr(recipe.predicted, key) is not None)
    if recipe.decision != Decision():
        yield "decision", "decision"
    if "tolerances" in recipe.metrics.model_fields_set:
        yield "tolerances", "metrics.tolerances"
    yield from (("calibrate", f"candidates.{name}.calibrate") for name, it in recipe.candidates.items() if it.calibrate)
    rails, place = recipe.promotion.guard_rails, "promotion.guard_rails"
    yield from ((key, f"{place}.{key}") for key in ("mae", "slice_mae", "slice_loss") if getattr(rails, key) is not None)
    for name, rows in rails.slices.items():
        yield from ((key, f"{place}.slices.{name}.{key}") for key in ("min", "max") if getattr(rows, key) is not None)
        if rows.labels:
            yield "labels", f"{place}.slices.{name}.labels"


def _named(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the places of a recipe that name a metric, each with the name."""
    if recipe.primary_metric is not None:
        yield "primary_metric", recipe.primary_metric
    for place, criterion in enumerate(recipe.gates.validation_criteria):
        yield f"gates.validation_criteria.{place}.metric", criterion.metric
    yield from ((f"promotion.guard_rails.metrics.{name}", name) for name in recipe.promotion.guard_rails.metrics)
