"""The JSON schemas of records, made from their types; `python -m tests.schemas` writes those of the documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from recipeline import artifacts
from recipeline.artifacts import Artifact, type_of
from recipeline.records import key_of
from tests.conftest import ROOT

FOLDER = ROOT / "docs/schemas"


def name_of(artifact: Artifact[Any]) -> str:
    """Return the file name of an artifact's schema."""
    return f"{Path(artifact.name).stem}.schema.json"


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """Return the schema of a record's type; keys are as `recipeline.records` writes them."""
    found: dict[str, Any] = _renamed(TypeAdapter(kind).json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def _renamed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_renamed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _renamed(it) for key, it in schema.items()}
    if isinstance(found.get("properties"), dict):
        found["properties"] = {key_of(key): it for key, it in found["properties"].items()}
        found["required"] = [key_of(key) for key in found.get("required", [])]
    return found


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for artifact in vars(artifacts).values():
        if isinstance(artifact, Artifact) and artifact.type:
            text = json.dumps(schema_of(type_of(artifact)), indent=2, ensure_ascii=False)
            (FOLDER / name_of(artifact)).write_text(text + "\n", encoding="utf-8")
