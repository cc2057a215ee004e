"""The recipe: target, columns, candidates, metrics and gates of a model.

It is the same in every environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr, field_validator, model_validator

from recipeline.config.checking.metric_settings import refuse_metrics
from recipeline.config.checking.references import (
    require_conditions,
    require_differences,
    require_members,
    require_renamed,
    require_roles,
)
from recipeline.config.checking.task_settings import refuse_label, refuse_settings
from recipeline.config.columns import is_nameless, is_pattern, matches, refuse_names, write_ranges
from recipeline.config.recipe_keys import RecipeKeys
from recipeline.config.settings import load_settings
from recipeline.config.table import OWN_PREFIX, RESERVED_COLUMNS, RESERVED_PREFIX, Column, is_reserved
from recipeline.config.tasks import TASK_RULES
from recipeline.errors import UsageError, guess, nearest


class Recipe(RecipeKeys):
    """The whole recipe, with the defaults of all its settings."""

    _path: Path = PrivateAttr(default=Path("recipe.yaml"))
    #: The recipe as it is written, where `columns` has the columns of a table in place of patterns.
    _stated: Recipe | None = PrivateAttr(default=None)

    @classmethod
    def write_out(cls, content: Any) -> Any:
        """Return the content of a file with ranges of columns written out.

        A type alone is written as a column.
        A range that `refuse_names` refuses is left as it is.
        """
        if not isinstance(content, dict) or not isinstance(content.get("columns"), dict):
            return content
        return content | {"columns": write_ranges(content["columns"])}

    @field_validator("columns")
    @classmethod
    def _columns_can_be_told_apart(cls, columns: dict[str, Column]) -> dict[str, Column]:
        for name, column in columns.items():
            if is_reserved(name):
                raise ValueError(
                    f"'{name}' is reserved for a column of predictions or labels "
                    f"({', '.join(RESERVED_COLUMNS)}, {RESERVED_PREFIX}..., {OWN_PREFIX}...). Rename it here and in the table."
                )
            if not name.isprintable() or name != name.strip() or not name:
                raise ValueError(f"a name must be printable text without spaces around it. Got {name!r} instead.")
            if is_pattern(name) and column.role in ("group", "time", "weight"):
                raise ValueError(f"'{name}' is a pattern, and a {column.role} is one column. Give it an entry of its own.")
        if faults := refuse_names(columns):
            raise ValueError(" ".join(faults))
        return columns

    @model_validator(mode="after")
    def _target_is_a_column(self) -> Self:
        if self.target not in self.columns or is_pattern(self.target):
            raise ValueError(
                f"'target' must be one of the columns. Got '{self.target}' instead. {nearest(self.target, self.columns)}"
            )
        task, column = TASK_RULES[self.task], self.columns[self.target]
        if column.type not in task.target_types:
            *others, last = task.target_types
            raise ValueError(
                f"'columns.{self.target}.type' must be {', '.join(others)} or {last}, as the target of {task.noun} is. "
                f"Got '{column.type}' instead."
            )
        if self.columns[self.target].nullable:
            raise ValueError(
                f"'columns.{self.target}.nullable' must be false: rows without a target cannot be used for training."
            )
        if fault := self.predicted.refuse_range(self.columns[self.target]):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _settings_are_of_the_task(self) -> Self:
        if fault := refuse_settings(self) or refuse_label(self) or refuse_metrics(self):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _columns_fit_their_use(self) -> Self:
        require_roles(self)
        require_renamed(self)
        require_conditions(self)
        for name, column in self.columns.items():
            if words := [value for value in column.values if value in self.na]:
                raise ValueError(
                    f"'columns.{name}.values' must not be words of na, for a missing value. Got {', '.join(words)}."
                )
        return self

    @model_validator(mode="after")
    def _columns_know_the_decimal_mark(self) -> Self:
        for column in self.columns.values():
            column._decimal = self.data.decimal
        return self

    @model_validator(mode="after")
    def _candidates_can_be_told_apart(self) -> Self:
        taken: dict[str, str] = {}
        for name, candidate in self.candidates.items():
            if name.lower() == "all" or candidate.alias == "all":
                raise ValueError(f"'candidates.{name}' must not be called 'all': the word selects every candidate.")
            if taken.setdefault(name.lower(), name) != name:
                raise ValueError(f"'candidates.{name}' and 'candidates.{taken[name.lower()]}' must differ in more than case.")
        for name, candidate in self.candidates.items():
            if taken.setdefault(candidate.alias, name) != name:
                raise ValueError(
                    f"'candidates.{name}.alias' must be unique. Got '{candidate.alias}' instead, "
                    f"which is the alias of {taken[candidate.alias]}."
                )
            require_members(self, name)
            require_differences(self, name)
        return self

    @property
    def stated(self) -> Recipe:
        """The recipe as it is written, with patterns in place of columns of a table."""
        return self._stated or self

    def with_columns(self, found: Iterable[str]) -> Recipe:
        """Return the recipe with the columns of a table in place of patterns.

        A pattern that matches none stays.

        Raises
        ------
        UsageError : two patterns match one column.
        """
        stated, names = self.stated, list(found)
        if not stated.patterns:
            return self
        matched: dict[str, str] = {}
        for pattern in stated.patterns:
            for name in names:
                if name in stated.columns or is_reserved(name) or is_nameless(name) or not matches(name, pattern):
                    continue
                if name in matched:
                    raise UsageError(
                        f"{self.at('columns')} must match each column of the table once.",
                        got=f"'{matched[name]}' and '{pattern}' for '{name}'",
                        fix=f"Give '{name}' an entry of its own, or narrow one of them in {self.path}.",
                    )
                matched[name] = pattern
        return self._written({pattern: [name for name, it in matched.items() if it == pattern] for pattern in stated.patterns})

    def with_stand_ins(self, count: int) -> Recipe:
        """Return the recipe with so many made-up columns in place of each pattern."""
        patterns = self.stated.patterns
        return self._written({it: [it.replace("*", f"{number}") for number in range(count)] for it in patterns})

    def _written(self, found: Mapping[str, list[str]]) -> Recipe:
        columns = self.stated.columns
        written = {name: column for key, column in columns.items() for name in found.get(key) or [key]}
        recipe = self.stated.model_copy(update={"columns": written})
        recipe._stated = self.stated
        return recipe

    @property
    def path(self) -> Path:
        """The recipe's file."""
        return self._path

    def at(self, key: str) -> str:
        """Return the beginning of an error message on `key`: the file and the key."""
        return f"{self.path.name}: '{key}'"

    def select(self, names: str) -> tuple[str, ...]:
        """Return the candidates that `names` selects, in the recipe's order.

        `names` is `all`, or names and aliases, comma separated.

        Raises
        ------
        UsageError : a name is neither a candidate nor an alias.
        """
        asked = [name.strip() for name in names.split(",") if name.strip()]
        by_word = {name.lower(): name for name in self.candidates}
        by_word |= {candidate.alias: name for name, candidate in self.candidates.items()}
        for word in asked:
            if word.lower() not in by_word and word.lower() != "all":
                words = [f"{name} ({candidate.alias})" for name, candidate in self.candidates.items()]
                raise UsageError(
                    "model must be all, or names or aliases of the recipe's candidates, comma separated.",
                    got=f"'{word}'",
                    fix=guess(word, [*by_word, *self.candidates]) + f"Known: all, {', '.join(words)}.",
                )
        if not asked or "all" in (word.lower() for word in asked):
            return tuple(self.candidates)
        chosen = {by_word[word.lower()] for word in asked}
        return tuple(name for name in self.candidates if name in chosen)

    def part(self, keys: Iterable[str], *, candidates: Iterable[str] = ()) -> dict[str, Any]:
        """Return the named top-level keys as plain values, as they are written.

        Only the `candidates` and their members are included.
        """
        fields = {name: field.alias or name for name, field in type(self).model_fields.items()}
        asked = set(keys)
        chosen = {name for name, key in fields.items() if key in asked}
        values = {fields[name]: value for name, value in self.stated.model_dump(mode="json", include=chosen).items()}
        if "target" in values:
            written = self.predicted.model_dump(mode="json", exclude_none=True)
            values["target"] = written if len(written) > 1 else self.target  # as it is written
        if candidates:
            wanted = [*candidates, *(m for name in candidates for m in self.candidates[name].members)]
            values["candidates"] = {
                name: candidate.model_dump(mode="json", exclude_defaults=True)
                for name, candidate in self.candidates.items()
                if name in wanted
            }
        return values


def load_recipe(path: Path, environment: Mapping[str, str]) -> Recipe:
    """Return the recipe in the file `path`. Raises UsageError as `load_settings` does."""
    recipe = load_settings(path, Recipe, environment)
    recipe._path = path
    return recipe
