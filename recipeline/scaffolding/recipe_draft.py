"""The draft of a recipe for a table: columns, candidates and default gates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from recipeline.data.numbers import holds_numbers, read_numbers
from recipeline.data.tables import SEPARATORS, read_table
from recipeline.data.uris import redact
from recipeline.errors import DataError, UsageError, nearest
from recipeline.escape import for_cell

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
    table = read_any_table(path)
    if target not in table:
        raise UsageError(
            f"--target must be a column of {path.name}.", got=f"'{target}'", fix=nearest(target, [str(it) for it in table])
        )
    columns, faults = {}, []
    for column in table:
        fault, missing = _look_at(pa.Array.from_pandas(table[column]), str(column), na)
        if fault:
            faults.append(fault)
        columns[str(column)] = {"nullable": True} if missing and column != target else {}
    if faults:
        raise DataError(
            f"Every column of {path.name} must hold numbers.",
            got=f"{len(faults)} that {'does' if len(faults) == 1 else 'do'} not",
            fix="Remove or encode them, or name words for missing values with --na.",
            details=[*faults[:_SHOWN], *([f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else [])],
        )
    if len(table) < _FEWEST_ROWS:
        raise UsageError(f"{path.name} must have at least {_FEWEST_ROWS} rows.", got=len(table), fix="Name a larger table.")
    words = re.sub(r"[^A-Za-z0-9]+", " ", name).split() or ["Table"]
    content = {
        "name": "-".join(words).lower(),
        "task": "regression",
        "target": target,
        "experiment": "_".join(word[:1].upper() + word[1:] for word in words),
        "model_name": "".join(word[:1].upper() + word[1:] for word in words) + "BestModel",
        "random_state": 42,
        "data": {"min_rows": min(100, len(table) // 2)},
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


def read_any_table(path: Path) -> pd.DataFrame:
    """Return the table of a CSV or Parquet file of unknown columns.

    A CSV is read with the separator that gives the most columns.

    Raises
    ------
    DataError : it cannot be read, or is no table.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{redact(str(path))} cannot be read: {reason}.", fix="Name a CSV or Parquet file.") from None
    header = content.decode("utf-8-sig", errors="replace").lstrip().split("\n", 1)[0].strip()
    names = max((header.split(separator) for separator in SEPARATORS), key=len)
    return read_table(content, columns=[name.strip().strip('"').strip() for name in names], origin=path.name)


def _look_at(values: pa.Array, column: str, na: Sequence[str]) -> tuple[str, bool]:
    """Return why a column cannot be a feature, and whether it has missing values.

    The reason is empty for a usable column.
    """
    if not holds_numbers(values.type):
        return f"{column}: type {values.type}", False
    numbers, missing = read_numbers(values, column, na)
    unreadable = np.flatnonzero(np.isnan(numbers) & ~missing)
    if len(unreadable):
        first = str(values[int(unreadable[0])].as_py())[:40]
        return f"{column}: text in {len(unreadable)} of {len(values)} rows, for example '{first}'", False
    if missing.all():
        return f"{column}: no value in any row", False
    return "", bool(missing.any())


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
