"""The description of a served model, as /model answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recipeline.inference.interval import FittedInterval
from recipeline.inference.model_info import Feature, Target, Value
from recipeline.inference.prediction_set import PredictionSet
from recipeline.records import LEFT_OUT


@dataclass(frozen=True)
class AnswersBy:
    """The form that answers, ``compiled (...)`` or ``scikit-learn``, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class ShadowDescription:
    """The version in shadow; `state` is predicting, loading, refused or none."""

    state: Literal["predicting", "loading", "refused", "none"]
    version: str = field(default="", metadata=LEFT_OUT)
    run_id: str = field(default="", metadata=LEFT_OUT)
    reason: str = field(default="", metadata=LEFT_OUT)


@dataclass(frozen=True)
class ServedDescription:
    """A served version: identity, columns, uncertainty, sample row, scores, lineage.

    `metrics` are the scores among its tags, `lineage` run IDs, digests and the commit. `interval` is None of a version without
    one, `prediction_set` is there for labels only; `rename` has columns' names by those in files. `created_ms` is in
    milliseconds since 1970. `shadow` is there where the profile has one.
    """

    name: str
    version: str
    run_id: str
    data_source: str
    candidate: str
    target: Target
    features: tuple[Feature, ...]
    interval: FittedInterval | None
    sample: Mapping[str, Value]
    metrics: Mapping[str, float]
    lineage: Mapping[str, str]
    created_ms: int
    answers_by: AnswersBy
    prediction_set: PredictionSet | None = field(default=None, metadata=LEFT_OUT)
    rename: Mapping[str, str] = field(default_factory=dict, metadata=LEFT_OUT)
    shadow: ShadowDescription | None = field(default=None, metadata=LEFT_OUT)
