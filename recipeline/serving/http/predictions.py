"""The prediction routes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import numpy as np
import orjson
from flask import Response
from werkzeug.wrappers import Request as PlainRequest

from recipeline.monitoring.live.log_format import FEATURES, OTHERS, STAMP
from recipeline.monitoring.tasks.every import TASKS
from recipeline.serving.http.answers import FACTS, ID, JSON, OUTSIDE, Refusal, answer, served_by
from recipeline.serving.http.body import decode_body, read_body, require_last_line
from recipeline.serving.http.fast_path import Application
from recipeline.serving.http.structured import as_counts
from recipeline.serving.logs.background import as_line
from recipeline.serving.logs.rate import DrawnRecord
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.faults import LISTED_FAULTS, BadRows, Faults, Outside, TooManyRows, UnreadableBody
from recipeline.serving.rows.mlflow_formats import parse_csv, parse_json
from recipeline.serving.shadow.pending import Pending, Shadowed
from recipeline.serving.state import Service

CSV = "text/csv"

_FEW_ROWS = 16

#: Answers a request, whose media type and body are given.
_Work = Callable[[Service, PlainRequest, str, bytes], Response]


def add_prediction(app: Application, service: Service) -> None:
    """Add /predict and /invocations."""
    app.add_straight("/predict", partial(_at_work, service, _predict, (JSON,)))
    app.add_straight("/invocations", partial(_at_work, service, _invoke, (JSON, CSV)))


def _at_work(service: Service, work: _Work, kinds: Collection[str], asked: PlainRequest) -> Response:
    """Answer unless too many requests are at work."""
    kind = _require_type(asked, kinds)
    most = int(service.settings.max_body_mb * 2**20)
    sent = read_body(asked.environ, most)  # a request is at work when its body is there
    if not service.enter():
        raise Refusal(429, "Too many requests are at work. Ask again in a moment.", headers={"Retry-After": "1"})
    service.metrics.in_flight.inc()
    try:
        content = decode_body(asked.environ, sent, most)
        if kind == CSV:
            require_last_line(asked.environ, content)
        return work(service, asked, kind, content)
    except UnreadableBody as error:
        raise Refusal(400, str(error)) from None
    except BadRows as error:
        raise _unprocessable(error) from None
    except TooManyRows:
        raise Refusal(413, f"A request may have {service.settings.max_rows} rows at most. Send more in several.") from None
    finally:
        service.metrics.in_flight.dec()
        service.leave()


def _predict(service: Service, asked: PlainRequest, _: str, body: bytes) -> Response:
    model = served_by(service)
    wishes = _wishes(asked, model)
    began = time.perf_counter()
    beside = Beside()
    values = model.schema.parse(body, max_rows=service.settings.max_rows, beside=beside)
    parsed = time.perf_counter()
    outside = _check_range(service, model, values, beside)
    validated = time.perf_counter()
    predicted = model.predict(values)
    done = time.perf_counter()
    answer = {**model.task.answer(predicted), "model": model.identity, **model.task.grant(wishes, predicted, values)}
    if outside:
        answer["warnings"] = [fault.as_dict() for fault in outside.faults]
    content = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    encoded = time.perf_counter()
    response = Response(content, 200, content_type=JSON)
    timing = (
        f"parse;dur={(parsed - began) * 1e3:.3f}, validate;dur={(validated - parsed) * 1e3:.3f}, "
        f"predict;dur={(done - validated) * 1e3:.3f}, encode;dur={(encoded - done) * 1e3:.3f}"
    )
    response.headers.add("Server-Timing", timing)
    _tell_outside(response, outside)
    _record(service, asked, Answered(model, values, predicted, beside, outside.unlike if outside else None))
    return response


def _invoke(service: Service, asked: PlainRequest, kind: str, body: bytes) -> Response:
    """Answer as `mlflow models serve` does, with warnings in a header."""
    model = served_by(service)
    parse = parse_csv if kind == CSV else parse_json
    beside = Beside()
    values = parse(body, model.schema, max_rows=service.settings.max_rows, beside=beside)
    outside = _check_range(service, model, values, beside)
    predicted = model.predict(values)
    _record(service, asked, Answered(model, values, predicted, beside, outside.unlike if outside else None))
    response = answer({"predictions": model.task.say(predicted)})
    _tell_outside(response, outside)
    return response


def _require_type(asked: PlainRequest, allowed: Collection[str]) -> str:
    """Return the body's media type.

    It is required: pages of other origins may send bodies without one, text and forms.
    """
    said = asked.environ.get("CONTENT_TYPE", "")
    kind = said if said in allowed else asked.mimetype
    if kind not in allowed:
        raise Refusal(415, f"The body must be {' or '.join(allowed)}. Say so in the header Content-Type.")
    return kind


def _wishes(asked: PlainRequest, model: ServedModel) -> set[str]:
    """Return what is asked for besides predictions: ``?interval=true&grade=true``."""
    if not asked.environ.get("QUERY_STRING"):
        return set()
    words = {"true": True, "1": True, "": True, "false": False, "0": False}
    task, wishes = model.task, set()
    for name, value in asked.args.items():
        if name not in task.wishes or value.lower() not in words:
            all_wishes = " and ".join(f"{wish}=true" for wish in task.wishes)
            raise Refusal(422, f"This model predicts {task.noun}: the address may say {all_wishes}, and nothing else.")
        if words[value.lower()]:
            wishes.add(name)
    for reason in map(task.lacks, sorted(wishes, reverse=True)):
        if reason:
            raise Refusal(422, reason)
    return wishes


def _check_range(service: Service, model: ServedModel, values: np.ndarray, beside: Beside) -> Outside | None:
    """Return the values outside of the training range, counted.

    They are refused if the profile says so.
    """
    outside = model.schema.outside(values, beside)
    if outside:
        for name, count in outside.counts.items():
            service.metrics.outside.labels(name).inc(count)
        if service.settings.out_of_range == "reject":
            faults = Faults(outside.faults)
            faults.count = sum(outside.counts.values())
            raise BadRows(faults)
    return outside


def _tell_outside(response: Response, outside: Outside | None) -> None:
    if outside:
        response.headers.add(OUTSIDE, as_counts(outside.counts))


def _unprocessable(error: BadRows) -> Refusal:
    more = f"; the first {LISTED_FAULTS} are listed" if error.count > len(error.faults) else ""
    faults = f"{'at least ' if error.is_more else ''}{error.count} fault{'' if error.count == 1 else 's'}"
    return Refusal(422, f"The rows break the rules of the model's columns: {faults}{more}.", faults=error.faults)


@dataclass(frozen=True)
class Answered:
    """Rows of a request, of shape (rows, features), with their answers.

    `unlike` is a mask of the rows that training would have left out; None without one.
    """

    model: ServedModel
    values: np.ndarray
    predicted: np.ndarray
    beside: Beside
    unlike: np.ndarray | None = None


def _record(service: Service, asked: PlainRequest, found: Answered) -> None:
    """Count the rows, and keep them and their answers where the profile wants that."""
    values = found.values
    service.predicted_rows.inc(len(values))
    if service.self_watch:
        kept = slice(None) if found.unlike is None else ~found.unlike
        service.self_watch.take(found.model, values[kept], TASKS[found.model.info.target.task].watch(found.predicted[kept]))
    environ = asked.environ
    environ[FACTS] = {"rows": len(values), "version": found.model.version}
    log, wanted, drawn = service.prediction_log, service.settings.prediction_log, random.random()
    pending = None
    if service.shadow and drawn < service.settings.shadow_share:
        pending = service.shadow.take(found.model, values, found.predicted, found.beside)
    if log is None or wanted is None or drawn >= wanted.sample:
        return
    quota, second, rows = service.quota, None, len(values)
    if quota and (second := quota.count(drawn / wanted.sample, rows)) is None:
        return
    kept_rows = Asked(time.time(), environ[ID], found, pending)
    # The lines of a few rows are made here: a thread that makes many at once lets other requests wait for the interpreter.
    record = kept_rows.encoded() if rows <= _FEW_ROWS else kept_rows
    if quota and second is not None:
        quota.hold(second, drawn / wanted.sample, record, rows)
    else:
        log.add(record if wanted.sample == 1 else DrawnRecord(record, wanted.sample), lines=rows)


@dataclass(frozen=True)
class Asked:
    """A request in the prediction log: its rows and answers.

    `pending` are its rows for the challenger in shadow; None: there is none.
    """

    time: float
    request_id: str
    answered: Answered
    pending: Pending | None = None

    def __len__(self) -> int:
        return len(self.answered.values)

    def encoded(self) -> bytes | Shadowed:
        """Return the lines, those that wait for the challenger apart from each other."""
        return Shadowed(self._lines(), self.pending) if self.pending else b"".join(self._lines())

    def as_lines(self) -> bytes:
        """Return one line of JSON for each row."""
        made = self.encoded()
        return made if isinstance(made, bytes) else made.as_lines()

    def _lines(self) -> list[bytes]:
        found, lines = self.answered, list[bytes]()
        version, names = found.model.version, found.model.schema.names
        rows = zip(found.model.schema.show(found.values, found.beside), found.model.task.log(found.predicted), strict=True)
        for row, (cells, said) in enumerate(rows):
            line = {
                "time": self.time,
                "request_id": self.request_id,
                "version": version,
                "row": row,
                **said,
                FEATURES: dict(zip(names, cells, strict=True)),
            }
            if found.beside.others and (others := found.beside.of_row(row)):
                line[OTHERS] = others
            lines.append(STAMP + as_line(line)[1:])
        return lines


def as_lines(kept: Asked | Shadowed | DrawnRecord | bytes) -> bytes:
    """Return the log lines of a request, made now unless they exist."""
    return kept if isinstance(kept, bytes) else kept.as_lines()
