"""Models of the service: loaded from a local copy and checked before use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from recipeline.artifacts import BASELINE, GOLDEN, INTERVAL, MODEL_INFO
from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences, random_rows
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import as_function
from recipeline.inference.golden import answers_golden, golden_features, has_limits, limits_golden, says_golden
from recipeline.inference.interval import QUANTILE, FittedInterval, Interval, both
from recipeline.inference.model_info import ModelInfo
from recipeline.inference.trust import RefusedModel, read_model
from recipeline.serving.model.bins import Bins
from recipeline.serving.rows.schema import Schema
from recipeline.serving.tasks.base import Task
from recipeline.serving.tasks.every import TASKS
from recipeline.tracking.tags import VersionTags

_LOG = logging.getLogger("service")

#: The file of a copy that holds what the registry said of its version.
VERSION = "version.json"

_CHECKED_ROWS = 512

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ServedModel:
    """A loaded version; `predict` maps (rows, features) to predictions.

    They have the shape of the target's codes, and `task` says what they mean. Features are in the schema's order. `path` is the
    form that answers: ``compiled`` if its answers equal the logged model's, else ``scikit-learn``. `bins` are those of the
    baseline, None without one; `folder` is the copy's.
    """

    name: str
    version: str
    source: str
    info: ModelInfo
    tags: dict[str, str]
    schema: Schema
    interval: Interval | None
    predict: Predict
    path: str
    path_reason: str
    run_id: str
    created_ms: int
    bins: Bins | None = None
    folder: Path | None = None

    @cached_property
    def task(self) -> Task:
        """Its task in the service."""
        return TASKS[self.info.target.task].of(self.info, self.interval)

    @property
    def identity(self) -> dict[str, str]:
        """The fields of an answer that identify its model."""
        source = self.tags.get(VersionTags.DATA_SOURCE, "unknown")
        return {"name": self.name, "version": self.version, "run_id": self.run_id, "data_source": source}


def load_copy(copy: Path, trusted: Collection[str] = ()) -> ServedModel:
    """Return the model of a copy after a check of its golden rows.

    Parameters
    ----------
    trusted : further types that the model may be made of.

    Raises
    ------
    RefusedModel : it is a pickle, holds types that are not trusted, cannot be read, or answers differently.
    """
    try:
        known = _read_version(copy / VERSION)
        info, golden = MODEL_INFO.read(copy / MODEL_INFO.name), GOLDEN.read(copy / GOLDEN.name)
        schema, columns = Schema.of(info), Columns.of(info)
    except Exception as error:  # of JSON, of Parquet, of another kind of content than theirs
        raise RefusedModel(f"Its description cannot be read: {_short(error)}.") from None
    fitted = read_model(copy / "model", trusted)
    try:
        same, says = answers_golden(fitted, golden, info.target.codes), says_golden(fitted, golden, info.target)
        predict, path, reason = _fastest(fitted, columns, golden_features(golden), info.target.codes)
        interval = _load_interval(copy, info.interval, columns, golden) if info.interval else None
        same_limits = interval is None or not has_limits(golden) or limits_golden(interval, golden, columns)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise RefusedModel(f"It fails on its golden rows: {_short(error)}.") from None
    if not same or not same_limits:
        differing = "interval limits" if same else "predictions"
        raise RefusedModel(f"Its {differing} for the golden rows differ from those of its evaluation.")
    if not says:
        raise RefusedModel("Its labels for the golden rows differ from those that its probabilities and its threshold give.")
    return ServedModel(
        **known,
        info=info,
        schema=schema,
        interval=interval,
        predict=predict,
        path=path,
        path_reason=reason,
        bins=_read_bins(copy, schema),
        folder=copy,
    )


def _read_version(file: Path) -> dict[str, Any]:
    """Return the version's description from the registry, kept in the copy."""
    known = orjson.loads(file.read_bytes())
    return {
        "name": str(known["name"]),
        "version": str(int(known["version"])),
        "source": str(known["source"] or ""),
        "tags": dict(known["tags"]),
        "run_id": str(known["run_id"] or ""),
        "created_ms": int(known["created_ms"]),
    }


def _read_bins(copy: Path, schema: Schema) -> Bins | None:
    """Return the bins of the baseline; None where it is missing or broken.

    Such a version is served without a self-watch.
    """
    try:
        return Bins(BASELINE.read(copy / BASELINE.name), schema.features)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        _LOG.error("%s is not watched: its baseline cannot be read: %s", copy.name, _short(error))
        return None


def _load_interval(copy: Path, known: FittedInterval, columns: Columns, golden: pd.DataFrame) -> Interval:
    """Return the interval, its tails in the fastest form that answers as they do."""
    if known.method != QUANTILE:
        return Interval.restore(known)
    low, high = INTERVAL.read(copy / INTERVAL.name)
    codes = columns.as_numbers()
    rows = codes.frame(columns.matrix(golden))
    return Interval.restore(known, both(*(_fastest(model, codes, rows)[0] for model in (low, high))))


def _fastest(fitted: Any, columns: Columns, rows: pd.DataFrame, target: TargetCodes = NUMBERS) -> tuple[Predict, str, str]:
    """Return the fastest equal prediction function, its name and the reason.

    A compiled form is used only if its answers equal the model's, on `rows` and on others drawn from the training ranges.
    """
    plain = as_function(fitted, columns, target)
    compiled = compile_model(fitted, columns, target)
    if compiled is None:
        return plain, "scikit-learn", "there is no compiled form of this kind of model"
    rows = rows[list(columns.names)].dropna()
    if np.isfinite([(feature.low, feature.high) for feature in columns.features]).all():
        rows = pd.concat([rows, random_rows(columns, rows=_CHECKED_ROWS, seed=0)], ignore_index=True)
    different = differences(compiled, fitted, rows, columns, target) if len(rows) else "there is no row to ask it"
    if different:
        return plain, "scikit-learn", f"the compiled form answers differently: {different}"
    fast = compiled.predict

    def predict(values: np.ndarray) -> np.ndarray:
        # Only nullable columns bring NaN, and compiled forms do not take it.
        return plain(values) if takes_null and np.isnan(values).any() else fast(values)

    takes_null = any(feature.nullable for feature in columns.features)
    how = "bit for bit" if compiled.exact else "to 1e-6"
    return predict, f"compiled ({compiled.kind})", f"equal to the logged model {how} on {len(rows)} rows"


def _short(error: object) -> str:
    return " ".join(str(error).split())[:200]
