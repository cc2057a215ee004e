"""The functions of a recipe's metrics, found by name or import path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from recipeline.config.import_path import import_object, require_function
from recipeline.config.recipe import Recipe
from recipeline.config.rules import FurtherMetric
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
    key = recipe.at(f"{where}.function")
    found = import_object(entry.function, where=key)
    weights, words = find_weights(found), "of true and predicted values and params"
    params = {*entry.params, *([weights.name] if weights else [])}
    require_function(found, entry.function, 2, params, where=key, takes=words, fix=f"Correct it in {recipe.path}.")
    return partial(found, **entry.params) if entry.params else found
