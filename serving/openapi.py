"""What the service can be asked, in OpenAPI 3.1, out of the columns of the model that it serves."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline.features import Feature
from pipeline.profiles import Service as Settings
from serving.models import ServedModel
from serving.payload import LARGEST, LISTED_FAULTS
from serving.service import Service

Json = dict[str, Any]
_JSON = "application/json"
#: Why a request is refused, by status; what each operation may answer is written beside it.
_REFUSALS = {
    "400": "The body is not JSON, or not the CSV that it says it is.",
    "401": "A token is needed.",
    "413": "The body is too large, or has too many rows.",
    "415": "The body is of another media type, or compressed.",
    "422": "Rows break the rules of the model's columns, each fault with its row and field "
    f"(the first {LISTED_FAULTS} are listed); or the address asks for what the model does not have.",
    "429": "Too many requests are at work.",
    "500": "The service failed. Its log has the error under the request's ID.",
    "503": "No model is served, or the service is about to end.",
}
_PREDICTION_REFUSALS = ("400", "413", "415", "422", "429", "503")


def describe_api(service: Service, model: ServedModel | None, open_paths: Collection[str]) -> Json:
    """Return the description, as plain values; without a model its rows are of any columns.

    Parameters
    ----------
    open_paths : the addresses that ask for no token, where the others do.
    """
    paths = {**_about_predictions(model), **_about_the_model(), **_about_health(), **_about_pages()}
    if service.tokens:
        _ask_for_token(paths, open_paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": service.model_name,
            "version": model.version if model else "0",
            "description": _introduce(model, asks=bool(service.tokens)),
        },
        "tags": [{"name": name} for name in ("predictions", "model", "health", "pages")],
        "paths": paths,
        "components": {
            "schemas": _schemas(service.settings, model),
            "responses": {status: _refusal(status, text) for status, text in _REFUSALS.items()},
            "headers": _HEADERS,
            **({"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if service.tokens else {}),
        },
    }


def _introduce(model: ServedModel | None, *, asks: bool) -> str:
    lines = ["Every answer has the header X-Request-ID: the request's own, if that has at most 64 letters, digits and `_.:-`."]
    if model is None:
        reason = "either none is served, or the request for this description had no token" if asks else "none is served"
        lines.append(f"**The model's columns are not told: {reason}.**")
    else:
        kind = model.identity["data_source"]
        lines.append(f"Version {model.version}, {model.info['candidate']}; the kind of its training data: {kind}.")
    return "\n\n".join(lines)


# --- the addresses -------------------------------------------------------------------------------------------------------


def _about_predictions(model: ServedModel | None) -> Json:
    sample = model.info["sample"] if model else None
    predict = _operation(
        "predict",
        "predictions",
        "Predict rows, and say which of them are beyond what the model was trained on",
        _described(_ref("schemas", "Prediction")),
        refusals=_PREDICTION_REFUSALS,
        parameters=_wishes(model),
        requestBody={"required": True, "content": {_JSON: _with_examples(_ref("schemas", "Rows"), _row_examples(sample))}},
    )
    predict["responses"]["200"]["headers"]["Server-Timing"] = _ref("headers", "Server-Timing")
    invoke = _operation(
        "invoke",
        "predictions",
        "Predict rows as `mlflow models serve` does: in its JSON formats or CSV, columns of no use to the model left aside",
        _described(_ref("schemas", "Predictions")),
        refusals=_PREDICTION_REFUSALS,
        requestBody={
            "required": True,
            "content": {
                _JSON: _with_examples(_ref("schemas", "Invocation"), _invocation_examples(sample)),
                "text/csv": _with_examples({"type": "string"}, _csv_examples(sample)),
            },
        },
    )
    return {"/predict": {"post": predict}, "/invocations": {"post": invoke}}


def _wishes(model: ServedModel | None) -> list[Json]:
    """Return the parameters of the address, those only that the served version can answer."""
    wishes = {
        "interval": ("The limits between which the true value is expected.", model is None or model.interval is not None),
        "grade": ("The predictions as whole numbers.", model is None or model.info["target"]["type"] == "integer"),
    }
    return [
        {
            "name": name,
            "in": "query",
            "description": text,
            "schema": {"enum": ["true", "false", "1", "0", ""], "default": "false"},
        }
        for name, (text, can) in wishes.items()
        if can
    ]


def _about_the_model() -> Json:
    model = _operation(
        "describe_model",
        "model",
        "What is known of the served model",
        _described(_ref("schemas", "Model")),
        refusals=("503",),
    )
    return {"/model": {"get": model}}


def _about_health() -> Json:
    state, empty = _described(_ref("schemas", "State")), _described(None)
    ready = _operation("get_readiness", "health", "Whether requests can be answered, and if not, why and what to do", state)
    ready["responses"]["503"] = _answer("They cannot be answered.", state)
    ping = _operation("ping", "health", "As MLflow's: an empty line; 200 where a model is served", empty)
    ping["responses"]["503"] = _answer("None is served, or the service is about to end.", empty)
    alive = _described({"type": "object", "required": ["status"], "properties": {"status": {"const": "alive"}}})
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/": {"get": _operation("get_index", "health", "Where to go from here", _described(_ref("schemas", "Index")))},
        "/healthz": {"get": _operation("get_liveness", "health", "Whether the service is there", alive)},
        "/readyz": {"get": ready},
        "/ping": {"get": ping},
        "/health": {"get": {**ping, "operationId": "health"}},
        "/version": {"get": _operation("get_version", "health", "MLflow's version, as a bare text", empty)},
        "/metrics": {"get": _operation("get_metrics", "health", "Metrics in Prometheus's text format", text)},
    }


def _about_pages() -> Json:
    page = {"text/html": {"schema": {"type": "string"}}}
    openapi = _described({"type": "object", "required": ["openapi", "info", "paths"]})
    return {
        "/playground": {"get": _operation("get_playground", "pages", "A page to try the model", page)},
        "/docs": {"get": _operation("get_docs", "pages", "This description as a page", page)},
        "/openapi.json": {"get": _operation("get_openapi", "pages", "This description", openapi)},
    }


def _operation(name: str, tag: str, summary: str, content: Json, *, refusals: Sequence[str] = (), **more: Any) -> Json:
    """Return an operation that answers with `content`, or refuses with one of the statuses, or fails."""
    refused = {status: _ref("responses", status) for status in (*refusals, "500")}
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        **more,
        "responses": {"200": _answer("OK", content), **refused},
    }


def _ask_for_token(paths: Json, open_paths: Collection[str]) -> None:
    for path, operations in paths.items():
        for operation in operations.values():
            operation["security"] = [] if path in open_paths else [{"token": []}]
            if path not in open_paths:
                operation["responses"]["401"] = _ref("responses", "401")


# --- answers -------------------------------------------------------------------------------------------------------------

_HEADERS: Json = {
    "X-Request-ID": {"description": "The request's ID, as the logs have it.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Ask again after so many seconds.", "schema": {"type": "integer"}},
    "Server-Timing": {"description": "Where the time went, in milliseconds.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to send the token.", "schema": {"const": "Bearer"}},
}
_OWN_HEADERS = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _described(schema: Json | None) -> Json:
    """Return JSON content of a schema; None: MLflow calls it JSON, and it is none."""
    return {_JSON: {"schema": schema} if schema else {}}


def _answer(text: str, content: Json, *headers: str) -> Json:
    return {
        "description": text,
        "headers": {name: _ref("headers", name) for name in ("X-Request-ID", *headers)},
        "content": content,
    }


def _refusal(status: str, text: str) -> Json:
    headers = [_OWN_HEADERS[status]] if status in _OWN_HEADERS else []
    return _answer(text, _described(_ref("schemas", "Error")), *headers)


# --- requests ------------------------------------------------------------------------------------------------------------


def _with_examples(schema: Json, examples: Mapping[str, Any]) -> Json:
    return {
        "schema": schema,
        **({"examples": {name: {"value": value} for name, value in examples.items()}} if examples else {}),
    }


def _row_examples(sample: Json | None) -> Json:
    return {"one row": sample, "two rows": [sample, sample]} if sample else {}


def _invocation_examples(sample: Json | None) -> Json:
    if not sample:
        return {}
    names, cells = list(sample), list(sample.values())
    return {
        "dataframe_split": {"dataframe_split": {"columns": names, "data": [cells]}},
        "dataframe_records": {"dataframe_records": [sample]},
        "instances": {"instances": [sample]},
        "inputs": {"inputs": {name: [value] for name, value in sample.items()}},
    }


def _csv_examples(sample: Json | None) -> Json:
    if not sample:
        return {}
    lines = (sample, ["" if value is None else f"{value:g}" for value in sample.values()])
    return {"a header and one row": "".join(f"{','.join(_quoted(cell) for cell in line)}\n" for line in lines)}


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(character in cell for character in '",\r\n') else cell


# --- schemas -------------------------------------------------------------------------------------------------------------


def _schemas(settings: Settings, model: ServedModel | None) -> Json:
    row = _row_schema(model.schema.features, settings) if model else _ANY_ROW
    rows = {"type": "array", "items": _ref("schemas", "Row"), "minItems": 1, "maxItems": settings.max_rows}
    return {
        "Row": row,
        "Rows": {"oneOf": [_ref("schemas", "Row"), rows]},
        "Invocation": _invocation_schema(row, settings),
        **_ANSWERS,
    }


_CELL: Json = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
_ANY_ROW: Json = {
    "type": "object",
    "description": "One value for each of the model's columns: a number, or null where the column allows it.",
    "minProperties": 1,
    "additionalProperties": _CELL,
}


def _row_schema(features: Sequence[Feature], settings: Settings) -> Json:
    return {
        "type": "object",
        "properties": {feature.name: _value_schema(feature, reject=settings.out_of_range == "reject") for feature in features},
        "required": [feature.name for feature in features],
        "additionalProperties": False,
    }


def _value_schema(feature: Feature, *, reject: bool) -> Json:
    """Return the schema of a column's values. The training range limits them only where the service refuses what is beyond."""
    kind, low, high = "integer" if feature.is_integer else "number", -LARGEST, LARGEST
    text = [feature.unit] if feature.unit else []
    if math.isfinite(feature.low) and math.isfinite(feature.high):
        text.append(f"trained on {feature.low:g} to {feature.high:g}")
        if reject:
            low, high = feature.low, feature.high
    limits: Json = {"type": [kind, "null"] if feature.nullable else kind, "minimum": low, "maximum": high}
    return limits | ({"description": "; ".join(text)} if text else {})


def _invocation_schema(row: Json, settings: Settings) -> Json:
    """Return MLflow's formats. The service takes more than is told here: further columns, and another order of them."""
    columns = row.get("properties", {})

    def some(items: Json) -> Json:
        return {"type": "array", "items": items, "minItems": 1, "maxItems": settings.max_rows}

    records = some({**row, "additionalProperties": True})
    names: Json = {"type": "array", "items": _TEXT}
    cells: Json = {"type": "array", "items": _CELL}
    if columns:
        names["enum"] = [list(columns)]
        cells |= {"prefixItems": list(columns.values()), "items": False, "minItems": len(columns)}
    split = _object({"columns": names, "index": {"type": "array"}, "data": some(cells)}, "columns", "index")
    formats = {
        "dataframe_split": split,
        "dataframe_records": records,
        "instances": {"anyOf": [records, some(cells)]},
        "inputs": {"anyOf": [_object({name: some(value) for name, value in columns.items()}), records, some(cells)]},
    }
    return {
        "anyOf": [{**_object({name: schema}), "additionalProperties": False} for name, schema in formats.items()],
        "description": "One of MLflow's formats. Lists without column names are in the model's order; `inputs` by column has "
        "columns of one length.",
    }


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_MAYBE_NUMBER: Json = {"type": ["number", "null"]}
_PREDICTIONS: Json = {
    "type": "array",
    "items": _MAYBE_NUMBER,
    "description": "One for each row, in their order; null where the model's answer is beyond all numbers.",
}


def _object(properties: Mapping[str, Json], *optional: str) -> Json:
    """Return the schema of an object of these properties, all of them there but for the optional ones."""
    return {"type": "object", "properties": dict(properties), "required": [name for name in properties if name not in optional]}


def _list_of(name: str) -> Json:
    return {"type": "array", "items": _ref("schemas", name)}


_IDENTITY = {
    "name": _TEXT,
    "version": _TEXT,
    "run_id": _TEXT,
    "data_source": {"type": "string", "description": "What the model was trained on; `synthetic` rows are made up."},
}
_COLUMN = {
    "name": _TEXT,
    "type": {"enum": ["number", "integer"]},
    "unit": _TEXT,
    "min": {"type": ["number", "null"], "description": "The least that is possible at all."},
    "max": {"type": ["number", "null"], "description": "The most that is possible at all."},
}
_ANSWERS: Json = {
    "Prediction": _object(
        {
            "predictions": _PREDICTIONS,
            "model": _ref("schemas", "Identity"),
            "interval": _ref("schemas", "Interval"),
            "grade": {"type": "array", "items": {"type": ["integer", "null"]}, "description": "The predictions, rounded."},
            "warnings": {**_list_of("Fault"), "description": "Values that the model was not trained on."},
        },
        "interval",
        "grade",
        "warnings",
    ),
    "Predictions": _object({"predictions": _PREDICTIONS}),
    "Interval": _object(
        {
            "level": {"type": "number", "description": "The share of new rows that is meant to lie inside."},
            "lower": {"type": "array", "items": _MAYBE_NUMBER},
            "upper": {"type": "array", "items": _MAYBE_NUMBER},
        }
    ),
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
            "train_min": {"type": ["number", "null"], "description": "The least that the model was trained on."},
            "train_max": {"type": ["number", "null"], "description": "The most that the model was trained on."},
            "quantiles": {"type": "object", "additionalProperties": _MAYBE_NUMBER},
        }
    ),
    "Model": _object(
        {
            **_IDENTITY,
            "candidate": _TEXT,
            "target": _object(_COLUMN),
            "features": _list_of("Feature"),
            "interval": {"type": ["object", "null"], "description": "How the interval is made, and how it did on test rows."},
            "sample": {"type": "object", "description": "A row of the training rows.", "additionalProperties": _MAYBE_NUMBER},
            "metrics": {"type": "object", "additionalProperties": _NUMBER},
            "lineage": {"type": "object", "additionalProperties": _TEXT},
            "created_ms": {"type": "integer"},
            "answers_by": _object({"path": _TEXT, "reason": _TEXT}),
        }
    ),
    "State": _object(
        {
            "status": {"enum": ["ready", "not ready", "draining"]},
            "served": {"anyOf": [_ref("schemas", "Identity"), {"type": "null"}]},
            "wanted": {"type": ["string", "null"], "description": "The version that the registry has in Production."},
            "refused": {"type": ["object", "null"], "description": "Why that version is not served."},
            "registry": _object({"answers": {"type": "boolean"}, "error": _MAYBE_TEXT}),
            "advice": {"type": ["string", "null"], "description": "What to do."},
        }
    ),
    "Index": _object(
        {
            "service": _TEXT,
            "status": _TEXT,
            "served": {"anyOf": [_ref("schemas", "Identity"), {"type": "null"}]},
            "links": {"type": "object", "additionalProperties": _TEXT},
        }
    ),
}
