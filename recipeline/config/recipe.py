"""The recipe: target, columns, candidates, metrics and gates of a model.

It is the same in every environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from recipeline.config.candidate import Candidate, Difference
from recipeline.config.metric_settings import refuse_metrics
from recipeline.config.rules import Gates, ModelCardTexts, Monitoring, Promotion, Retention
from recipeline.config.scored import Scored
from recipeline.config.settings import Label, load_settings
from recipeline.config.table import (
    RESERVED_COLUMNS,
    RESERVED_MEMBERS,
    Column,
    CrossValidation,
    Data,
    MissingWord,
    Role,
    Split,
    Target,
)
from recipeline.config.tasks import TASK_RULES, refuse_settings
from recipeline.errors import UsageError, guess, nearest

#: A range of columns in a name, and how many it may be at most.
_RANGE, MOST_OF_A_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}"), 10_000


def _names_of(key: Any) -> list[Any]:
    """Return the columns that a key stands for: itself, or those of the range in it."""
    found = _RANGE.search(key) if isinstance(key, str) else None
    if not found:
        return [key]
    first, last = found.groups()
    numbers = range(int(first), int(last) + 1)
    width = len(first) if first.startswith("0") else 0
    if not 0 < len(numbers) <= MOST_OF_A_RANGE:
        return [key]
    return [f"{key[: found.start()]}{number:0{width}}{key[found.end() :]}" for number in numbers]


class Recipe(Scored):
    """The whole recipe, with the defaults of all its settings."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$")
    predicted: Annotated[Target, BeforeValidator(lambda value: {"column": value} if isinstance(value, str) else value)] = Field(
        alias="target"
    )
    experiment: Label = Field(min_length=1)
    #: Part of a URI (`models:/<name>`) and of a filter of MLflow, in which the excluded characters cannot be escaped.
    model_name: Label = Field(pattern=r"^[^/:@?#%\\\"]+$")
    random_state: int = Field(default=42, ge=0, lt=2**32)
    data: Data
    columns: dict[str, Column] = Field(min_length=2)
    na: tuple[MissingWord, ...] = ()
    #: Columns of a table that are not listed: an error, or not read.
    other_columns: Literal["refuse", "ignore"] = "refuse"
    #: Rows without a target in a table to train on: an error, or left out and counted.
    missing_target: Literal["refuse", "drop"] = "refuse"
    split: Split = Split()
    cv: CrossValidation = CrossValidation()
    candidates: dict[Label, Candidate] = Field(min_length=1)
    gates: Gates = Gates()
    promotion: Promotion = Promotion()
    monitoring: Monitoring = Monitoring()
    retention: Retention = Retention()
    model_card: ModelCardTexts = ModelCardTexts()
    _path: Path = PrivateAttr(default=Path("recipe.yaml"))

    @classmethod
    def write_out(cls, content: Any) -> Any:
        """Return the content of a file with ranges of columns written out.

        `gene {1..500}` is 500 columns. Leading zeros are kept. A column that has an entry of its own keeps it. A range of
        more than MOST_OF_A_RANGE columns is left as it is.
        """
        if not isinstance(content, dict) or not isinstance(content.get("columns"), dict):
            return content
        columns = content["columns"]
        names = {key: _names_of(key) for key in columns}
        written = {name: columns[key] for key, of_key in names.items() for name in of_key if name == key or name not in columns}
        return content | {"columns": written}

    @field_validator("columns")
    @classmethod
    def _columns_can_be_told_apart(cls, columns: dict[str, Column]) -> dict[str, Column]:
        for name in columns:
            if name in RESERVED_COLUMNS:
                raise ValueError(
                    f"'{name}' is reserved for a column of predictions or labels "
                    f"({', '.join(RESERVED_COLUMNS)}). Rename it here and in the table."
                )
            if not name.isprintable() or name != name.strip() or not name:
                raise ValueError(f"a name must be printable text without spaces around it. Got {name!r} instead.")
        return columns

    @model_validator(mode="after")
    def _target_is_a_column(self) -> Self:
        if self.target not in self.columns:
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
        if fault := self.predicted.refuse_label(column, task):
            raise ValueError(fault)
        if self.columns[self.target].nullable:
            raise ValueError(
                f"'columns.{self.target}.nullable' must be false: rows without a target cannot be used for training."
            )
        if fault := self.predicted.refuse_range(self.columns[self.target]):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _settings_are_of_the_task(self) -> Self:
        if fault := refuse_settings(self) or refuse_metrics(self):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _roles_are_used(self) -> Self:
        for key, name in self.split.named.items():
            if name not in self.columns or name == self.target:
                hint = nearest(name, [column for column in self.columns if column != self.target])
                raise ValueError(f"'split.{key}' must be one of the columns, and not the target. Got '{name}' instead. {hint}")
            if self.columns[name].role not in (None, key, "feature"):
                raise ValueError(
                    f"'columns.{name}.role' must be {key}, or feature, where split.{key} names it. "
                    f"Got {self.columns[name].role} instead."
                )
            if self.columns[name].nullable:
                raise ValueError(f"'columns.{name}.nullable' must be false: split.{key} needs a value in every row.")
        if self.columns[self.target].role is not None:
            raise ValueError(f"'columns.{self.target}.role' must not be set: it is the target.")
        for name, column in self.columns.items():
            if column.role == "group" and self.split.group != name:
                raise ValueError(
                    f"'columns.{name}.role' is group, and nothing keeps its rows together. "
                    f"Set split.group: {name}, or role: ignore."
                )
        weights = [name for name, column in self.columns.items() if column.role == "weight"]
        if len(weights) > 1:
            raise ValueError(f"'columns' must have one weight at most. Got {' and '.join(weights)} instead.")
        for name, key in [*((name, "weight") for name in weights), *((name, it) for it, name in self.split.named.items())]:
            refused = {"weight": ("category", "boolean", "datetime"), "time": ("category", "boolean")}.get(key, ())
            if self.columns[name].type in refused:
                raise ValueError(f"'columns.{name}.type' must be a number for a {key}. Got {self.columns[name].type} instead.")
        if weights and self.columns[weights[0]].nullable:
            raise ValueError(f"'columns.{weights[0]}.nullable' must be false: every row needs its weight.")
        if not self.features:
            raise ValueError("'columns' must have a feature: a column without a role, or with role: feature.")
        return self

    @model_validator(mode="after")
    def _no_value_is_missing(self) -> Self:
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
            for member in candidate.members:
                self._check_member(name, member)
            self._check_differences(name, candidate)
        return self

    def _check_differences(self, name: str, candidate: Candidate) -> None:
        dates = [column for column in self.features if self.columns[column].type == "datetime"]
        for part in candidate.preprocess.datetime:
            for column in part.difference if isinstance(part, Difference) else ():
                if column not in dates:
                    raise ValueError(
                        f"'candidates.{name}.preprocess.datetime' must name features of the type datetime in a difference. "
                        f"Got '{column}' instead. {nearest(column, dates)}"
                    )

    def _check_member(self, name: str, member: str) -> None:
        if member not in self.candidates or self.candidates[member].members:
            plain = [known for known, other in self.candidates.items() if not other.members]
            raise ValueError(
                f"'candidates.{name}.members' must be candidates that have an estimator. "
                f"Got '{member}' instead. {nearest(member, plain)}"
            )
        if member in RESERVED_MEMBERS or "__" in member or self.candidates[name].members.count(member) > 1:
            raise ValueError(
                f"'candidates.{name}.members' must be unique, without '__', and none of {', '.join(RESERVED_MEMBERS)}. "
                f"Got '{member}' instead."
            )

    @property
    def path(self) -> Path:
        """The recipe's file."""
        return self._path

    def at(self, key: str) -> str:
        """Return the beginning of an error message on `key`: the file and the key."""
        return f"{self.path.name}: '{key}'"

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return self.predicted.column

    @property
    def features(self) -> tuple[str, ...]:
        """The feature columns in the recipe's order."""
        return tuple(name for name in self.columns if name != self.target and self.role(name) == "feature")

    @property
    def not_features(self) -> tuple[str, ...]:
        """The columns that only training needs: neither features nor the target."""
        return tuple(name for name in self.columns if name != self.target and self.role(name) != "feature")

    @property
    def weight(self) -> str | None:
        """The column of row weights, None without one."""
        return next((name for name, column in self.columns.items() if column.role == "weight"), None)

    def role(self, name: str) -> Role:
        """Return the role of a column other than the target.

        It is what the column says, or the key of `split` that names it.
        """
        named = next((key for key, column in self.split.named.items() if column == name), "feature")
        return self.columns[name].role or cast(Role, named)

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
        """Return the named top-level keys as plain values.

        Only the `candidates` and their members are included.
        """
        fields = {name: field.alias or name for name, field in type(self).model_fields.items()}
        asked = set(keys)
        chosen = {name for name, key in fields.items() if key in asked}
        values = {fields[name]: value for name, value in self.model_dump(mode="json", include=chosen).items()}
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
