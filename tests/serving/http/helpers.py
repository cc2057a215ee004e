"""The description of a service, and what can be asked of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import jsonschema_rs

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
    info = copy.deepcopy(model.info)
    for feature, change in zip(info["features"], changes, strict=False):
        feature.update(change)
    return replace(model, info=info, schema=Schema.of(info))
