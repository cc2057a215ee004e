"""Registered versions, as the rest of the project sees them: as contenders, and as models that answer as they did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from pipeline.artifacts import GOLDEN, INTERVAL, MODEL_INFO, Reader
from pipeline.errors import UnavailableError
from pipeline.interval import QUANTILE, Interval, Tail
from pipeline.promotion import Contender
from pipeline.registry import WITHDRAWN

Ask = Callable[[Any, Sequence[str]], Tail]


def as_contender(version: ModelVersion) -> Contender:
    """Return the version as the promotion gate sees it."""
    tags = version.tags
    return Contender(
        version=str(version.version),
        verdict=tags.get("pipeline.verdict", "unknown"),
        data_source=tags.get("pipeline.data_source", "unknown"),
        split_method=tags.get("pipeline.split_method", "unknown"),
        recipe=tags.get("pipeline.recipe_digest", ""),
        training_rows=tags.get("pipeline.training_rows", ""),
        environment=tags.get("pipeline.environment_digest", ""),
        withdrawn=tags.get(WITHDRAWN, ""),
    )


def load_golden(reader: Reader, version: ModelVersion) -> Any:
    """Return the version's model, loaded as a client would, after it answered the golden rows of its evaluation.

    Raises
    ------
    UnavailableError : it does not load, its golden rows are not there, or it answers them differently.
    """
    from pipeline.golden import answers_golden, golden_features, has_limits, limits_golden
    from pipeline.models import load_model

    uri, run_id = f"models:/{version.name}/{version.version}", version.tags.get("pipeline.evaluate_run_id", "(none)")
    golden = reader.load(GOLDEN, run_id)
    try:
        model = load_model(uri)
        same = answers_golden(model, golden)
        interval = load_interval(reader, run_id, golden_features(golden).columns.tolist()) if has_limits(golden) else None
        same_limits = interval is None or limits_golden(interval, golden)
    except (ValueError, TypeError, AttributeError) as error:
        raise _differs(uri, f"'{' '.join(str(error).split())[:200]}'") from None
    if not same or not same_limits:
        raise _differs(uri, "other limits" if same else "other predictions")
    return model


def load_interval(reader: Reader, run_id: str, names: Sequence[str], ask: Ask | None = None) -> Interval | None:
    """Return the interval of the model that the run evaluated, which takes the columns `names`; None where it has none.

    `ask(model, names)` makes a function of an array of each of its tails; without it they are asked as ever.

    Raises
    ------
    UnavailableError : its description or its tails are not there whole.
    """
    known = reader.load(MODEL_INFO, run_id).get("interval")
    if not known:
        return None
    if known["method"] != QUANTILE:
        return Interval.from_dict(known)
    from pipeline.compiled import as_function

    ask = ask or as_function
    low, high = reader.load(INTERVAL, run_id)
    return Interval.from_dict(known, (ask(low, names), ask(high, names)))


def _differs(uri: str, got: str) -> UnavailableError:
    return UnavailableError(
        f"{uri} must answer the golden rows as it did when it was evaluated.",
        got=got,
        fix="Its files were changed: train and register it again.",
    )
