"""The OpenAPI 3.1 description of the service, for the columns of its model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recipeline.serving.http.answers import OUTSIDE
from recipeline.serving.http.openapi_schemas import Json, ref, schemas
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.faults import LISTED_FAULTS
from recipeline.serving.state import Service
from recipeline.serving.tasks.every import TASKS

JSON = "application/json"

#: Why a request is refused, by status; what each operation may answer is written beside it.
_REFUSALS = {
    "400": "The body is not JSON, or not the CSV that it says it is.",
    "401": "A token is needed.",
    "408": "The body did not come in time.",
    "413": "The body is too large, or has too many rows.",
    "415": "The body is of another media type, or of none, or compressed otherwise than by gzip.",
    "421": "The service listens on a loopback address, and was asked by another name.",
    "422": "Rows break the rules of the model's columns, each fault with its row and field "
    f"(the first {LISTED_FAULTS} are listed); or the address asks for what the model does not have.",
    "429": "Too many requests are at work.",
    "500": "The service failed. Its log has the error under the request's ID.",
    "503": "No model is served.",
}

_PREDICTION_REFUSALS = ("400", "408", "413", "415", "422", "429", "503")


def describe_api(service: Service, model: ServedModel | None, open_paths: Collection[str], prefix: str = "") -> Json:
    """Return the description as plain values; without a model, of any columns.

    Parameters
    ----------
    open_paths : the addresses that need no token.
    prefix : the path that a proxy serves the addresses under.
    """
    paths = {**_about_predictions(model), **_about_the_model(), **_about_health(), **_about_pages()}
    if service.tokens:
        _ask_for_token(paths, open_paths)
    if service.is_private:
        for operation in (operation for operations in paths.values() for operation in operations.values()):
            operation["responses"]["421"] = ref("responses", "421")
    return {
        "openapi": "3.1.0",
        "servers": [{"url": prefix or "/"}],
        "info": {
            "title": service.model_name,
            "version": model.version if model else "0",
            "description": _introduce(model, asks=bool(service.tokens)),
        },
        "tags": [{"name": name} for name in ("predictions", "model", "health", "pages")],
        "paths": paths,
        "components": {
            "schemas": schemas(service.settings, model),
            "responses": {status: _refusal(status, text) for status, text in _REFUSALS.items()},
            "headers": _HEADERS,
            **({"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if service.tokens else {}),
        },
    }


def _introduce(model: ServedModel | None, *, asks: bool) -> str:
    lines = [
        "Every answer has the header X-Request-ID: the request's own, if that is at most 200 visible characters without quotes."
    ]
    if model is None:
        reason = "either none is served, or the request for this description had no token" if asks else "none is served"
        lines.append(f"**The model's columns are not told: {reason}.**")
    else:
        kind = model.identity["data_source"]
        lines.append(f"Version {model.version}, {model.info.candidate}; the kind of its training data: {kind}.")
    return "\n\n".join(lines)


_CSV = (
    "A header and rows, separated by comma, semicolon, tab or bar. A field is what its column's "
    "type says: a number, a text, true or false, a date; an empty one is a missing value, as is one of the recipe's words for "
    "it, which the columns' descriptions name."
)


def _about_predictions(model: ServedModel | None) -> Json:
    sample = dict(model.info.sample) if model else None
    predict = _operation(
        "predict",
        "predictions",
        "Predict rows, and say which of them are beyond what the model was trained on",
        _described(ref("schemas", "Prediction")),
        refusals=_PREDICTION_REFUSALS,
        parameters=_wishes(model),
        requestBody={"required": True, "content": {JSON: _with_examples(ref("schemas", "Rows"), _row_examples(sample))}},
    )
    predict["responses"]["200"]["headers"] |= {name: ref("headers", name) for name in ("Server-Timing", OUTSIDE)}
    invoke = _operation(
        "invoke",
        "predictions",
        "Predict rows as `mlflow models serve` does: in its JSON formats or CSV, columns of no use to the model left aside",
        _described(ref("schemas", "Predictions")),
        refusals=_PREDICTION_REFUSALS,
        requestBody={
            "required": True,
            "content": {
                JSON: _with_examples(ref("schemas", "Invocation"), _invocation_examples(sample)),
                "text/csv": _with_examples({"type": "string", "description": _CSV}, _csv_examples(sample)),
            },
        },
    )
    invoke["responses"]["200"]["headers"][OUTSIDE] = ref("headers", OUTSIDE)
    return {"/predict": {"post": predict}, "/invocations": {"post": invoke}}


def _wishes(model: ServedModel | None) -> list[Json]:
    """Return the query parameters that the served version supports."""
    wishes = model.task.granted if model else {name: text for task in TASKS.values() for name, text in task.wishes.items()}
    return [
        {
            "name": name,
            "in": "query",
            "description": text,
            "schema": {"enum": ["true", "false", "1", "0", ""], "default": "false"},
        }
        for name, text in wishes.items()
    ]


def _about_the_model() -> Json:
    model = _operation(
        "describe_model",
        "model",
        "Description of the served model",
        _described(ref("schemas", "Model")),
        refusals=("503",),
    )
    return {"/model": {"get": model}}


def _about_health() -> Json:
    state, empty = _described(ref("schemas", "State")), _described(None)
    ready = _operation("get_readiness", "health", "Whether requests can be answered, and if not, why and what to do", state)
    ready["responses"]["503"] = answer("They cannot be answered.", state)
    ping = _operation("ping", "health", "As MLflow's: an empty line; 200 where a model is served", empty)
    ping["responses"]["503"] = answer("None is served, or the service is about to end.", empty)
    alive = _described({"type": "object", "required": ["status"], "properties": {"status": {"const": "alive"}}})
    text = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/": {"get": _operation("get_index", "health", "Where to go from here", _described(ref("schemas", "Index")))},
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
    """Return an operation: its answer with `content`, its refusals and failures."""
    refused = {status: ref("responses", status) for status in (*refusals, "500")}
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        **more,
        "responses": {"200": answer("OK", content), **refused},
    }


def _ask_for_token(paths: Json, open_paths: Collection[str]) -> None:
    for path, operations in paths.items():
        for operation in operations.values():
            operation["security"] = [] if path in open_paths else [{"token": []}]
            if path not in open_paths:
                operation["responses"]["401"] = ref("responses", "401")


# --- answers -------------------------------------------------------------------------------------------------------------

_HEADERS: Json = {
    "X-Request-ID": {"description": "The request's ID, as the logs have it.", "schema": {"type": "string"}},
    OUTSIDE: {
        "description": "Columns with values outside of the training range, and how many values each has: a List of RFC 9651. "
        "`*` has the number of those in columns that are not listed. It is there only where there are such values.",
        "schema": {"type": "string", "examples": ['"alcohol";count=2, "pH";count=1']},
    },
    "Retry-After": {"description": "Ask again after so many seconds.", "schema": {"type": "integer"}},
    "Server-Timing": {"description": "Where the time went, in milliseconds.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to send the token.", "schema": {"const": "Bearer"}},
}

_OWN_HEADERS = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}


def _described(schema: Json | None) -> Json:
    """Return JSON content of a schema; None: MLflow calls it JSON, and it is none."""
    return {JSON: {"schema": schema} if schema else {}}


def answer(text: str, content: Json, *headers: str) -> Json:
    return {
        "description": text,
        "headers": {name: ref("headers", name) for name in ("X-Request-ID", *headers)},
        "content": content,
    }


def _refusal(status: str, text: str) -> Json:
    headers = [_OWN_HEADERS[status]] if status in _OWN_HEADERS else []
    return answer(text, _described(ref("schemas", "Error")), *headers)


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
    lines = (sample, [_cell(value) for value in sample.values()])
    return {"a header and one row": "".join(f"{','.join(_quoted(cell) for cell in line)}\n" for line in lines)}


def _cell(value: Any) -> str:
    """Return a value of JSON as a CSV has it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, int | float) else str(value)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(character in cell for character in '",\r\n') else cell
