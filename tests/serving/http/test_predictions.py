from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline import __version__
from recipeline.monitoring.live.log_files import find_log
from recipeline.monitoring.live.log_format import FORMAT
from recipeline.monitoring.live.prediction_log import PredictionLog
from recipeline.serving.http.predictions import Answered, Asked, as_lines
from recipeline.serving.logs.background import BackgroundLog
from recipeline.serving.logs.files import RotatingFiles
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.rows.beside import Beside
from recipeline.serving.rows.faults import LISTED_FAULTS
from tests.classes import TARGETS
from tests.serving.helpers import Make, Row, answer, post
from tests.serving.http.helpers import read_counts, with_features, with_labels


def test_a_row_gets_its_prediction_and_the_model_that_gave_it(client: FlaskClient, model: ServedModel, row: Row) -> None:
    expected = model.predict(np.array([list(row.values())]))[0]
    found = answer(client, row)
    assert found["predictions"] == [expected]
    assert found["model"] == model.identity
    assert set(found["model"]) == {"name", "version", "run_id", "data_source"}
    assert "warnings" not in found


def test_rows_get_their_predictions_in_order(client: FlaskClient, row: Row, wines: pd.DataFrame) -> None:
    rows = wines[list(row)].head(50).to_dict("records")
    each = [answer(client, one)["predictions"][0] for one in rows]
    assert answer(client, rows)["predictions"] == pytest.approx(each, rel=1e-12)


def test_an_interval_and_a_grade_are_given_on_request(client: FlaskClient, row: Row) -> None:
    found = answer(client, row, "/predict?interval=true&grade=true")
    interval, predicted = found["interval"], found["predictions"][0]
    assert interval["level"] == 0.9
    assert interval["lower"][0] < predicted < interval["upper"][0]
    assert found["grade"] == [round(predicted)]
    assert "interval" not in answer(client, row, "/predict?interval=false")


@pytest.mark.parametrize(("predicted", "grade"), [(1e300, 10), (-1e300, 0), (5.5, 6), (4.4, 4)])
def test_a_grade_is_within_the_targets_range(
    make_client: Make, model: ServedModel, row: Row, predicted: float, grade: int
) -> None:
    client = make_client(served=replace(model, predict=lambda _: np.array([predicted])))
    assert answer(client, row, "/predict?grade=true")["grade"] == [grade]


@pytest.mark.parametrize("query", ["intervall=true", "interval=maybe", "x=1"])
def test_another_wish_is_refused(client: FlaskClient, row: Row, query: str) -> None:
    assert post(client, row, f"/predict?{query}").status_code == 422


def test_a_value_that_the_model_was_not_trained_on_is_answered_with_a_warning(client: FlaskClient, row: Row) -> None:
    found = answer(client, [row, row | {"alcohol": 24}])
    assert len(found["predictions"]) == 2
    (warning,) = found["warnings"]
    assert (warning["row"], warning["field"], warning["got"]) == (1, "alcohol", "24")
    assert warning["rule"].startswith("trained on ")
    assert "% vol" in warning["rule"]


def test_such_a_value_is_refused_where_the_profile_says_so(make_client: Make, row: Row) -> None:
    client = make_client(out_of_range="reject")
    response = post(client, row | {"alcohol": 24})
    assert response.status_code == 422
    assert response.get_json()["faults"][0]["rule"].startswith("trained on ")
    assert post(client, row).status_code == 200


Rows = list[dict[str, float]]


def as_csv(rows: Rows, separator: str) -> bytes:
    return "\n".join(separator.join(map(str, line)) for line in (rows[0], *(row.values() for row in rows))).encode()


#: All forms that rows come in, at both addresses.
FORMS: dict[str, Callable[[Rows], tuple[str, str, bytes]]] = {
    name: partial(lambda make, rows: ("/invocations", "application/json", json.dumps(make(rows)).encode()), make)
    for name, make in {
        "split": lambda rows: {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}},
        "records": lambda rows: {"dataframe_records": rows},
        "objects": lambda rows: {"instances": rows},
        "lists": lambda rows: {"instances": [list(row.values()) for row in rows]},
        "columns": lambda rows: {"inputs": {name: [row[name] for row in rows] for name in rows[0]}},
        "inputs": lambda rows: {"inputs": [list(row.values()) for row in rows]},
    }.items()
} | {
    "commas": lambda rows: ("/invocations", "text/csv", as_csv(rows, ",")),
    "semicolons": lambda rows: ("/invocations", "text/csv", as_csv(rows, ";")),
    "predict": lambda rows: ("/predict", "application/json", json.dumps(rows).encode()),
}


#: Tasks and their labels, of each type that a label has.
LABELS = [
    (task, labels if column["type"] != "boolean" else [False, True], column["type"])
    for task, targets in TARGETS.items()
    for column, labels, _ in targets
]


@pytest.mark.parametrize(("task", "labels", "kind"), LABELS)
@pytest.mark.parametrize("form", FORMS)
def test_labels_are_answered_alike_in_whatever_form_rows_come(
    make_client: Make, model: ServedModel, row: Row, form: str, task: str, labels: list[Any], kind: str
) -> None:
    client = make_client(with_labels(model, task, labels, kind))
    rows = [{**row, next(iter(row)): value} for value in (6.1, 7.3, 8.2, 9.4)]
    expected = answer(client, rows)
    path, media, body = FORMS[form](rows)
    found = post(client, body, path, **{"Content-Type": media}).get_json()
    assert found["predictions"] == expected["predictions"]
    assert {*map(type, found["predictions"])} == {type(labels[0])}
    assert set(found) == ({"predictions"} if path == "/invocations" else {"predictions", "probabilities", "model"})
    assert [sum(shares.values()) for shares in expected["probabilities"]] == pytest.approx([1.0] * 4)


def test_a_prediction_set_is_given_on_request(make_client: Make, model: ServedModel, row: Row) -> None:
    found = answer(make_client(with_labels(model, "binary", ["bad", "good"])), [row, row], "/predict?set=true")
    assert found["set"]["level"] == 0.9
    assert len(found["set"]["labels"]) == 2
    assert set(found["set"]["labels"][0]) <= {"bad", "good"}


@pytest.mark.parametrize("query", ["interval=true", "grade=true", "interval=false"])
def test_labels_have_neither_interval_nor_grade_and_numbers_no_set(
    make_client: Make, model: ServedModel, row: Row, query: str
) -> None:
    refused = post(make_client(with_labels(model, "binary", ["bad", "good"])), row, f"/predict?{query}")
    assert refused.status_code == 422
    assert refused.get_json()["message"] == "This model predicts labels: the address may say set=true, and nothing else."
    refused = post(make_client(), row, "/predict?set=true")
    assert refused.status_code == 422
    allowed = "interval=true and grade=true"
    assert refused.get_json()["message"] == f"This model predicts numbers: the address may say {allowed}, and nothing else."


@pytest.mark.parametrize("form", FORMS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(data=st.data())
def test_values_outside_of_the_training_range_are_named_and_counted_whatever_form_they_come_in(
    make_client: Make, model: ServedModel, row: Row, form: str, data: st.DataObject
) -> None:
    beyond = {
        feature.name: [value for value in (feature.low - 1e-3, feature.high + 1e-3) if feature.is_possible(value)]
        for feature in model.schema.features
    }
    one = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in beyond.items() if values})
    changes = data.draw(st.lists(one, min_size=1, max_size=4))
    expected = {name: count for name in row if (count := sum(name in change for change in changes))}
    path, kind, body = FORMS[form]([row | change for change in changes])

    response = post(make_client(), body, path, **{"Content-Type": kind})
    assert response.status_code == 200, response.text
    assert read_counts(response.headers.get("Outside-Training-Range", "")) == expected
    assert ("Outside-Training-Range" in response.headers) == bool(expected)
    said = response.get_json()
    assert len(said["predictions"]) == len(changes)
    if path == "/invocations":
        assert set(said) == {"predictions"}
    else:
        assert [fault["field"] for fault in said.get("warnings", [])] == [name for it in changes for name in row if name in it]

    refused = post(make_client(out_of_range="reject"), body, path, **{"Content-Type": kind})
    assert refused.status_code == (422 if expected else 200)
    assert "Outside-Training-Range" not in refused.headers
    assert len(refused.get_json().get("faults", [])) == sum(expected.values())


def test_all_values_outside_are_counted_and_the_first_are_listed(make_client: Make, row: Row) -> None:
    rows = [row | {"alcohol": 24}] * (LISTED_FAULTS + 7)
    client = make_client()
    for path, body in (("/predict", rows), ("/invocations", {"instances": rows})):
        response = post(client, body, path)
        assert read_counts(response.headers["Outside-Training-Range"]) == {"alcohol": len(rows)}
    assert f'rows_out_of_training_range_total{{feature="alcohol"}} {2 * len(rows)}.0' in client.get("/metrics").text
    refused = post(make_client(out_of_range="reject"), rows).get_json()
    assert f"{len(rows)} faults; the first {LISTED_FAULTS} are listed" in refused["message"]


def test_a_column_of_any_name_is_named_in_the_header(make_client: Make, model: ServedModel, row: Row) -> None:
    name = 'Säure, "g;l"\r\nX-Evil: 1'
    client = make_client(with_features(model, {"name": name, "train_max": 0.1}))
    (_, value), *others = row.items()
    response = post(client, {"instances": [dict([(name, value), *others])]}, "/invocations")
    assert read_counts(response.headers["Outside-Training-Range"]) == {name: 1}
    assert "X-Evil" not in response.headers


def test_faults_are_told_by_row_field_rule_and_got(client: FlaskClient, row: Row) -> None:
    response = post(client, [row, row | {"alcohol": None}])
    assert response.status_code == 422
    body = response.get_json()
    assert body["error_code"] == "INVALID_PARAMETER_VALUE"
    assert body["message"] == "The rows break the rules of the model's columns: 1 fault."
    assert body["faults"] == [{"row": 1, "field": "alcohol", "rule": "must not be null", "got": "null"}]
    assert body["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "BAD_REQUEST"),
        (b"\xff", 400, "BAD_REQUEST"),
        (b"[]", 422, "INVALID_PARAMETER_VALUE"),
        (b"[" + b"1," * 100 + b"1]", 413, "REQUEST_TOO_LARGE"),
        (b" " * 20_000, 413, "REQUEST_TOO_LARGE"),
    ],
)
def test_a_body_that_cannot_be_answered_has_its_status(make_client: Make, body: bytes, status: int, code: str) -> None:
    response = post(make_client(max_rows=100, max_body_mb=0.01), body)
    assert response.status_code == status
    assert response.get_json()["error_code"] == code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/xml"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "text/plain; application/json"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=application/json"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "Application/JSON"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_the_body_must_be_said_to_be_json(client: FlaskClient, row: Row, headers: dict[str, str], status: int) -> None:
    for path, body in (("/predict", row), ("/invocations", {"inputs": [row]})):
        assert post(client, body, path, **headers).status_code == status


@pytest.mark.parametrize("value", [-1, 25.001, 1000, 1e30])
@pytest.mark.parametrize("others", [{}, {"pH": None}], ids=["alone", "beside another fault"])
def test_an_impossible_value_is_a_fault_at_every_door(client: FlaskClient, row: Row, value: float, others: Any) -> None:
    bad = row | {"alcohol": value} | others
    lines = [",".join(bad), ",".join("" if cell is None else repr(cell) for cell in bad.values())]
    rule = "must be at least 0 % vol" if value < 0 else "must be at most 25 % vol"
    for path, body, kind in (
        ("/predict", json.dumps([bad]).encode(), "application/json"),
        ("/invocations", json.dumps({"dataframe_records": [bad]}).encode(), "application/json"),
        ("/invocations", json.dumps({"instances": [list(bad.values())]}).encode(), "application/json"),
        ("/invocations", "\n".join(lines).encode(), "text/csv"),
    ):
        response = post(client, body, path, **{"Content-Type": kind})
        assert response.status_code == 422
        faults = response.get_json()["faults"]
        assert (0, "alcohol", rule) in [(fault["row"], fault["field"], fault["rule"]) for fault in faults]
        assert len(faults) == 1 + len(others)


def test_a_service_about_to_end_says_so_and_goes_on_answering(make_client: Make, row: Row) -> None:
    client = make_client()
    client.service.draining = lambda: True
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").get_json()["status"] == "draining"
    for path in ("/predict", "/invocations"):
        response = post(client, row if path == "/predict" else {"inputs": [row]}, path)
        assert response.status_code == 200
        assert response.headers["Connection"] == "close"


def test_requests_past_the_limit_are_refused_and_the_place_is_given_back(
    make_client: Make, model: ServedModel, row: Row
) -> None:
    begun, end = threading.Event(), threading.Event()

    def slow(values: np.ndarray) -> np.ndarray:
        begun.set()
        assert end.wait(10)
        return model.predict(values)

    client = make_client(served=replace(model, predict=slow), concurrency=1)
    statuses: list[int] = []
    first = threading.Thread(target=lambda: statuses.append(post(client, row).status_code))
    first.start()
    assert begun.wait(10)
    response = post(client, row)
    assert response.status_code == 429
    assert response.get_json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    end.set()
    first.join()
    assert statuses == [200]
    assert post(client, row).status_code == 200
    for bad in (b"{", b"[]", [row] * 2):
        post(client, bad)
    assert post(client, row).status_code == 200


def test_an_answer_tells_where_its_time_went(client: FlaskClient, row: Row) -> None:
    parts = [part.split(";")[0].strip() for part in post(client, row).headers["Server-Timing"].split(",")]
    assert parts == ["parse", "validate", "predict", "encode"]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
columns = st.sampled_from(["alcohol", "pH", "density"]) | st.text(max_size=3)
bodies = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(columns, inner, max_size=3))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(columns, bodies, max_size=2), other=bodies, path=st.sampled_from(["/predict", "/invocations"]))
def test_whatever_json_is_sent_is_answered_or_refused(
    client: FlaskClient, row: Row, changes: dict[str, Any], other: Any, path: str
) -> None:
    for body in (row | changes, [row, row | changes], other, {"instances": other}):
        response = post(client, json.dumps(body).encode(), path)
        assert response.status_code in (200, 422)
        if response.status_code == 200:
            predictions = response.get_json()["predictions"]
            assert predictions
            assert all(isinstance(value, float) and np.isfinite(value) for value in predictions)


@pytest.mark.parametrize("more", [0, 40], ids=["made in the request", "made behind it"])
def test_the_prediction_log_has_each_row_and_its_answer(
    make_client: Make, row: dict[str, float], tmp_path: Path, more: int
) -> None:
    client = make_client(prediction_log={"folder": str(tmp_path)})
    files = RotatingFiles(tmp_path, max_bytes=1e6, keep_days=1)
    log = client.service.prediction_log = BackgroundLog(files.write, as_lines, lambda _: None)
    answer = post(client, [row, row | {"alcohol": 9.9}, *([row] * more)], **{"X-Request-ID": "abc"}).get_json()
    post(client, b"[]")
    log.close()
    lines = [json.loads(line) for line in next(tmp_path.glob("*.jsonl")).read_bytes().splitlines()]
    assert [line["prediction"] for line in lines] == answer["predictions"]
    assert [line["row"] for line in lines] == list(range(2 + more))
    assert {line["request_id"] for line in lines} == {"abc"}
    assert {line["version"] for line in lines} == {answer["model"]["version"]}
    assert lines[1]["features"] == row | {"alcohol": 9.9}
    assert abs(lines[0]["time"] - time.time()) < 60
    assert [(line["format"], line["recipeline"]) for line in lines] == [(FORMAT, __version__)] * len(lines)
    info = client.service.model.info
    live = PredictionLog(find_log(tmp_path), info.features, lines[0]["version"])
    (piece,) = live.pieces()
    assert (piece.predicted.tolist(), live.left_out) == (answer["predictions"], 0)
    assert piece.values.tolist() == [list(line["features"].values()) for line in lines]


def test_a_line_of_the_log_of_numbers_is_what_it_was_to_the_byte(model: ServedModel) -> None:
    changed = with_features(model)
    changed = replace(changed, schema=replace(changed.schema, features=changed.schema.features[:2]), version="3")
    line = as_lines(Asked(12.5, "abc", Answered(changed, np.array([[7.4, 0.5]]), np.array([5.25]), Beside())))
    names = changed.schema.names
    assert line.decode() == (
        f'{{"format":1,"recipeline":"{__version__}","time":12.5,"request_id":"abc","version":"3","row":0,"prediction":5.25,'
        f'"features":{{"{names[0]}":7.4,"{names[1]}":0.5}}}}\n'
    )


@pytest.mark.parametrize("more", [0, 40], ids=["made in the request", "made behind it"])
def test_the_prediction_log_of_classes_has_labels_and_probabilities(
    make_client: Make, model: ServedModel, row: Row, tmp_path: Path, more: int
) -> None:
    client = make_client(with_labels(model, "binary", [False, True], "boolean"), prediction_log={"folder": str(tmp_path)})
    files = RotatingFiles(tmp_path, max_bytes=1e6, keep_days=1)
    log = client.service.prediction_log = BackgroundLog(files.write, as_lines, lambda _: None)
    found = answer(client, [row, row | {"alcohol": 9.9}, *([row] * more)])
    log.close()
    lines = [json.loads(line) for line in next(tmp_path.glob("*.jsonl")).read_bytes().splitlines()]
    assert [line["label"] for line in lines] == found["predictions"]
    assert [line["probabilities"] for line in lines] == found["probabilities"]
    assert [list(line["probabilities"]) for line in lines] == [["false", "true"]] * len(lines)
    assert all("prediction" not in line for line in lines)


@pytest.mark.parametrize(("task", "labels"), [("binary", ["bad", "good"]), ("multiclass", ["a", "b", "c"])])
def test_the_self_watch_gets_one_number_for_each_row_of_classes(
    make_client: Make, model: ServedModel, row: Row, task: str, labels: list[str]
) -> None:
    client, taken = make_client(with_labels(model, task, labels)), []

    class Watch:
        def take(self, *asked: Any) -> None:
            taken.append(asked[-1].tolist())

        def collect_for(self, *_: Any) -> tuple[()]:
            return ()

    client.service.self_watch = Watch()
    shares = answer(client, row)["probabilities"][0]
    assert taken == [[round(shares["good"] if task == "binary" else max(shares.values()), 2)]]  # in whole percent


def test_a_share_of_the_requests_is_kept_where_the_profile_says_so(make_client: Make, row: dict[str, float]) -> None:
    client, kept = make_client(prediction_log={"folder": "unused", "sample": 0.25}), []

    class Log:
        def add(self, record: Asked | bytes, lines: int) -> None:
            kept.append((record, lines))

    client.service.prediction_log = Log()
    for _ in range(400):
        post(client, row)
    assert 60 <= len(kept) <= 140
