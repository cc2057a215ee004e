"""Columns of several types as numbers, by transformers of scikit-learn.

With functions of numpy, a model needs no further code.
"""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from recipeline.config.candidate import Preprocess
from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS as TYPES
from recipeline.training.kinds.base import Build, Kind
from recipeline.training.kinds.every import KINDS
from recipeline.training.tasks.every import TASKS


def preprocess_columns(recipe: Recipe, preprocess: Preprocess, build: Build) -> list[BaseEstimator]:
    """Return the transformers of a candidate; the first takes the features.

    Where all features are numbers these are the transformers of `preprocess.number` and `preprocess.all` one after the other;
    else the first is a ColumnTransformer with the parts of each kind of column. `build(key, components)` makes the transformers
    that the recipe names.
    """
    types = {name: recipe.columns[name].type for name in recipe.features}
    then = build("all", preprocess.all)
    if all(TYPES[it].is_numeric for it in types.values()):
        return [*build("number", preprocess.number), *then]
    names, target_type = dict[Kind, list[str]](), TASKS[recipe.task].target_type
    for name, it in types.items():
        names.setdefault(KINDS[it], []).append(name)
    parts = [part for kind, columns in names.items() for part in kind.parts(columns, preprocess, build, target_type)]
    return [ColumnTransformer(parts, sparse_threshold=0.0), *then]
