"""The JSON schemas of records, made from their types.

`python -m tests.schemas` writes those of the documents.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from recipeline import artifacts
from recipeline.artifacts import Artifact, type_of
from recipeline.cli.output.results import CommandResult
from recipeline.cli.output.values import VALUES, type_of_values
from recipeline.monitoring.live.log_format import LoggedRow
from recipeline.records import key_of
from tests.conftest import ROOT

FOLDER = ROOT / "docs/schemas"
LOG_LINE = "prediction_log_line.schema.json"

#: The schema of what commands print with ``--json``.
RESULT = FOLDER / "command_result.schema.json"


def name_of(artifact: Artifact[Any]) -> str:
    """Return the file name of an artifact's schema."""
    return f"{Path(artifact.name).stem}.schema.json"


def schema_of(kind: type[Any]) -> dict[str, Any]:
    """Return the schema of a record's type, by the keys of `recipeline.records`."""
    found: dict[str, Any] = _renamed(TypeAdapter(kind).json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}


def schema_of_results() -> dict[str, Any]:
    """Return the schema of ``--json``; its values are by command."""
    values, rules = {}, []
    for name, path in VALUES.items():
        _, room, *_, kind = path.replace("[]", "s").split(".")
        place = f"#/$defs/{room}.{kind}"
        values[f"{room}.{kind}"] = _moved(schema_of(type_of_values(name)), f"{place}/")
        del values[f"{room}.{kind}"]["$schema"]
        is_it = {"properties": {"command": {"const": name}}}
        rules.append({"if": is_it, "then": {"properties": {"values": {"anyOf": [{"$ref": place}, {"type": "null"}]}}}})
    found = schema_of(CommandResult)
    found["required"] = list(found["properties"])  # each of them is there always, empty or not
    return {**found, "allOf": rules, "$defs": values}


def _moved(schema: Any, place: str) -> Any:
    """Return a schema whose references begin at another place."""
    if isinstance(schema, list):
        return [_moved(it, place) for it in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: it.replace("#/", place) if key == "$ref" and isinstance(it, str) else _moved(it, place)
        for key, it in schema.items()
    }


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


def documented() -> dict[str, type[Any]]:
    """Return the types of the documents' schemas by file name.

    Those of every record, and of a line of the prediction log.
    """
    records = (it for it in vars(artifacts).values() if isinstance(it, Artifact) and it.type)
    return {name_of(it): type_of(it) for it in records} | {LOG_LINE: LoggedRow}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, kind in documented().items():
        text = json.dumps(schema_of(kind), indent=2, ensure_ascii=False)
        (FOLDER / name).write_text(text + "\n", encoding="utf-8")
    RESULT.write_text(json.dumps(schema_of_results(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
