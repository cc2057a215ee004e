"""The challenger in shadow: no client sees it, and each row is counted."""

from __future__ import annotations

import gc
import json
import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline.config.profile import Service as Settings
from recipeline.inference.model_info import Feature
from recipeline.monitoring.live.log_files import find_log
from recipeline.monitoring.live.log_format import SHADOW
from recipeline.monitoring.live.prediction_log import PredictionLog
from recipeline.monitoring.live.shadow_log import ShadowRows
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.prometheus import Metrics
from recipeline.serving.rows.beside import Beside
from recipeline.serving.shadow import answering
from recipeline.serving.shadow.answering import AT_ONCE, MOST_ROWS, Shadow
from recipeline.serving.shadow.pending import PATIENCE_SECONDS
from tests.conftest import NAME, as_recipe, small_recipe
from tests.schemas import FOLDER, LOG_LINE
from tests.serving.helpers import Make, Row, post
from tests.serving.http.helpers import with_features, with_labels
from tests.serving.shadow.helpers import begin_shadow, challenger, metric, rows_by_outcome, wait_for_rows

LINE = jsonschema_rs.validator_for(json.loads((FOLDER / LOG_LINE).read_text(encoding="utf-8")))


def fails(_: np.ndarray) -> np.ndarray:
    raise ValueError("this challenger knows nothing")


def no_array(_: np.ndarray) -> Any:
    return "text"


def after(seconds: float, values: np.ndarray) -> np.ndarray:
    time.sleep(seconds)
    return np.zeros(len(values))


def of_kind(kind: str, model: ServedModel) -> ServedModel | None:
    """Return a challenger that does something else than answer as it should."""
    features = model.info.features
    lacking = with_features(model, {"name": "a column that nobody sends"})
    kinds: dict[str, ServedModel | None] = {
        "higher": challenger(model),
        "fails": challenger(model, fails),
        "slow": challenger(model, partial(after, 0.2)),
        "nothing": challenger(model, lambda values: np.full(len(values), np.nan)),
        "of another shape": challenger(model, lambda _: np.zeros((3, 3, 3))),
        "no array": challenger(model, no_array),
        "another column": challenger(lacking, fails),
        "fewer columns": challenger(
            with_features(model), lambda values: values[:, 0], schema=replace(model.schema, features=features[:1])
        ),
        "labels": replace(with_labels(model, "multiclass", ["a", "b", "c"]), version="9"),
        "none": None,
        "the champion itself": replace(challenger(model, fails), version=model.version),
    }
    return kinds[kind]


KINDS = (
    *(
        "higher",
        "fails",
        "slow",
        "nothing",
        "of another shape",
        "no array",
        "another column",
        "fewer columns",
        "labels",
        "none",
    ),
    "the champion itself",
)

bodies = st.sampled_from(["alcohol", "pH", "a column that nobody sends"]).flatmap(
    lambda name: st.dictionaries(st.just(name), st.none() | st.floats() | st.integers(-5, 20) | st.text(max_size=2), max_size=1)
)


@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(changes=st.lists(bodies, min_size=1, max_size=20), path=st.sampled_from(["/predict", "/invocations"]))
def test_answers_with_a_challenger_in_shadow_are_those_without_it_to_the_byte(
    kind: str, pair: tuple[FlaskClient, FlaskClient], row: Row, model: ServedModel, changes: list[Row], path: str
) -> None:
    plain, shadowed = pair
    if not shadowed.service.shadow:
        begin_shadow(shadowed, of_kind(kind, model))
    body = json.dumps([row | change for change in changes]).encode()
    sent = body if path == "/predict" else b'{"dataframe_records": ' + body + b"}"
    found = [post(client, sent, path, **{"X-Request-ID": "the-same"}) for client in (plain, shadowed)]
    told = [(it.status_code, it.data, [pair for pair in it.headers if pair[0] != "Server-Timing"]) for it in found]
    assert told[0] == told[1]


@pytest.fixture
def pair(make_client: Make) -> tuple[FlaskClient, FlaskClient]:
    """Two services of the same model; the second one may get a challenger."""
    return make_client(), make_client()


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_has_one_outcome_whatever_the_challenger_does(
    make_client: Make, row: Row, model: ServedModel, kind: str, tmp_path: Path
) -> None:
    client = make_client(prediction_log={"folder": str(tmp_path)}, self_watch_rows=0)
    shadow = begin_shadow(client, of_kind(kind, model), tmp_path, shadow_time=1.0)
    sizes = [1, 40, 3, 300]
    for size in sizes:
        assert post(client, [row] * size).status_code == 200
    is_shadowed, rows = kind not in ("none", "the champion itself"), sum(sizes)
    counts = wait_for_rows(client, rows if is_shadowed else 0)
    shadow.close()
    client.service.prediction_log.close()
    outcome = {"higher": "predicted", "slow": "predicted", "fewer columns": "predicted"}
    outcome |= {"fails": "failed", "nothing": "failed", "of another shape": "failed", "no array": "failed"}
    outcome |= {"another column": "refused", "labels": "refused"}
    assert counts == ({outcome[kind]: rows} if is_shadowed else {})
    lines = [json.loads(line) for file in find_log(tmp_path) for line in file.read_bytes().splitlines()]
    assert len(lines) == rows
    for line in lines:
        LINE.validate(line)
        said = line.get(SHADOW)
        if not is_shadowed:
            assert said is None
        elif outcome[kind] == "predicted":
            assert said.keys() == {"version", "prediction"}
        else:
            assert said == {"version": "9", "reason": outcome[kind]}
    if kind == "higher":
        assert [line[SHADOW]["prediction"] for line in lines] == [line["prediction"] + 0.5 for line in lines]


TASKS = [("binary", ["bad", "good"], ["bad", "good"]), ("binary", [False, True], [False, True])]
TASKS += [("multiclass", ["a", "b", "c"], ["a", "b", "c"]), ("multiclass", [3, 5, 7], [7, 3, 5, 9])]


@pytest.mark.parametrize(("task", "labels", "others"), TASKS)
def test_both_predictions_of_classes_are_logged_and_read_and_metrics_say_the_same(
    make_client: Make, row: Row, model: ServedModel, task: str, labels: list[Any], others: list[Any], tmp_path: Path
) -> None:
    """Also where the challenger has its labels in another order, or more of them."""
    kind = {bool: "boolean", int: "integer", str: "category"}[type(labels[0])]
    mine, theirs = with_labels(model, task, labels, kind), with_labels(model, task, others, kind)
    first = theirs.predict
    theirs = replace(theirs, version="9", predict=lambda values: first(values[:, ::-1]))
    client = make_client(mine, prediction_log={"folder": str(tmp_path)})
    shadow = begin_shadow(client, theirs, tmp_path, shadow_time=1.0)
    rng = np.random.default_rng(0)
    for size in (1, 5, 30):
        assert post(client, [row | {"alcohol": round(float(it), 3)} for it in rng.uniform(9, 12, size)]).status_code == 200
    assert wait_for_rows(client, 36) == {"predicted": 36}
    shadow.close()
    client.service.prediction_log.close()
    lines = [json.loads(line) for file in find_log(tmp_path) for line in file.read_bytes().splitlines()]
    for line in lines:
        LINE.validate(line)
    names = {*lines[0]["probabilities"], *lines[0][SHADOW]["probabilities"]}
    shares = [[{name: it["probabilities"].get(name, 0.0) for name in names} for it in (line, line[SHADOW])] for line in lines]
    variation = [sum(abs(b[name] - a[name]) for name in names) / 2 for a, b in shares]
    agreed = sum(line["label"] == line[SHADOW]["label"] for line in lines)
    recipe = as_recipe(small_recipe())
    both = ShadowRows(model.version, "9", mine.info.features, mine.info.target.codes, recipe)
    log = PredictionLog(find_log(tmp_path), mine.info.features, model.version, codes=mine.info.target.codes, shadow=both)
    assert sum(len(piece.values) for piece in log.pieces()) == 36
    found = both.report()
    assert found
    assert found.absolute == pytest.approx(np.mean(variation))
    assert found.quantiles[-1] == pytest.approx(max(variation))
    assert found.agreed == pytest.approx(agreed / 36)
    assert 0 < agreed < 36 or len(labels) == 2
    assert metric(client, "shadow_absolute_difference_total") == pytest.approx(sum(variation))
    assert metric(client, "shadow_agreed_rows_total") == agreed
    for name, difference in found.differences.items():
        assert difference == pytest.approx(np.mean([b[name] - a[name] for a, b in shares]))
        told = metric(client, f'shadow_difference_sum{{of="{name}"')
        assert told == pytest.approx(36 * difference)


def test_metrics_and_the_model_say_what_the_challenger_does(make_client: Make, row: Row, model: ServedModel) -> None:
    """Without a log, too."""
    client = make_client()
    shadow = begin_shadow(client, None)
    assert client.get("/model").get_json()["shadow"]["state"] == "none"
    shadow.wanted = "9"
    assert client.get("/model").get_json()["shadow"] == {"state": "loading", "version": "9"}
    shadow.refuse("9", "it is broken")
    assert client.get("/model").get_json()["shadow"] == {"state": "refused", "version": "9", "reason": "it is broken"}
    shadow.serve(challenger(model, run_id="abc"))
    assert client.get("/model").get_json()["shadow"] == {"state": "predicting", "version": "9", "run_id": "abc"}
    assert metric(client, "shadow_model_version") == 9
    for _ in range(7):
        post(client, [row] * 3)
    assert wait_for_rows(client, 21) == {"predicted": 21}
    assert metric(client, 'shadow_difference_sum{of="prediction",version="9"}') == pytest.approx(10.5)
    assert metric(client, 'shadow_absolute_difference_total{version="9"}') == pytest.approx(10.5)
    assert metric(client, "shadow_duration_seconds_count") >= 1
    shadow.vacate()
    assert metric(client, "shadow_model_version") == 0
    post(client, row)
    shadow.close()
    assert rows_by_outcome(client) == {"predicted": 21}


def test_a_slow_challenger_delays_no_answer(make_client: Make, row: Row, model: ServedModel) -> None:
    client = make_client()
    shadow = begin_shadow(client, challenger(model, partial(after, 1.0)))
    began = time.monotonic()
    for _ in range(20):
        assert post(client, row).status_code == 200
    assert time.monotonic() - began < 0.9
    assert rows_by_outcome(client) == {}
    shadow.close()


def queue(other: ServedModel, **wanted: Any) -> Shadow:
    shadow = Shadow(NAME, Settings(shadow="challenger", **wanted), Metrics().shadow)
    shadow.serve(other)
    return shadow


def test_memory_is_bounded_and_what_does_not_fit_is_counted_and_told(
    model: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    hung = threading.Event()

    def hang(values: np.ndarray) -> np.ndarray:
        hung.wait(20)
        return np.zeros(len(values))

    shadow = queue(challenger(model, hang))
    values, predicted = np.zeros((1000, len(model.schema.names))), np.zeros(1000)
    taken = [shadow.take(model, values, predicted, Beside()) for _ in range(100)]
    assert shadow._rows <= MOST_ROWS
    assert sum(stop - start for _, start, stop in [*shadow._parts]) == shadow._rows
    dropped = sum(1000 for it in taken if it and not it.left)
    assert 100_000 - dropped <= MOST_ROWS + AT_ONCE
    with caplog.at_level(logging.WARNING, "service"):
        shadow.find_registry()
        shadow.find_registry()
    assert caplog.messages == [f"rows that the challenger in shadow did not predict: version 9, dropped: {dropped}"]
    huge = np.zeros((2, answering.MOST_VALUES))
    assert (it := shadow.take(model, huge, predicted[:2], Beside()))
    assert it.left == 0
    hung.set()
    shadow.close()
    assert all(it and not it.left for it in taken)
    assert (shadow._rows, shadow._cells) == (0, 0)


def test_the_challenger_gets_its_share_of_the_time_and_no_more(model: ServedModel) -> None:
    spent, first = [0.0], model.predict

    def predict(values: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        spent[0] += 0.02
        return first(values)

    shadow = queue(challenger(model, predict), shadow_time=0.2)
    values = np.zeros((AT_ONCE, len(model.schema.names)))
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        shadow.take(model, values, np.zeros(len(values)), Beside())
        time.sleep(0.005)
    shadow._closing.set()
    assert 0.05 < spent[0] / (time.monotonic() - began) < 0.25


def test_a_share_of_the_requests_is_shadowed_and_all_of_them_are_in_the_log(
    make_client: Make, row: Row, model: ServedModel, tmp_path: Path
) -> None:
    client = make_client(prediction_log={"folder": str(tmp_path), "sample": 0.5})
    shadow = begin_shadow(client, challenger(model), tmp_path, shadow_share=0.25, shadow_time=1.0)
    for _ in range(400):
        post(client, row)
    shadow._closing.wait(0.5)
    shadow.close()
    client.service.prediction_log.close()
    lines = [json.loads(line) for file in find_log(tmp_path) for line in file.read_bytes().splitlines()]
    shadowed = [line for line in lines if SHADOW in line]
    assert 60 <= len(shadowed) <= 140
    assert len(shadowed) == sum(rows_by_outcome(client).values())
    assert 140 <= len(lines) <= 260


def test_rows_of_an_earlier_champion_are_compared_with_its_own_predictions(model: ServedModel) -> None:
    """A swap while rows wait mixes nothing up."""
    shadow = queue(challenger(model, lambda values: np.full(len(values), 5.0)), shadow_time=1.0)
    values = np.zeros((3, len(model.schema.names)))
    later = replace(model, version="2")
    pending = [shadow.take(it, values, np.full(3, value), Beside()) for it, value in ((model, 1.0), (later, 2.0), (model, 3.0))]
    deadline = time.monotonic() + 5
    while any(it and it.left for it in pending):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    shadow.close()
    found = shadow._metrics.absolute.labels("9")._value.get()
    assert found == 3 * (4.0 + 3.0 + 2.0)


def test_a_bug_of_the_challenger_is_logged_with_its_traceback_and_the_next_rows_are_tried(
    make_client: Make, row: Row, model: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    first, calls = model.predict, list[int]()

    def sometimes(values: np.ndarray) -> np.ndarray:
        calls.append(len(values))
        if len(calls) == 1:
            raise KeyError("once")
        return first(values)

    client = make_client()
    begin_shadow(client, challenger(model, sometimes), shadow_time=1.0)
    with caplog.at_level(logging.ERROR, "service"):
        post(client, row)
        wait_for_rows(client, 1)
        post(client, row)
        assert wait_for_rows(client, 2) == {"failed": 1, "predicted": 1}
    assert any(record.exc_info and "fails on 1 rows" in record.message for record in caplog.records)


def test_a_feature_of_another_kind_is_counted_row_by_row(make_client: Make, row: Row, model: ServedModel) -> None:
    name = model.schema.names[0]
    other = with_features(model, {"max": 8.0})
    client = make_client()
    begin_shadow(client, challenger(other, lambda values: values[:, 0]), shadow_time=1.0)
    assert isinstance(other.schema.features[0], Feature)
    assert post(client, [row | {name: 7.5}, row | {name: 8.5}, row | {name: 7.0}]).status_code == 200
    assert wait_for_rows(client, 3) == {"predicted": 2, "refused": 1}


ENDS: dict[str, Callable[[Shadow, ServedModel], object]] = {
    "none is wanted": lambda shadow, _: shadow.vacate(),
    "the next is refused": lambda shadow, _: shadow.refuse("10", "it is broken"),
    "another is served": lambda shadow, other: shadow.serve(other),
    "only the champion changed": lambda *_: None,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_version_that_is_out_of_use_is_not_kept_in_memory(model: ServedModel, end: str) -> None:
    champion, other = replace(model), challenger(model)
    shadow = queue(other, shadow_time=1.0)
    pending = shadow.take(champion, np.zeros((3, len(model.schema.names))), np.zeros(3), Beside())
    deadline = time.monotonic() + 5
    while pending and pending.left:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    models = {"champion": weakref.ref(champion), "challenger": weakref.ref(other)}
    del champion, other, pending
    ENDS[end](shadow, replace(model, version="10"))
    wanted = [] if end != "only the champion changed" else ["challenger"]
    while [name for name, it in models.items() if it()] != wanted:
        assert time.monotonic() < deadline, "they are still in memory"
        time.sleep(0.02)
        gc.collect()
    shadow.close()


class Watched:
    """A lock that notes by how many parts the queue changed in each hold."""

    def __init__(self, shadow: Shadow) -> None:
        self._shadow, self._lock, self.changes = shadow, threading.Lock(), list[int]()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._before = len(self._shadow._parts)

    def __exit__(self, *_: object) -> None:
        self.changes.append(len(self._shadow._parts) - self._before)
        self._lock.release()


def test_a_request_waits_for_the_removal_of_few_others_however_many_are_too_old(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old ones are removed in turns, of which none ends the work."""
    monkeypatch.setattr(Shadow, "_run", lambda _: None)
    shadow = queue(challenger(model))
    lock: Any = Watched(shadow)
    shadow._changing = lock
    taken = [shadow.take(model, np.zeros((1, len(model.schema.names))), np.zeros(1), Beside()) for _ in range(2000)]
    for pending in taken[:1900]:
        assert pending
        pending.since -= 2 * PATIENCE_SECONDS
    while shadow._work() is not None:
        pass
    assert max(-change for change in lock.changes) <= AT_ONCE
    assert not any(pending and pending.left for pending in taken)
    assert (shadow._rows, shadow._cells) == (0, 0)
    counts = {outcome: shadow._metrics.rows.labels("9", outcome)._value.get() for outcome in ("dropped", "predicted")}
    assert counts == {"dropped": 1900, "predicted": 100}
