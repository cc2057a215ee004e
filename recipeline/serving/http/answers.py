"""Answers: JSON, refusals with their codes, and errors."""

from __future__ import annotations

import logging
import re
from typing import Any

import orjson
from flask import Response
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.wrappers import Request as PlainRequest

from recipeline.config.profile import ROOT_PATH
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.faults import Fault
from recipeline.serving.state import Service

_LOG = logging.getLogger("service")

#: The names of MLflow's own answers where it has one.
ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "REQUEST_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    421: "MISDIRECTED_REQUEST",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
}

JSON = "application/json"

#: The header of a prediction that names the columns with values outside of the training range, and counts these values.
OUTSIDE = "Outside-Training-Range"

#: Keys in the environ of a request while it is answered: its ID, its address as the routes call it, facts for the log.
ID, ROUTE, FACTS = "service.request_id", "service.route", "service.facts"


class Refusal(Exception):
    """An error answer to a request: status, message and faults of its rows."""

    def __init__(self, status: int, message: str, *, faults: tuple[Fault, ...] = (), headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.faults, self.headers = status, message, faults, headers or {}


def is_answer(error: HTTPException) -> bool:
    """Whether an HTTP error has a status or an answer.

    One without is a bug of its raiser: Flask would send it as a 200.
    """
    return error.code is not None or error.response is not None


def failed(asked: PlainRequest, error: BaseException) -> Response:
    """Return the answer to a request that failed with `error`.

    It is a refusal, an HTTP error, or a bug, which is logged.
    """
    # A hook may fail after the answer was made; a status that it aborts with is a bug too, as Flask has it.
    late = error.original_exception if isinstance(error, InternalServerError) else None
    error = late or error
    if isinstance(error, Refusal):
        return _error(asked, error.status, error.message, error.faults, error.headers)
    if isinstance(error, HTTPException) and not late and is_answer(error):
        if isinstance(error.response, Response):  # abort(response)
            return error.response
        return _error(asked, int(error.code or 500), _message(error), (), _headers(error, asked))
    _LOG.error("request %s failed", asked.environ.get(ID), exc_info=error)
    return _error(asked, 500, "The service failed. Its log has the error under this request's ID.")


_HTTP_MESSAGES = {
    404: "There is no such address. GET /docs lists those that there are.",
    405: "The address does not take this method.",
}


def _message(error: HTTPException) -> str:
    """Return a hook's message, as in abort(403, "Not from here."), or the status."""
    said = error.description
    if said and said != type(error).description:
        return str(said).encode(errors="replace").decode()
    return _HTTP_MESSAGES.get(error.code or 500, error.name)


def _headers(error: HTTPException, asked: PlainRequest) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(sorted(error.valid_methods or ()))}
    return {name: value for name, value in error.get_headers(asked.environ) if name != "Content-Type"}


def _error(
    asked: PlainRequest, status: int, message: str, faults: tuple[Fault, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {
        "error_code": ERROR_CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR"),
        "message": message,
        "request_id": asked.environ.get(ID),
    }
    if faults:
        body["faults"] = [fault.as_dict() for fault in faults]
    response = Response(orjson.dumps(body), status, mimetype=JSON)
    response.headers.extend(headers or {})
    return response


def answer(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, content_type=JSON)


def prefix_of(asked: PlainRequest, service: Service) -> str:
    """Return the path that a proxy serves the addresses under.

    It is the proxy's header if that is a path, else the profile's.
    """
    said = asked.environ.get("HTTP_X_FORWARDED_PREFIX", "").removesuffix("/")
    return said if said and re.fullmatch(ROOT_PATH, said) else service.settings.root_path


def served_by(service: Service) -> ServedModel:
    model = service.model
    if model is None:
        raise Refusal(503, f"No model is served. {service.state()['advice']}", headers={"Retry-After": "5"})
    return model
