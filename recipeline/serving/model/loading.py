"""Models as the service holds them: fetched whole, kept in a folder of its own, checked, and only then asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from recipeline.artifacts import BASELINE, GOLDEN, INTERVAL, MODEL_INFO
from recipeline.inference.compiled.check import differences, random_rows
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import as_function
from recipeline.inference.golden import answers_golden, golden_features, has_limits, limits_golden
from recipeline.inference.interval import QUANTILE, FittedInterval, Interval
from recipeline.inference.model_info import ModelInfo
from recipeline.inference.trust import RefusedModel, read_model
from recipeline.serving.model.bins import Bins
from recipeline.serving.rows.schema import Schema

_LOG = logging.getLogger("service")

#: The file of a copy that holds what the registry said of its version.
VERSION = "version.json"

_CHECKED_ROWS = 512

Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ServedModel:
    """A loaded version. `predict` takes an array of shape (rows, features) in the schema's order, and returns (rows,).

    `path` says how it answers: ``compiled`` forms were found equal to the logged model, else it is that, ``scikit-learn``.
    `bins` are those of its baseline, None of a version that has none; `folder` holds its copy.
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

    @property
    def identity(self) -> dict[str, str]:
        """What each answer says of the model that gave it."""
        source = self.tags.get("recipeline.data_source", "unknown")
        return {"name": self.name, "version": self.version, "run_id": self.run_id, "data_source": source}


def load_copy(copy: Path, trusted: Collection[str] = ()) -> ServedModel:
    """Return the model of a copy, after it answered its golden rows as it did when it was evaluated.

    Parameters
    ----------
    trusted : types that the model may be made of, besides those that are trusted in every model.

    Raises
    ------
    RefusedModel : it is a pickle, holds types that are not trusted, cannot be read, or answers differently.
    """
    try:
        known = _read_version(copy / VERSION)
        info, golden = MODEL_INFO.read(copy / MODEL_INFO.name), GOLDEN.read(copy / GOLDEN.name)
        schema = Schema.of(info)
    except Exception as error:  # of JSON, of Parquet, of another kind of content than theirs
        raise RefusedModel(f"Its description must be readable. Got '{_short(error)}' instead.") from None
    fitted = read_model(copy / "model", trusted)
    try:
        same = answers_golden(fitted, golden)
        predict, path, reason = _fastest(fitted, schema, golden_features(golden))
        interval = _load_interval(copy, info.interval, schema, golden) if info.interval else None
        same_limits = interval is None or not has_limits(golden) or limits_golden(interval, golden)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise RefusedModel(f"It must answer its golden rows. Got '{_short(error)}' instead.") from None
    if not same or not same_limits:
        other = "other limits" if same else "other predictions"
        raise RefusedModel(f"It must answer its golden rows as it did when it was evaluated. Got {other} instead.")
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
    """Return what the registry said of the version."""
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
    """Return the bins of the baseline; a version that has none, or a broken one, is served all the same."""
    try:
        return Bins(BASELINE.read(copy / BASELINE.name), schema.names)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        _LOG.error("%s is not watched, its baseline must be readable: %s", copy.name, _short(error))
        return None


def _load_interval(copy: Path, known: FittedInterval, schema: Schema, golden: pd.DataFrame) -> Interval:
    """Return the interval, its tails in the fastest form that answers as they do."""
    if known.method != QUANTILE:
        return Interval.restore(known)
    low, high = INTERVAL.read(copy / INTERVAL.name)
    tails = [_fastest(model, schema, golden_features(golden))[0] for model in (low, high)]
    return Interval.restore(known, (tails[0], tails[1]))


def _fastest(fitted: Any, schema: Schema, rows: pd.DataFrame) -> tuple[Predict, str, str]:
    """Return how to answer fastest, its name, and why it is that: a compiled form only where it was found equal.

    `rows` are some that it must answer; others are drawn from the training rows' ranges.
    """
    names = list(schema.names)
    plain = as_function(fitted, names)
    compiled = compile_model(fitted, names)
    if compiled is None:
        return plain, "scikit-learn", "there is no compiled form of this kind of model"
    rows = rows[names]
    limits = np.array([(feature.low, feature.high) for feature in schema.features])
    if np.isfinite(limits).all():
        drawn = random_rows(limits[:, 0], limits[:, 1], names, rows=_CHECKED_ROWS, seed=0)
        rows = pd.concat([rows, drawn], ignore_index=True)
    different = differences(compiled, fitted, rows)
    if different:
        return plain, "scikit-learn", f"the compiled form answers differently: {different}"
    fast = compiled.predict

    def predict(values: np.ndarray) -> np.ndarray:
        # Only nullable columns bring NaN, and compiled forms do not take it.
        return plain(values) if takes_null and np.isnan(values).any() else fast(values)

    takes_null = any(feature.nullable for feature in schema.features)
    how = "bit for bit" if compiled.exact else "to 1e-6"
    return predict, f"compiled ({compiled.kind})", f"equal to the logged model {how} on {len(rows)} rows"


def _short(error: object) -> str:
    return " ".join(str(error).split())[:200]
