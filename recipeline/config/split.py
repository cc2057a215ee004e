"""The split into training and test rows, and into folds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from recipeline.config.rules import Fraction
from recipeline.config.settings import Settings
from recipeline.config.table import ImportPath


def refuse_random(named: Mapping[str, str]) -> str:
    """Return the error message for a random split of a recipe with these keys."""
    keys = " and ".join(f"split.{key}: {value}" for key, value in named.items())
    return f"A random split must not be made of a recipe with {keys}: it would tear apart what is to stay together."


class Rule(Settings):
    """A function of the project that chooses the test rows of a table, by import path."""

    #: The function.
    path: ImportPath
    #: Its arguments besides the table, by name.
    params: dict[str, Any] = {}


#: How long a duration of one is, by its unit.
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}

_DURATION = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_SECONDS)})")


def _as_duration(value: object) -> object:
    if isinstance(value, str) and not _DURATION.fullmatch(value):
        raise ValueError(
            f"must be a number in the unit of the column, or a duration in {', '.join(_SECONDS)}, such as 30min, 12h or 7d. "
            f"Got '{value}' instead."
        )
    return value


#: A distance in time: a number in the unit of its column, or a duration such as 7d.
Distance = Annotated[Annotated[float, Field(ge=0)] | str, BeforeValidator(_as_duration)]


#: A rule, or its path alone.
NamedRule = Annotated[Rule, BeforeValidator(lambda value: {"path": value} if isinstance(value, str) else value)]


class Split(Settings):
    """The split into training and test rows.

    `grouped` keeps equal rows together, `random` is `train_test_split`. `group` names a column: rows with one value in it stay
    together, too. `time` names a column whose newest values are for testing; folds are fitted to rows that are older than
    those they are scored on, by more than `embargo`: a number in the column's unit (of dates seconds), or of dates a duration
    such as 7d. Groups are then on both sides, and count as evidence only.

    `custom` names a function that is called with the table, and `params` by name, and returns a boolean for each row: True is
    for testing. It may return the number of each row's fold as well; without, folds are dealt as ever.

    Where `tolerance` is above 0, `grouped` also keeps together rows of which no feature differs by more than this number of
    standard deviations of its column. Then a row may change sides when others are added.
    """

    #: How rows are dealt.
    method: Literal["grouped", "random"] = "grouped"
    #: The share of the rows that are for testing.
    test_size: Fraction = 0.2
    tolerance: float = Field(default=0.0, ge=0, lt=1)
    group: str | None = None
    time: str | None = None
    embargo: Distance = 0.0
    custom: NamedRule | None = None

    @property
    def named(self) -> dict[str, str]:
        """The columns that rows are dealt by. The key is also their role."""
        return {key: name for key, name in (("group", self.group), ("time", self.time)) if name is not None}

    @property
    def gap(self) -> float:
        """The embargo in the unit of the time column, of dates in seconds."""
        if not isinstance(self.embargo, str):
            return self.embargo
        found = _DURATION.fullmatch(self.embargo)
        assert found is not None
        return float(found[1]) * _SECONDS[found[2]]

    @property
    def embargo_words(self) -> str:
        """The embargo as the recipe states it."""
        return self.embargo if isinstance(self.embargo, str) else f"{self.embargo:g}"

    @property
    def keys(self) -> dict[str, str]:
        """The keys besides `method` that decide the side of a row."""
        return self.named | ({"custom": self.custom.path} if self.custom is not None else {})

    def settings(self) -> dict[str, Any]:
        """Return all that decides the side of a row, besides `method`."""
        found: dict[str, Any] = {"test_size": self.test_size, "tolerance": self.tolerance, **self.named}
        found |= {"embargo": self.embargo} if self.time is not None else {}
        return found | ({"custom": self.custom.model_dump(mode="json")} if self.custom is not None else {})

    @model_validator(mode="after")
    def _random_keeps_nothing_together(self) -> Self:
        if self.method == "random" and self.keys:
            raise ValueError(refuse_random(self.keys))
        if self.custom is not None and self.time is not None:
            raise ValueError("custom must not come with time: both say which rows are for testing.")
        if self.gap and self.time is None:
            raise ValueError("embargo must come with time: it is how far training and test rows are apart in time.")
        if self.tolerance and self.time is not None:
            raise ValueError("tolerance must not come with time: it joins rows, and time decides which side they are on.")
        if self.group is not None and self.group == self.time:
            raise ValueError(f"group and time must be different columns. Got '{self.group}' twice instead.")
        return self


class CrossValidation(Settings):
    """The cross-validation that compares candidates on the training rows."""

    #: The number of folds.
    folds: int = Field(default=5, ge=2)
