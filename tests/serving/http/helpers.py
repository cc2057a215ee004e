"""The description of a service, and what can be asked of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import jsonschema_rs
import numpy as np

from recipeline.inference.model_info import Target
from recipeline.inference.prediction_set import PredictionSet
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.schema import Schema


def describe(client: Any, **headers: str) -> dict[str, Any]:
    answer = client.get("/openapi.json", headers=headers)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def schema_of(document: dict[str, Any], name: str) -> Any:
    """Return a validator of the component `name`."""
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": document["components"]})


def with_features(model: ServedModel, *changes: dict[str, Any]) -> ServedModel:
    """Return the model with its first features described otherwise."""
    features = model.info.features
    changed = tuple(replace(feature, **change) for feature, change in zip(features, changes, strict=False))
    info = replace(model.info, features=changed + features[len(changed) :])
    return replace(model, info=info, schema=Schema.of(info))


def with_kinds(model: ServedModel) -> ServedModel:
    """Return the model with columns of other kinds first, asked by codes."""
    year = {"train_min": 1704067200.0, "train_max": 1735603200.0, "has_time": True}
    kinds: list[tuple[dict[str, Any], Any]] = [
        (
            {"type": "category", "categories": ("007", "Cork, Kiel"), "counts": (2, 3), "train_min": 0, "train_max": 1},
            "Cork, Kiel",
        ),
        ({"type": "category", "values": ("a",), "categories": ("a",), "nullable": True, "na": ("?",)}, None),
        ({"type": "datetime", "format": "%d.%m.%Y", **year}, "2024-07-01T09:30:00"),
        ({"type": "boolean", "train_min": 0, "train_max": 1}, True),
    ]
    changed = with_features(model, *({"min": None, "max": None, **change} for change, _ in kinds))
    sample = dict(zip(changed.schema.names, (value for _, value in kinds), strict=False))
    return replace(changed, info=replace(changed.info, sample={**changed.info.sample, **sample}))


def with_labels(model: ServedModel, task: str, labels: Sequence[Any], kind: str = "category") -> ServedModel:
    """Return the model with labels; the row's first value decides."""
    threshold = 0.3 if task == "binary" else None
    target = Target("taste", kind, task=task, labels=tuple(labels), threshold=threshold)
    info = replace(model.info, target=target, interval=None, prediction_set=PredictionSet(0.9, 0.2))

    def predict(values: np.ndarray) -> np.ndarray:
        scores = np.exp(np.sin(values[:, :1] * np.arange(1, len(labels) + 1)))
        shares: np.ndarray = scores / scores.sum(axis=1, keepdims=True)
        return shares if target.codes.is_matrix else np.ascontiguousarray(shares[:, 1])

    return replace(model, info=info, interval=None, predict=predict)


_MEMBER = re.compile(r'(?:"(?P<text>(?:[^"\\]|\\["\\])*)"|%"(?P<display>[^"]*)"|(?P<token>\*));count=(?P<count>[0-9]{1,15})')


def read_counts(header: str) -> dict[str | None, int]:
    """Return the counts of a List of RFC 9651; None is the token ``*``."""
    assert header.isascii()
    assert header.isprintable()
    found: dict[str | None, int] = {}
    place = 0
    while place < len(header):
        member = _MEMBER.match(header, place)
        assert member, header[place:]
        name = None if member["token"] else re.sub(r"\\(.)", r"\1", member["text"] or "")
        if member["display"] is not None:
            name = unquote(member["display"], errors="strict")
        assert name not in found
        found[name] = int(member["count"])
        place = member.end()
        assert place == len(header) or header.startswith(", ", place)
        place += 2
    return found
