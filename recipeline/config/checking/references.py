"""Rules across several keys of a recipe; a broken one is a ValueError."""

from __future__ import annotations

from recipeline.config.candidate import Difference
from recipeline.config.columns import is_pattern, matches
from recipeline.config.recipe_keys import RecipeKeys
from recipeline.config.table import RESERVED_MEMBERS
from recipeline.errors import nearest

#: The column types that are no weight and no time.
_REFUSED = {"weight": ("category", "boolean", "datetime"), "time": ("category", "boolean")}


def require_roles(recipe: RecipeKeys) -> None:
    """Raise ValueError where a column does not fit its role or its key of `split`."""
    columns, split, target = recipe.columns, recipe.split, recipe.target
    for key, name in split.named.items():
        if name not in columns or name == target or is_pattern(name):
            hint = nearest(name, [column for column in columns if column != target])
            raise ValueError(f"'split.{key}' must be one of the columns, and not the target. Got '{name}' instead. {hint}")
        if columns[name].role not in (None, key, "feature"):
            raise ValueError(
                f"'columns.{name}.role' must be {key}, or feature, where split.{key} names it. "
                f"Got {columns[name].role} instead."
            )
        if columns[name].nullable:
            raise ValueError(f"'columns.{name}.nullable' must be false: split.{key} needs a value in every row.")
    if columns[target].role is not None:
        raise ValueError(f"'columns.{target}.role' must not be set: it is the target.")
    for name, column in columns.items():
        if column.role == "group" and split.group != name:
            raise ValueError(
                f"'columns.{name}.role' is group, and nothing keeps its rows together. "
                f"Set split.group: {name}, or role: ignore."
            )
    _require_numbers(recipe)
    if not recipe.features:
        raise ValueError("'columns' must have a feature: a column without a role, or with role: feature.")


def _require_numbers(recipe: RecipeKeys) -> None:
    """Raise ValueError where a weight, a time or the embargo has a wrong type."""
    columns, split = recipe.columns, recipe.split
    weights = [name for name, column in columns.items() if column.role == "weight"]
    if len(weights) > 1:
        raise ValueError(f"'columns' must have one weight at most. Got {' and '.join(weights)} instead.")
    for name, key in [*((name, "weight") for name in weights), *((name, it) for it, name in split.named.items())]:
        if columns[name].type in _REFUSED.get(key, ()):
            raise ValueError(f"'columns.{name}.type' must be a number for a {key}. Got {columns[name].type} instead.")
    moment = columns[split.time].type if split.time else ""
    if isinstance(split.embargo, str) and moment != "datetime":
        raise ValueError(
            f"'split.embargo' must be a number, in the unit of '{split.time}', which is of the type {moment}. "
            f"Got the duration {split.embargo} instead."
        )
    if weights and columns[weights[0]].nullable:
        raise ValueError(f"'columns.{weights[0]}.nullable' must be false: every row needs its weight.")


def require_renamed(recipe: RecipeKeys) -> None:
    """Raise ValueError where `data.rename` names no column, or renames one."""
    for own, name in recipe.data.rename.items():
        if name not in recipe.columns and not any(matches(name, pattern) for pattern in recipe.patterns):
            raise ValueError(
                f"'data.rename.{own}' must be one of the columns. Got '{name}' instead. {nearest(name, recipe.columns)}"
            )
        if own in recipe.columns:
            raise ValueError(f"'data.rename.{own}' must not rename a column of the recipe: '{own}' is listed under columns.")


def require_conditions(recipe: RecipeKeys) -> None:
    """Raise ValueError where `rows.filter` names no column, or values of another type."""
    faults = list[str]()
    for name, condition in recipe.rows.filter.items():
        if name not in recipe.columns or is_pattern(name):
            known = [column for column in recipe.columns if not is_pattern(column)]
            faults.append(f"'rows.filter.{name}' must be one of the columns. Got '{name}' instead. {nearest(name, known)}")
        else:
            faults += condition.faults(name, recipe.columns[name].type)
    if faults:
        raise ValueError(" ".join(faults))


def require_differences(recipe: RecipeKeys, name: str) -> None:
    """Raise ValueError where a difference is of columns that are no dates."""
    dates = [column for column in recipe.features if recipe.columns[column].type == "datetime"]
    for part in recipe.candidates[name].preprocess.datetime:
        for column in part.difference if isinstance(part, Difference) else ():
            if column not in dates:
                raise ValueError(
                    f"'candidates.{name}.preprocess.datetime' must name features of the type datetime in a difference. "
                    f"Got '{column}' instead. {nearest(column, dates)}"
                )


def require_members(recipe: RecipeKeys, name: str) -> None:
    """Raise ValueError where the mean `name` has members that are none."""
    candidates, members = recipe.candidates, recipe.candidates[name].members
    for member in members:
        if member not in candidates or candidates[member].members:
            plain = [known for known, other in candidates.items() if not other.members]
            raise ValueError(
                f"'candidates.{name}.members' must be candidates that have an estimator. "
                f"Got '{member}' instead. {nearest(member, plain)}"
            )
        if member in RESERVED_MEMBERS or "__" in member or members.count(member) > 1:
            raise ValueError(
                f"'candidates.{name}.members' must be unique, without '__', and none of {', '.join(RESERVED_MEMBERS)}. "
                f"Got '{member}' instead."
            )
