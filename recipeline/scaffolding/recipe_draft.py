"""The draft of a recipe for a table: columns, candidates and default gates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from recipeline.data.causes import cause_of
from recipeline.data.numbers import holds_numbers, read_numbers, show_field
from recipeline.data.readers import open_rows
from recipeline.data.uris import redact
from recipeline.errors import DataError, UsageError, nearest
from recipeline.escape import for_cell, is_remote

_HEADER = "# The model, the same in every environment; profiles/ has the environments. Drafted from {origin}; edit it freely.\n"
_COLUMNS_NOTE = "# Add unit, min and max: values outside of the possible range are refused.\n"
_SHOWN = 5
_FEWEST_ROWS = 20


class _Plain(yaml.SafeDumper):
    """YAML without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def draft_recipe(path: Path, target: str, *, name: str, na: Sequence[str] = ()) -> str:
    """Return the text of a recipe that predicts the column `target` of a table.

    `path` is a CSV or Parquet file. Every other column is a feature; one with missing values is `nullable`, and candidates
    that cannot handle missing values impute the median.

    Raises
    ------
    UsageError : the table has no such column, or fewer rows than can be split.
    DataError : the file is no table, or has columns that do not hold numbers; they are named, with an example.
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
        raise DataError(
            f"{path.name} must hold rows below its header.", got="a header only", fix="Name a file that holds the table."
        )
    faults = [fault for look in looks.values() if (fault := look.fault)]
    columns = {name: {"nullable": True} if look.missing and name != target else {} for name, look in looks.items()}
    if faults:
        raise DataError(
            f"Every column of {path.name} must hold numbers.",
            got=f"{len(faults)} that {'does' if len(faults) == 1 else 'do'} not",
            fix="Remove or encode them, or name words for missing values with --na.",
            details=[*faults[:_SHOWN], *([f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else [])],
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
        "columns": columns,
        "cv": {"folds": 5},
        "candidates": _candidates(any("nullable" in it for it in columns.values())),
        "gates": {"beats_mean_predictor": True},
    }
    parts = {key: yaml.dump({key: value}, Dumper=_Plain, sort_keys=False, allow_unicode=True) for key, value in content.items()}
    parts["columns"] = _COLUMNS_NOTE + parts["columns"]
    text = "".join(f"\n{part}" if isinstance(content[key], dict) else part for key, part in parts.items())
    return _HEADER.format(origin=for_cell(path.name)) + text


@dataclass
class _Look:
    """A column read piece by piece: its faults and missing values."""

    name: str
    rows: int = 0
    missing: int = 0
    texts: int = 0
    example: str = ""
    type: str = ""

    def add(self, values: pa.Array, na: Sequence[str]) -> None:
        """Count further values."""
        self.rows += len(values)
        if not holds_numbers(values.type):
            self.type = str(values.type)
            return
        numbers, missing = read_numbers(values, self.name, na)
        unreadable = np.flatnonzero(np.isnan(numbers) & ~missing)
        self.missing += int(missing.sum())
        if len(unreadable) and not self.texts:
            first = values[int(unreadable[0])].as_py()
            cause = cause_of(first, ".")
            self.example = f"{show_field(first)}{f': {cause}' if cause else ''}"
        self.texts += len(unreadable)

    @property
    def fault(self) -> str:
        """The reason why the column cannot be a feature; empty for a usable one."""
        if self.type:
            return f"{self.name}: type {self.type}"
        if self.texts:
            return f"{self.name}: text in {self.texts} of {self.rows} rows, for example {self.example}"
        return f"{self.name}: no value in any row" if self.missing == self.rows else ""


def _candidates(any_missing: bool) -> dict[str, dict[str, object]]:
    """Return a linear, a regularised, a tree, a forest and a boosting candidate.

    The last two are the best on most tables.
    """
    imputer = {"estimator": "sklearn.impute.SimpleImputer", "params": {"strategy": "median"}}
    filled: list[object] = [imputer] if any_missing else []
    scaled = [*filled, "sklearn.preprocessing.StandardScaler"]
    linear: dict[str, object] = {"alias": "lr", **({"preprocess": filled} if filled else {})}
    return {
        "LinearRegression": {**linear, "estimator": "sklearn.linear_model.LinearRegression"},
        "Ridge": {"alias": "ridge", "preprocess": scaled, "estimator": "sklearn.linear_model.RidgeCV"},
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
