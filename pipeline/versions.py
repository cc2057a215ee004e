"""Registered versions, as the rest of the project sees them: as contenders, and as models that answer as they did."""

from __future__ import annotations

from typing import Any

from mlflow.entities.model_registry import ModelVersion

from pipeline.artifacts import GOLDEN, Reader
from pipeline.errors import UnavailableError
from pipeline.promotion import Contender
from pipeline.registry import WITHDRAWN


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
    from pipeline.golden import answers_golden
    from pipeline.models import load_model

    uri = f"models:/{version.name}/{version.version}"
    golden = reader.load(GOLDEN, version.tags.get("pipeline.evaluate_run_id", "(none)"))
    try:
        model = load_model(uri)
        same = answers_golden(model, golden)
    except (ValueError, TypeError, AttributeError) as error:
        raise _differs(uri, f"'{' '.join(str(error).split())[:200]}'") from None
    if not same:
        raise _differs(uri, "other predictions")
    return model


def _differs(uri: str, got: str) -> UnavailableError:
    return UnavailableError(
        f"{uri} must answer the golden rows as it did when it was evaluated.",
        got=got,
        fix="Its files were changed: train and register it again.",
    )
