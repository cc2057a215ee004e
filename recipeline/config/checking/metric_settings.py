"""Metrics and levels of a recipe that are none of its task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipeline.config.recipe_keys import RecipeKeys
from recipeline.config.rules import FurtherMetric
from recipeline.config.tasks import TASK_RULES
from recipeline.errors import nearest
from recipeline.metrics.catalogue import METRICS, NEEDS, further_metric, list_further

#: Names of figures of a candidate, and of a run of `monitor`, that are no metrics.
TAKEN = (
    *("cv_mean_score", "cv_std", "cv_fold_score", "fit_seconds", "settings_tried", "test_rows"),
    *("rows", "severity", "prediction_psi", "prediction_wasserstein", "prediction_label_psi", "domain_auc", "coverage"),
    *("shadow_rows", "shadow_missed", "shadow_absolute_difference", "shadow_agreement", "shadow_error", "shadow_error_gain"),
)


#: The types of columns whose values may have limits each.
_WITH_VALUES = ("category", "boolean")


def refuse_metrics(recipe: RecipeKeys) -> str:
    """Return the error message on the first metric or level not of the task, or ""."""
    if fault := refuse_further(recipe.task, recipe.metrics.more) or _refuse_level_by(recipe):
        return fault
    known = [metric.name for metric in recipe.scored]
    for where, name in _named(recipe):
        if name not in known:
            add = further_metric(recipe.task, name) is not None
            hint = f"Add {name} to metrics.more." if add else nearest(name, known)
            return f"'{where}' must be a metric of the task {recipe.task}. Got '{name}' instead. {hint}"
    decided, chosen = [metric.name for metric in METRICS[recipe.task] if metric.can_decide], recipe.decision.metric
    if chosen is not None and chosen not in decided:
        return f"'decision.metric' must be a metric of decided labels. Got '{chosen}' instead. {nearest(chosen, decided)}"
    return ""


def refuse_further(task: str, more: Sequence[FurtherMetric]) -> str:
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
        if entry.function is not None and (known is not None or entry.name in TAKEN):
            return f"'{where}.name' must not be a name that is taken. Got '{entry.name}' instead. Rename the metric."
        if entry.needs is not None and entry.needs not in NEEDS[task]:
            return f"'{where}.needs' must be {' or '.join(NEEDS[task])} for the task {task}. Got '{entry.needs}' instead."
    return ""


def _refuse_level_by(recipe: RecipeKeys) -> str:
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


def _named(recipe: RecipeKeys) -> Iterator[tuple[str, str]]:
    """Yield the places of a recipe that name a metric, each with the name."""
    if recipe.primary_metric is not None:
        yield "primary_metric", recipe.primary_metric
    for place, criterion in enumerate(recipe.gates.validation_criteria):
        yield f"gates.validation_criteria.{place}.metric", criterion.metric
    yield from ((f"promotion.guard_rails.metrics.{name}", name) for name in recipe.promotion.guard_rails.metrics)
