"""The draft of a recipe for a table: columns, candidates and default gates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from recipeline.config.table import Column
from recipeline.data.causes import cause_of
from recipeline.data.kinds.every import KINDS
from recipeline.data.numbers import show_field
from recipeline.data.readers import open_rows
from recipeline.data.uris import redact
from recipeline.errors import DataError, UsageError, nearest
from recipeline.escape import for_cell, is_remote

_HEADER = "# The model, the same in every environment; profiles/ has the environments. Drafted from {origin}; edit it freely.\n"
_COLUMNS_NOTE = "# Add unit, min and max: values outside of the possible range are refused.\n"
_SHOWN = 5
_FEWEST_ROWS = 20
_MOST_CATEGORIES = 100

#: The types that a column is tried as, the first that fits all values first.
_TYPES = ("number", "boolean", "datetime", "category")
_ANY = Column()


class _Plain(yaml.SafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def draft_recipe(path: Path, target: str, *, name: str, na: Sequence[str] = ()) -> str:
    """Return the text of a recipe that predicts the column `target` of a table.

    `path` is a CSV or Parquet file. Every other column is a feature of the type that all its values have; one with missing
    values is `nullable`, and candidates that cannot handle missing values impute the median. Text that repeats is a category;
    other text is ignored, with its reason as a comment.

    Raises
    ------
    UsageError : the table has no such column, or fewer rows than can be split.
    DataError : the file is no table, has no column that can be a feature, or has columns of numbers with other values; they
        are named, with an example.
    """
    file = open_rows(path, (), redact(str(path)) if is_remote(str(path)) else path.name)
    names = [name for name in file.columns if name not in file.index]
    if target not in names:
        raise UsageError(f"--target must be a column of {path.name}.", got=f"'{target}'", fix=nearest(target, names))
    looks, rows = {column: _Look(column) for column in names}, 0
    for piece in file.pieces():
        if piece.ragged:
            line = piece.ragged[0]
            raise DataError(
                f"{path.name} must be a table: each line {line.rule}.",
                got=f"{line.got} in row {line.number}",
                fix="Correct that line, or take it out.",
            )
        rows += piece.rows.num_rows
        for column, values in zip(file.columns, piece.rows.columns, strict=True):
            if column in looks:
                looks[column].add(values, na)
    if not rows:
        raise DataError(f"{path.name} has no rows: header only.", fix="Name a file that holds the table.")
    faults = [look.fault for look in looks.values() if look.fault and (look.is_number or look.name == target or look.type)]
    if not faults and looks[target].found != "number":
        faults = [f"{target}: {looks[target].found}, and the target must be a number"]
    columns = {name: _column(look, is_target=name == target) for name, look in looks.items()}
    if faults:
        raise DataError(
            f"Every column of {path.name} must hold numbers, categories, dates or booleans, and the target numbers.",
            got=f"{len(faults)} that {'does' if len(faults) == 1 else 'do'} not",
            fix="Remove or encode them, or name words for missing values with --na.",
            details=[*faults[:_SHOWN], *([f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else [])],
        )
    if all(name == target or "role" in column for name, column in columns.items()):
        raise DataError(
            f"{path.name} has no column beside the target that can be a feature.",
            fix="Add one, or encode those that are there.",
            details=[look.fault for look in looks.values() if look.fault][:_SHOWN],
        )
    if rows < _FEWEST_ROWS:
        raise UsageError(f"{path.name} must have at least {_FEWEST_ROWS} rows.", got=rows, fix="Name a larger table.")
    words = re.sub(r"[^A-Za-z0-9]+", " ", name).split() or ["Table"]
    content = {
        "name": "-".join(words).lower(),
        "task": "regression",
        "target": target,
        "experiment": "_".join(word[:1].upper() + word[1:] for word in words),
        "model_name": "".join(word[:1].upper() + word[1:] for word in words) + "BestModel",
        "random_state": 42,
        "data": {"min_rows": min(100, rows // 2)},
        **({"na": list(na)} if na else {}),
        **({"missing_target": "drop"} if looks[target].missing else {}),
        "columns": columns,
        "cv": {"folds": 5},
        "candidates": _candidates(columns),
        "gates": {"beats_mean_predictor": True},
    }
    parts = {key: yaml.dump({key: value}, Dumper=_Plain, sort_keys=False, allow_unicode=True) for key, value in content.items()}
    ignored = [f"# ignored: {for_cell(look.fault)}\n" for look in looks.values() if look.fault]
    parts["columns"] = _COLUMNS_NOTE + "".join(ignored) + parts["columns"]
    text = "".join(f"\n{part}" if isinstance(content[key], dict) else part for key, part in parts.items())
    return _HEADER.format(origin=for_cell(path.name)) + text


def _column(look: _Look, *, is_target: bool) -> dict[str, Any]:
    """Return the settings of a column; a column that cannot be a feature is ignored."""
    if not look.found:
        return {"type": "category", "nullable": True, "role": "ignore"}
    type_ = {} if look.found == "number" else {"type": look.found}
    return {**type_, **({"nullable": True} if look.missing and not is_target else {})}


@dataclass
class _Look:
    """A column read in pieces: its number of values of each type, and its values.

    Values are distinct ones.
    """

    name: str
    rows: int = 0
    missing: int = 0
    readable: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TYPES, 0))
    example: str = ""
    type: str = ""
    values: set[str] = field(default_factory=set)

    def add(self, values: pa.Array, na: Sequence[str]) -> None:
        """Count further values."""
        self.rows += len(values)
        accepted = [name for name in _TYPES if KINDS[name].accepts(values.type)]
        if not accepted:
            self.type = str(values.type)
            return
        for name in accepted:
            read = KINDS[name].read(values, na, _ANY)
            self.readable[name] += len(values) - int(read.unreadable.sum() + read.missing.sum())
            if name == "number" and read.unreadable.any() and not self.example:
                first = values[int(np.flatnonzero(read.unreadable)[0])].as_py()
                cause = cause_of(first, ".")
                self.example = f"{show_field(first)}{f': {cause}' if cause else ''}"
            if name == "category" and len(self.values) <= _MOST_CATEGORIES:
                self.values |= set(read.typed[~read.missing].tolist())
        self.missing += int(KINDS[accepted[0]].read(values, na, _ANY).missing.sum())

    @property
    def known(self) -> int:
        """The number of values that are not missing."""
        return self.rows - self.missing

    @property
    def found(self) -> str:
        """The first type that all values are of; empty where there is none."""
        if self.type or not self.known:
            return ""
        return next((name for name in _TYPES if self.readable[name] == self.known and self._is_likely(name)), "")

    def _is_likely(self, name: str) -> bool:
        """Whether words are booleans, or text is a category.

        There are two booleans; categories repeat, and most of them are not numbers.
        """
        if name == "boolean":
            return len({value.lower() for value in self.values}) <= 2  # of y, n, t and f each is a name
        few = len(self.values) <= min(_MOST_CATEGORIES, self.known / 2)
        return name != "category" or (few and self.readable["number"] < self.known / 2)

    @property
    def fault(self) -> str:
        """The reason why the column cannot be a feature; empty for a usable one."""
        if self.found:
            return ""
        if self.type:
            return f"{self.name}: type {self.type}"
        if not self.known:
            return f"{self.name}: no value in any row"
        return f"{self.name}: text in {self.known - self.readable['number']} of {self.rows} rows, for example {self.example}"

    @property
    def is_number(self) -> bool:
        """Whether most values are numbers, so that the others are faults."""
        return 2 * self.readable["number"] >= self.known > 0


def _candidates(columns: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, object]]:
    """Return a linear, a regularised, a tree, a forest and a boosting candidate.

    The last two are the best on most tables. Missing numbers are imputed before, missing dates once they are numbers.
    """
    gaps = {str(it.get("type", "number")) for it in columns.values() if it.get("nullable") and "role" not in it}
    imputer = {"estimator": "sklearn.impute.SimpleImputer", "params": {"strategy": "median"}}
    filled: list[object] = [imputer] if gaps - {"category", "datetime"} else []
    scaled = [*filled, "sklearn.preprocessing.StandardScaler"]
    dates: dict[str, object] = {"all": [imputer]} if "datetime" in gaps else {}

    def by_type(number: list[object]) -> dict[str, object]:
        """Return a `preprocess`: a list of numbers alone where that is all."""
        return {"preprocess": {"number": number, **dates} if dates else number} if number or dates else {}

    linear: dict[str, object] = {"alias": "lr", **by_type(filled)}
    return {
        "LinearRegression": {**linear, "estimator": "sklearn.linear_model.LinearRegression"},
        "Ridge": {"alias": "ridge", **by_type(scaled), "estimator": "sklearn.linear_model.RidgeCV"},
        "DecisionTree": {"alias": "dt", "estimator": "sklearn.tree.DecisionTreeRegressor", "params": {"max_depth": 6}},
        "RandomForest": {
            "alias": "rf",
            "estimator": "sklearn.ensemble.RandomForestRegressor",
            "params": {"n_estimators": 200, "min_samples_leaf": 2},
        },
        "HistGradientBoosting": {
            "alias": "hgb",
            "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
            "params": {"learning_rate": 0.05, "max_leaf_nodes": 15},
        },
    }
