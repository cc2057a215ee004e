"""Conditions of `rows.filter`: the rows that training leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.base import Kind, Values
from recipeline.data.kinds.every import KINDS
from recipeline.records import LEFT_OUT

#: A value of a condition as the recipe has it.
Constant = str | float | bool

#: So many values are listed in a sentence.
_LISTED = 8


@dataclass(frozen=True)
class Condition:
    """The values of a column in the rows that a model was trained on.

    None or empty: no such limit. A missing value fulfils it where `missing` is true; `missing` alone is about nothing else. The
    other fields say how the column is read, `na` are words for a missing value. `is_target`: it is on the target, whose value
    is unknown of new rows.
    """

    column: str
    type: str = "number"
    min: Constant | None = field(default=None, metadata=LEFT_OUT)
    max: Constant | None = field(default=None, metadata=LEFT_OUT)
    in_: tuple[Constant, ...] = field(default=(), metadata=LEFT_OUT)
    not_in: tuple[Constant, ...] = field(default=(), metadata=LEFT_OUT)
    missing: bool | None = field(default=None, metadata=LEFT_OUT)
    unit: str = field(default="", metadata=LEFT_OUT)
    format: str = field(default="", metadata=LEFT_OUT)
    decimal: str = field(default=".", metadata=LEFT_OUT)
    na: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    is_target: bool = field(default=False, metadata=LEFT_OUT)

    @property
    def kind(self) -> Kind:
        """The kind of its column; a type of a newer version is a number."""
        return KINDS.get(self.type, KINDS["number"])

    @property
    def words(self) -> str:
        """The values that fulfil it, as a sentence has them."""
        unit = f" {self.unit}" if self.unit else ""
        parts = [
            f"{word} {_show(limit)}{unit}"
            for word, limit in (("at least", self.min), ("at most", self.max))
            if limit is not None
        ]
        parts += [f"{word} {_list(values)}" for word, values in (("one of", self.in_), ("none of", self.not_in)) if values]
        if not parts:
            return "no value" if self.missing else "any value that is not missing"
        return " and ".join(parts) + " or no value" * bool(self.missing)

    @property
    def rule(self) -> str:
        """The rule that a row breaks which training would have left out."""
        return f"not trained on rows like it: rows.filter keeps {self.words}"

    def is_fulfilled(self, typed: np.ndarray | pd.Series, missing: np.ndarray) -> np.ndarray:
        """Return a mask of the typed values that fulfil it; `missing` are without one."""
        values = pd.Series(typed)
        known = ~np.asarray(missing)
        fulfilled = known.copy()
        read = self.kind.constant
        if self.min is not None:
            fulfilled &= (values >= read(self.min)).to_numpy()
        if self.max is not None:
            fulfilled &= (values <= read(self.max)).to_numpy()
        if self.in_:
            fulfilled &= values.isin([read(value) for value in self.in_]).to_numpy()
        if self.not_in:
            fulfilled &= ~values.isin([read(value) for value in self.not_in]).to_numpy()
        if not self.missing:
            return fulfilled
        is_alone = self.min is None and self.max is None and not self.in_ and not self.not_in
        return ~known if is_alone else fulfilled | ~known

    def read(self, fields: pa.Array) -> Values:
        """Return a column of a table as typed values."""
        return self.kind.read(fields, self.na, _AsText(self.format, self.decimal))


@dataclass(frozen=True)
class _AsText:
    """The rules by which a column's text is read."""

    format: str
    decimal: str
    unit: str = ""
    min: float | None = None
    max: float | None = None
    nullable: bool = True
    values: Sequence[str] = ()


def conditions_of(recipe: Recipe) -> tuple[Condition, ...]:
    """Return the conditions of the recipe's `rows.filter`."""
    found = []
    for name, stated in recipe.rows.filter.items():
        column = recipe.columns[name]
        limits = {key: getattr(stated, key) for key in ("min", "max", "in_", "not_in", "missing")}
        text = {key: getattr(column, key) for key in ("type", "unit", "format", "decimal")}
        found.append(Condition(name, **text, **limits, na=recipe.na, is_target=name == recipe.target))
    return tuple(found)


def find_broken(conditions: Iterable[Condition], fields: Mapping[str, pa.Array]) -> dict[str, np.ndarray]:
    """Return by column the rows that training would have left out, of shape (rows,).

    Columns that are not there are left out, and so are conditions that no row breaks. A field that cannot be read breaks none:
    it is a fault of its own. A target that is missing is not yet known.
    """
    found = {}
    for condition in conditions:
        column = fields.get(condition.column)
        if column is None or not condition.kind.accepts(column.type):
            continue
        values = condition.read(column)
        unknown = values.unreadable | (values.missing & condition.is_target)
        broken = ~condition.is_fulfilled(values.typed, values.missing) & ~unknown
        if broken.any():
            found[condition.column] = broken
    return found


def keep_rows(conditions: Iterable[Condition], fields: Mapping[str, pa.Array], rows: int) -> np.ndarray:
    """Return a mask of the rows that break no condition, as `find_broken` finds them."""
    broken = find_broken(conditions, fields)
    kept: np.ndarray = ~np.any([*broken.values()], axis=0) if broken else np.ones(rows, dtype=bool)
    return kept


def _show(value: Constant) -> str:
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else f"{value:g}"


def _list(values: Sequence[Constant]) -> str:
    more = f" and {len(values) - _LISTED} more" if len(values) > _LISTED else ""
    return ", ".join(map(_show, values[:_LISTED])) + more
