"""The Flask application: routes, and what every answer has in common."""

from __future__ import annotations

import logging
import os
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
import orjson
from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.wrappers import Request as PlainRequest

from serving import metrics as exposition
from serving.invocations import parse_csv, parse_json
from serving.logs import as_line
from serving.models import ServedModel
from serving.pages import add_pages
from serving.payload import LISTED_FAULTS, BadRows, Fault, Faults, TooManyRows, UnreadableBody
from serving.service import Service

_LOG = logging.getLogger("service")
#: The names of MLflow's own answers where it has one.
ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    404: "ENDPOINT_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "REQUEST_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
#: What everybody may ask: whether the service is there, and its pages, which ask for the token themselves.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/ping", "/health", "/version", "/docs", "/playground", "/openapi.json"})
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}")
_JSON = "application/json"
_LARGEST_WHOLE = 2**53
#: What is kept of a request while it is answered: when it began, its ID, what the log says of it.
_BEGAN, _ID, _FACTS = "service.began", "service.request_id", "service.facts"


class Refusal(Exception):
    """A request that is answered with an error: its status, a sentence, and the faults of its rows."""

    def __init__(self, status: int, message: str, *, faults: tuple[Fault, ...] = (), headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.faults, self.headers = status, message, faults, headers or {}


class Application(Flask):
    """Flask, but what is in `straight` is asked for without its routing, contexts and signals.

    For a request of one row these take longer than its parsing, checks and prediction together (decision 0012).
    """

    def __init__(self, max_body: int) -> None:
        super().__init__("serving", static_folder=None)
        self.config["MAX_CONTENT_LENGTH"] = max_body
        self.straight: dict[str, Callable[[PlainRequest], Response]] = {}

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a POST to one of `straight` by its function, and anything else as Flask does."""
        answer = self.straight.get(environ.get("PATH_INFO", "")) if environ["REQUEST_METHOD"] == "POST" else None
        if answer is None:
            return super().wsgi_app(environ, start_response)
        asked = PlainRequest(environ)
        asked.max_content_length = self.config["MAX_CONTENT_LENGTH"]
        return answer(asked)(environ, start_response)


def create_app(service: Service) -> Flask:
    """Return the application that answers with what `service` serves. Nothing is opened or begun."""
    app = Application(int(service.settings.max_body_mb * 2**20))
    frame = _Frame(service)
    frame.put_around(app)
    _add_health(app, service)
    _add_prediction(app, service, frame)
    add_pages(app, service, OPEN_PATHS)
    return app


# --- what every answer has in common -------------------------------------------------------------------------------------


class _Frame:
    """What happens before and after every request: its ID, the token, metrics, headers, the log."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seconds: dict[str, Any] = {}
        self._counts: dict[tuple[str, int], Any] = {}

    def put_around(self, app: Flask) -> None:
        """Let every request that Flask routes have it."""

        @app.before_request
        def begin() -> None:
            self.begin(_current())

        @app.after_request
        def end(response: Response) -> Response:
            return self.end(_current(), response, request.url_rule.rule if request.url_rule else "(none)")

        @app.errorhandler(Exception)
        def fail(error: Exception) -> Response:
            return _failed(_current(), error)

    def around(self, path: str, work: Callable[[PlainRequest], Response]) -> Callable[[PlainRequest], Response]:
        """Return `work` with it; for requests that Flask does not route."""

        def answer(asked: PlainRequest) -> Response:
            try:
                self.begin(asked)
                response = work(asked)
            except Exception as error:
                response = _failed(asked, error)
            return self.end(asked, response, path)

        return answer

    def begin(self, asked: PlainRequest) -> None:
        """Give the request an ID. Raises Refusal where it must have a token, and has none."""
        environ, service = asked.environ, self._service
        environ[_BEGAN] = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID")
        environ[_ID] = given if given and _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        if service.tokens and asked.path not in OPEN_PATHS and not service.admits(environ.get("HTTP_AUTHORIZATION", "")):
            advice = "A token is needed. Send it as 'Authorization: Bearer TOKEN'."
            raise Refusal(401, advice, headers={"WWW-Authenticate": "Bearer"})

    def end(self, asked: PlainRequest, response: Response, path: str) -> Response:
        """Count and log the answer to a request for `path`, as the routes call it."""
        environ, status = asked.environ, response.status_code
        took = time.perf_counter() - environ[_BEGAN]
        key = (path, status)
        if key not in self._counts:
            # The key last: whoever finds it, in another thread, needs both.
            self._seconds[path] = self._service.metrics.seconds.labels(path)
            self._counts[key] = self._service.metrics.requests.labels(path, str(status))
        self._counts[key].inc()
        self._seconds[path].observe(took)
        response.headers.add("X-Request-ID", environ[_ID])
        response.headers.add("X-Content-Type-Options", "nosniff")
        if self._service.access_log:
            record = {
                "time": time.time(),
                "request_id": environ[_ID],
                "remote": environ.get("REMOTE_ADDR", ""),
                "method": asked.method,
                "path": asked.path[:200],
                "status": status,
                "ms": round(took * 1000, 3),
            }
            self._service.access_log.add(record | environ.get(_FACTS, {}))
        return response


def _current() -> Request:
    return request._get_current_object()  # type: ignore[attr-defined,no-any-return]


def _failed(asked: PlainRequest, error: Exception) -> Response:
    """Return the answer to a request that ended by `error`: what is refused, what HTTP knows, or a bug, which is logged."""
    if isinstance(error, Refusal):
        return _error(asked, error.status, error.message, error.faults, error.headers)
    if isinstance(error, HTTPException):
        status = error.code or 500
        methods = error.valid_methods if isinstance(error, MethodNotAllowed) else None
        headers = {"Allow": ", ".join(sorted(methods))} if methods else {}
        return _error(asked, status, _HTTP_MESSAGES.get(status, error.name), (), headers)
    _LOG.error("request %s failed", asked.environ.get(_ID), exc_info=error)
    return _error(asked, 500, "The service failed. Its log has the error under this request's ID.")


_HTTP_MESSAGES = {
    404: "There is no such address. GET /docs lists those that there are.",
    405: "The address does not take this method.",
    413: "The body is too large.",
}


def _error(
    asked: PlainRequest, status: int, message: str, faults: tuple[Fault, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {
        "error_code": ERROR_CODES.get(status, "BAD_REQUEST"),
        "message": message,
        "request_id": asked.environ.get(_ID),
    }
    if faults:
        body["faults"] = [fault.as_dict() for fault in faults]
    response = Response(orjson.dumps(body), status, mimetype=_JSON)
    response.headers.extend(headers or {})
    return response


def _answer(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, content_type=_JSON)


# --- health --------------------------------------------------------------------------------------------------------------


def _add_health(app: Flask, service: Service) -> None:
    @app.get("/")
    def index() -> Response:
        state = service.state()
        links = {name: f"/{name}" for name in ("predict", "model", "readyz", "metrics", "openapi.json", "docs", "playground")}
        return _answer({"service": service.model_name, "status": state["status"], "served": state["served"], "links": links})

    @app.get("/healthz")
    def healthz() -> Response:
        return _answer({"status": "alive"})

    @app.get("/readyz")
    def readyz() -> Response:
        state = service.state()
        return _answer(state, 200 if state["status"] == "ready" else 503)

    @app.get("/ping")
    @app.get("/health")
    def ping() -> Response:
        """MLflow's: 200 where a model is loaded."""
        return Response("\n", 200 if service.model and not service.draining() else 503, mimetype=_JSON)

    @app.get("/version")
    def version() -> Response:
        """MLflow's own version, as `mlflow models serve` tells it."""
        return Response(metadata.version("mlflow"), 200, mimetype=_JSON)

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(service.metrics.expose(), 200, content_type=exposition.CONTENT_TYPE)

    @app.get("/model")
    def model() -> Response:
        return _answer(describe(_served(service)))


def describe(model: ServedModel) -> dict[str, Any]:
    """Return what is known of the model, as plain values."""
    tags = {key.removeprefix("pipeline."): value for key, value in model.tags.items() if key.startswith("pipeline.")}
    scores = {name: float(tags[name]) for name in ("cv_mean_score", "cv_std", "r2", "rmse", "mae") if name in tags}
    lineage = {name: value for name, value in tags.items() if name.endswith(("_run_id", "_digest")) or name.startswith("git_")}
    return {
        **model.identity,
        "candidate": model.info["candidate"],
        "target": model.info["target"],
        "features": model.info["features"],
        "interval": model.info["interval"],
        "sample": model.info["sample"],
        "metrics": scores,
        "lineage": lineage,
        "created_ms": model.created_ms,
        "answers_by": {"path": model.path, "reason": model.path_reason},
    }


def _served(service: Service) -> ServedModel:
    model = service.model
    if model is None:
        raise Refusal(503, f"No model is served. {service.state()['advice']}", headers={"Retry-After": "5"})
    return model


# --- predictions ---------------------------------------------------------------------------------------------------------


def _add_prediction(app: Application, service: Service, frame: _Frame) -> None:
    for path, work in (("/predict", _predict), ("/invocations", _invoke)):
        answer = partial(_at_work, service, work)
        app.straight[path] = frame.around(path, answer)
        # Flask must know of it all the same: to say which method the address takes.
        app.add_url_rule(path, endpoint=path, view_func=lambda answer=answer: answer(_current()), methods=["POST"])


def _at_work(service: Service, work: Callable[[Service, PlainRequest], Response], asked: PlainRequest) -> Response:
    """Answer unless the service is about to end, or too many requests are at work."""
    if service.draining():
        raise Refusal(503, "The service is about to end. Ask another one.", headers={"Retry-After": "1", "Connection": "close"})
    _read_body(service, asked)
    if not service.enter():
        raise Refusal(429, "Too many requests are at work. Ask again in a moment.", headers={"Retry-After": "1"})
    service.metrics.in_flight.inc()
    try:
        return work(service, asked)
    except UnreadableBody as error:
        raise Refusal(400, str(error)) from None
    except BadRows as error:
        raise _unprocessable(error) from None
    except TooManyRows:
        raise Refusal(413, f"A request may have {service.settings.max_rows} rows at most. Send more in several.") from None
    finally:
        service.metrics.in_flight.dec()
        service.leave()


def _read_body(service: Service, asked: PlainRequest) -> None:
    """Wait for the body, however slowly it is sent: a request is at work when it is there."""
    try:
        asked.get_data()
    except RequestEntityTooLarge:
        raise Refusal(413, f"A body may have {service.settings.max_body_mb:g} MiB at most. Send more in several.") from None


def _predict(service: Service, asked: PlainRequest) -> Response:
    model = _served(service)
    _require_type(asked, _JSON)
    wishes = _wishes(asked, model)
    began = time.perf_counter()
    values = model.schema.parse(asked.get_data(), max_rows=service.settings.max_rows)
    parsed = time.perf_counter()
    outside = _check_range(service, model, values)
    validated = time.perf_counter()
    predicted = model.predict(values)
    done = time.perf_counter()
    answer: dict[str, Any] = {"predictions": predicted, "model": model.identity}
    if "interval" in wishes and model.interval:
        lower, upper = model.interval.around(predicted, values)
        answer["interval"] = {"level": model.interval.level, "lower": lower, "upper": upper}
    if "grade" in wishes:
        answer["grade"] = _grades(model, predicted)
    if outside:
        answer["warnings"] = [fault.as_dict() for fault in outside]
    body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    encoded = time.perf_counter()
    response = Response(body, 200, content_type=_JSON)
    timing = (
        f"parse;dur={(parsed - began) * 1e3:.3f}, validate;dur={(validated - parsed) * 1e3:.3f}, "
        f"predict;dur={(done - validated) * 1e3:.3f}, encode;dur={(encoded - done) * 1e3:.3f}"
    )
    response.headers.add("Server-Timing", timing)
    _record(service, asked, model, values, predicted)
    return response


def _grades(model: ServedModel, predicted: np.ndarray) -> np.ndarray:
    """Return the predictions as whole numbers within the target's range, to look at."""
    low, high = (model.info["target"][name] for name in ("min", "max"))
    grades: np.ndarray = np.clip(
        np.rint(predicted), -_LARGEST_WHOLE if low is None else low, _LARGEST_WHOLE if high is None else high
    )
    return grades.astype(np.int64)


def _invoke(service: Service, asked: PlainRequest) -> Response:
    """Answer as `mlflow models serve` does."""
    model = _served(service)
    kind = _require_type(asked, _JSON, "text/csv")
    parse = parse_csv if kind == "text/csv" else parse_json
    values = parse(asked.get_data(), model.schema, max_rows=service.settings.max_rows)
    _check_range(service, model, values)
    predicted = model.predict(values)
    _record(service, asked, model, values, predicted)
    return _answer({"predictions": predicted})


def _require_type(asked: PlainRequest, *allowed: str) -> str:
    """Return the body's media type, JSON where none is said."""
    environ = asked.environ
    said = environ.get("CONTENT_TYPE") or _JSON
    kind = said if said in allowed else asked.mimetype
    if kind not in allowed:
        raise Refusal(415, f"The body must be {' or '.join(allowed)}. Say so in the header Content-Type.")
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise Refusal(415, "The body must not be compressed.")
    return kind


def _wishes(asked: PlainRequest, model: ServedModel) -> set[str]:
    """Return what is asked for besides predictions: ``?interval=true&grade=true``."""
    if not asked.environ.get("QUERY_STRING"):
        return set()
    words = {"true": True, "1": True, "": True, "false": False, "0": False}
    wishes = set()
    for name, value in asked.args.items():
        if name not in ("interval", "grade") or value.lower() not in words:
            raise Refusal(422, "The address may say interval=true and grade=true, and nothing else.")
        if words[value.lower()]:
            wishes.add(name)
    if "interval" in wishes and model.interval is None:
        raise Refusal(422, "This version has no interval.")
    if "grade" in wishes and model.info["target"]["type"] != "integer":
        raise Refusal(422, "This model's target has no grades.")
    return wishes


def _check_range(service: Service, model: ServedModel, values: np.ndarray) -> list[Fault]:
    """Return the values outside of what the model was trained on; they are counted, and refused where the profile says so."""
    outside = model.schema.outside(values)
    if outside:
        for fault in outside:
            service.metrics.outside.labels(fault.field).inc()
        if service.settings.out_of_range == "reject":
            raise BadRows(Faults(outside))
    return outside


def _unprocessable(error: BadRows) -> Refusal:
    more = f"; the first {LISTED_FAULTS} are listed" if error.count > len(error.faults) else ""
    faults = f"{error.count} fault{'' if error.count == 1 else 's'}"
    return Refusal(422, f"The rows break the rules of the model's columns: {faults}{more}.", faults=error.faults)


def _record(service: Service, asked: PlainRequest, model: ServedModel, values: np.ndarray, predicted: np.ndarray) -> None:
    """Count the rows, and keep them and their answers where the profile wants that."""
    service.predicted_rows.inc(len(values))
    if service.self_watch:
        service.self_watch.take(model, values, predicted)
    environ = asked.environ
    environ[_FACTS] = {"rows": len(values), "version": model.version}
    log, wanted = service.prediction_log, service.settings.prediction_log
    if log is None or wanted is None or (wanted.sample < 1 and random.random() >= wanted.sample):
        return
    log.add(Asked(time.time(), environ[_ID], model, values, predicted), lines=len(values))


@dataclass(frozen=True)
class Asked:
    """A request that the prediction log keeps: its rows, of shape (rows, features), and their answers."""

    time: float
    request_id: str
    model: ServedModel
    values: np.ndarray
    predicted: np.ndarray

    def as_lines(self) -> bytes:
        """Return one line of JSON for each row."""
        shared = {"time": self.time, "request_id": self.request_id, "version": self.model.version}
        names = self.model.schema.names
        rows = zip(self.values.tolist(), self.predicted.tolist(), strict=True)
        return b"".join(
            as_line({**shared, "row": row, "prediction": answer, "features": dict(zip(names, cells, strict=True))})
            for row, (cells, answer) in enumerate(rows)
        )
