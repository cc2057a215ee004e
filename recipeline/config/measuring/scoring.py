"""The functions of a recipe's metrics, found by name or import path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from recipeline.config.import_path import import_object, why_not_called
from recipeline.config.recipe import Recipe
from recipeline.config.rules import FurtherMetric
from recipeline.errors import UsageError
from recipeline.metrics.catalogue import NEEDS
from recipeline.metrics.scorer import Measure, Scorer, find_weights
from recipeline.metrics.tasks.every import TASKS


def build_scorer(recipe: Recipe, labels: Sequence[Any] = ()) -> Scorer:
    """Return what computes the recipe's metrics; `labels` are those of its target.

    Raises
    ------
    UsageError : the function of an own metric cannot be found, or does not take its arguments.
    """
    places = {it.name: place for place, it in enumerate(recipe.metrics.more)}
    measures = []
    for metric in recipe.further:
        entry, where = recipe.metrics.more[places[metric.name]], f"metrics.more.{places[metric.name]}"
        if entry.function is None:
            measures.append(Measure(metric, TASKS[recipe.task].function(metric.name), NEEDS[recipe.task][0], recipe.at(where)))
        else:
            function = _import(recipe, entry, where)
            measures.append(Measure(metric, function, entry.needs or NEEDS[recipe.task][0], recipe.at(where)))
    return Scorer(recipe.task, tuple(labels), tuple(measures))


def _import(recipe: Recipe, entry: FurtherMetric, where: str) -> Callable[..., Any]:
    assert entry.function is not None
    found = import_object(entry.function, where=recipe.at(f"{where}.function"))
    if not callable(found):
        raise UsageError(f"{recipe.at(f'{where}.function')} must name a function.", got=f"'{entry.function}'")
    function = partial(found, **entry.params) if entry.params else found
    weights = find_weights(found)
    if reason := why_not_called(found, None, None, **({weights.name: None} if weights else {}) | entry.params):
        raise UsageError(
            f"{recipe.at(f'{where}.function')} must be a function of true and predicted values and params.",
            got=f"'{entry.function}', {reason},",
            fix=f"Correct it in {recipe.path}.",
        )
    return function
