"""The schemas of the API description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recipeline.config.profile import Service as Settings
from recipeline.data.checking.numbers import LARGEST
from recipeline.serving.kinds.every import KINDS
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.schema import Schema
from recipeline.serving.tasks.base import Task
from recipeline.serving.tasks.every import TASKS

Json = dict[str, Any]


def ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def schemas(settings: Settings, model: ServedModel | None) -> Json:
    row = _row_schema(model.schema, settings) if model else _ANY_ROW
    cell = _CELL if model and all(it.is_numeric for it in model.schema.features) else _ANY_CELL
    rows = {"type": "array", "items": ref("schemas", "Row"), "minItems": 1, "maxItems": settings.max_rows}
    return {
        "Row": row,
        "Rows": {"oneOf": [ref("schemas", "Row"), rows]},
        **_invocation_schemas(row, cell, settings),
        **_prediction_schemas([model.task] if model else [*TASKS.values()]),
        **_ANSWERS,
    }


def _prediction_schemas(tasks: Sequence[Task]) -> Json:
    """Return the schemas of predictions of one task, or of any of several."""
    first, *others = tasks
    item = {"type": [*dict.fromkeys(kind for task in tasks for kind in task.item()["type"])]} if others else first.item()
    told: Json = {"type": "array", "items": item, "description": _PREDICTIONS}
    always = {name: schema for task in tasks for name, schema in task.always().items()}
    asked = {name: schema for task in tasks for name, schema in task.asked().items()}
    fields = {
        "predictions": told,
        **always,
        "model": ref("schemas", "Identity"),
        **asked,
        "warnings": {**_list_of("Fault"), "description": "Values that the model was not trained on."},
    }
    return {
        "Prediction": _object(fields, *asked, "warnings", *(always if others else ())),
        "Predictions": _object({"predictions": told}),
        **{name: schema for task in tasks for name, schema in task.components().items()},
    }


_CELL: Json = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}

#: Where columns are not told, or are not all numbers: a column may have words for a missing value.
_ANY_CELL: Json = {**_CELL, "type": ["number", "null", "string", "boolean"]}

_ANY_ROW: Json = {
    "type": "object",
    "description": "One value for each of the model's columns: a number, a text or true or false, as its type is; where the "
    "column allows it, null or one of the recipe's words for a missing value.",
    "minProperties": 1,
    "additionalProperties": _ANY_CELL,
}


def _row_schema(schema: Schema, settings: Settings) -> Json:
    features = schema.features
    return {
        "type": "object",
        "properties": {
            it.name: KINDS.get(it.type, KINDS["number"]).schema(it, reject=settings.out_of_range == "reject") for it in features
        },
        "required": [feature.name for feature in features],
        "additionalProperties": bool(schema.others),  # what is in them is left alone, and which they are is not of interest
    }


def _invocation_schemas(row: Json, cell: Json, settings: Settings) -> Json:
    """Return the schemas of MLflow's formats.

    The service accepts more: further columns, and another order of them. Each object has a name, and there is no list in `enum`
    and no false in `items`: client generators stop at these.
    """
    columns = row.get("properties", {})

    def some(items: Json) -> Json:
        return {"type": "array", "items": items, "minItems": 1, "maxItems": settings.max_rows}

    names: Json = {"type": "array", "items": _TEXT}
    cells: Json = {"type": "array", "items": cell}
    if columns:
        width = {"minItems": len(columns), "maxItems": len(columns)}
        names |= {"items": {"enum": list(columns)}, "uniqueItems": True, **width}
        cells |= {"prefixItems": list(columns.values()), **width}
    records, lists, table = some(ref("schemas", "Record")), some(cells), ref("schemas", "Columns")
    formats = {
        "DataframeSplit": {"dataframe_split": ref("schemas", "SplitTable")},
        "DataframeRecords": {"dataframe_records": records},
        "Instances": {"instances": {"anyOf": [records, lists]}},
        "Inputs": {"inputs": {"anyOf": [table, records, lists]}},
    }
    return {
        "Invocation": {
            "anyOf": [ref("schemas", name) for name in formats],
            "description": "One of MLflow's formats. Lists without names are in the model's order; `inputs` by column has "
            "columns of one length.",
        },
        **{name: {**_object(inside), "additionalProperties": False} for name, inside in formats.items()},
        "SplitTable": _object({"columns": names, "index": {"type": "array", "items": {}}, "data": lists}, "columns", "index"),
        "Record": {**row, "additionalProperties": True},
        "Columns": _object({name: some(value) for name, value in columns.items()}),
    }


_TEXT: Json = {"type": "string"}

_NUMBER: Json = {"type": "number"}

_MAYBE_TEXT: Json = {"type": ["string", "null"]}

_MAYBE_NUMBER: Json = {"type": ["number", "null"]}

_PREDICTIONS = "One for each row, in their order; null where the model's answer is beyond all numbers."


def _object(properties: Mapping[str, Json], *optional: str) -> Json:
    """Return the schema of an object whose properties are required, or `optional`."""
    return {"type": "object", "properties": dict(properties), "required": [name for name in properties if name not in optional]}


def _list_of(name: str) -> Json:
    return {"type": "array", "items": ref("schemas", name)}


_IDENTITY = {
    "name": _TEXT,
    "version": _TEXT,
    "run_id": _TEXT,
    "data_source": {"type": "string", "description": "The source of the training rows; `synthetic` rows are drawn."},
}

_COLUMN = {
    "name": _TEXT,
    "type": {"type": "string", "description": f"One of {', '.join(KINDS)}."},
    "unit": _TEXT,
    "min": {"type": ["number", "null"], "description": "The least that is possible at all."},
    "max": {"type": ["number", "null"], "description": "The most that is possible at all."},
}

_OF_LABELS: Json = {
    "task": {"type": "string", "description": f"One of {', '.join(TASKS)}; without it regression."},
    "labels": {
        "type": "array",
        "items": {"type": ["string", "integer", "boolean"]},
        "description": "The labels of classes; of two the positive one is the last.",
    },
    "threshold": {"type": "number", "description": "The probability from which on the positive label of two is said."},
}

_ANSWERS: Json = {
    "Identity": _object(_IDENTITY),
    "Fault": _object(
        {
            "row": {"type": ["integer", "null"], "description": "The row; 0 is the first."},
            "field": _MAYBE_TEXT,
            "rule": {"type": "string", "examples": ["must be a number"]},
            "got": {"type": "string", "examples": ["'a lot'"]},
        }
    ),
    "Error": _object(
        {
            "error_code": {"type": "string", "examples": ["INVALID_PARAMETER_VALUE"]},
            "message": _TEXT,
            "request_id": _TEXT,
            "faults": _list_of("Fault"),
        },
        "faults",
    ),
    "Feature": _object(
        {
            **_COLUMN,
            "nullable": {"type": "boolean"},
            "na": {"type": "array", "items": _TEXT, "description": "The words that stand for a missing value."},
            "train_min": {
                "type": ["number", "null"],
                "description": "The least that the model was trained on: a number, 0 or 1 for false or true, the seconds since "
                "1970 of a date, the place among the `categories`.",
            },
            "train_max": {"type": ["number", "null"], "description": "The most that the model was trained on, likewise."},
            "quantiles": {"type": "object", "additionalProperties": _MAYBE_NUMBER},
            "categories": {"type": "array", "items": _TEXT, "description": "The values that the training rows have."},
            "counts": {"type": "array", "items": {"type": "integer"}, "description": "How many rows have each category."},
            "values": {"type": "array", "items": _TEXT, "description": "The values that are possible at all."},
            "format": {"type": "string", "description": "How a date may be written besides ISO 8601."},
            "has_time": {"type": "boolean", "description": "Whether dates of the training rows have a time."},
        },
        *("na", "quantiles", "categories", "counts", "values", "format", "has_time"),
    ),
    "Model": _object(
        {
            **_IDENTITY,
            "candidate": _TEXT,
            "target": _object({**_COLUMN, **_OF_LABELS}, *_OF_LABELS),
            "features": _list_of("Feature"),
            "rename": {
                "type": "object",
                "description": "Names of columns, by those that a table may have instead.",
                "additionalProperties": _TEXT,
            },
            "interval": {"type": ["object", "null"], "description": "How the interval is made, and how it did on test rows."},
            "prediction_set": {"type": "object", "description": "How the set of labels is made, and how it did on test rows."},
            "sample": {"type": "object", "description": "A row of the training rows.", "additionalProperties": _ANY_CELL},
            "metrics": {"type": "object", "additionalProperties": _NUMBER},
            "lineage": {"type": "object", "additionalProperties": _TEXT},
            "created_ms": {"type": "integer"},
            "answers_by": _object({"path": _TEXT, "reason": _TEXT}),
            "shadow": _object(
                {
                    "state": {"enum": ["predicting", "loading", "refused", "none"]},
                    "version": {"type": "string", "description": "The challenger, which predicts for log and metrics alone."},
                    "run_id": _TEXT,
                    "reason": _TEXT,
                },
                *("version", "run_id", "reason"),
            ),
        },
        *("prediction_set", "rename", "shadow"),
    ),
    "State": _object(
        {
            "status": {"enum": ["ready", "not ready", "draining"]},
            "served": {"anyOf": [ref("schemas", "Identity"), {"type": "null"}]},
            "wanted": {"type": ["string", "null"], "description": "The version that the registry has in Production."},
            "refused": {"type": ["object", "null"], "description": "Why that version is not served."},
            "registry": _object({"answers": {"type": "boolean"}, "error": _MAYBE_TEXT}),
            "advice": {"type": ["string", "null"], "description": "The next action."},
        }
    ),
    "Index": _object(
        {
            "service": _TEXT,
            "status": _TEXT,
            "served": {"anyOf": [ref("schemas", "Identity"), {"type": "null"}]},
            "links": {"type": "object", "additionalProperties": _TEXT},
        }
    ),
}
