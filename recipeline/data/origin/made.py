"""Rows that functions make: the recipe's loader, and its synthetic sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from recipeline.config.import_path import import_function
from recipeline.config.recipe import Recipe
from recipeline.config.table import Loader
from recipeline.errors import UsageError

if TYPE_CHECKING:
    from pandas import DataFrame

_LOADER, _SYNTHETIC = "data.loader.path", "data.synthetic"


def load_functions(recipe: Recipe) -> None:
    """Raise UsageError where a function of the recipe cannot make rows as stated.

    None is called.
    """
    data = recipe.data
    if data.loader:
        _import(recipe, _LOADER, data.loader.path, data.loader.params)
    if data.synthetic:
        _import(recipe, _SYNTHETIC, data.synthetic, _seed(recipe))


def load_rows(recipe: Recipe, loader: Loader) -> DataFrame:
    """Return the table that a loader returns.

    Raises
    ------
    UsageError : it cannot be called with its params, or returns no table.
    """
    return _call(recipe, _LOADER, loader.path, loader.params)


def draw_rows(recipe: Recipe, path: str) -> DataFrame:
    """Return the table that the function at `path` draws for the recipe's seed.

    Raises
    ------
    UsageError : as `load_rows`.
    """
    return _call(recipe, _SYNTHETIC, path, _seed(recipe))


def _seed(recipe: Recipe) -> dict[str, int]:
    return {"random_state": recipe.random_state}


def _import(recipe: Recipe, key: str, path: str, params: Mapping[str, Any]) -> Callable[..., Any]:
    where, words = recipe.at(key), "that takes the parameters of the recipe"
    return import_function(path, 0, params, where=where, takes=words, fix=f"See the parameters of {path}.")


def _call(recipe: Recipe, key: str, path: str, params: Mapping[str, Any]) -> DataFrame:
    function = _import(recipe, key, path, params)
    import pandas as pd  # not before: no file needs it here

    made = function(**params)
    is_bunch = isinstance(made, Mapping)  # what scikit-learn's loaders return
    table = made.get("frame") if is_bunch else made
    if isinstance(table, pd.DataFrame):
        return table
    raise UsageError(
        f"{recipe.at(key)} must return a DataFrame of pandas, or a Bunch of scikit-learn with one in `frame`.",
        got=f"'{path}', which returned a {type(made).__name__}{' without one' if is_bunch else ''},",
        fix="Set as_frame: true in its params." if is_bunch else "Let it return one.",
    )
