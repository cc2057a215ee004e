"""Tasks in monitoring: logs and predictions, and labels of probabilities."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.config.table import RESERVED_PREFIX
from recipeline.config.tasks import TASK_RULES
from recipeline.data.target_codes import TargetCodes
from recipeline.inference.asking import probabilities
from recipeline.inference.by_value import ByColumn, OfValue
from recipeline.inference.interval import FittedInterval, Interval
from recipeline.inference.model_info import ModelInfo, Target
from recipeline.inference.prediction_set import PredictionSet
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.live.live_rows import LiveTables
from recipeline.monitoring.live.prediction_log import PredictionLog
from recipeline.monitoring.spread import describe_values
from recipeline.monitoring.tasks.every import TASKS
from recipeline.serving.tasks.every import TASKS as SERVED
from tests.monitoring.helpers import FEATURES, log, table

WORDS = st.text("abxyz é:,", min_size=1, max_size=6).filter(str.strip).map(str.strip)
LABELS = st.one_of(
    st.just((False, True)),
    *(st.lists(some, min_size=2, max_size=5, unique=True).map(tuple) for some in (st.integers(-5, 99), WORDS)),
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[TargetCodes, np.ndarray]:
    """Draw a target of any task, and predictions of some rows."""
    labels, rows = draw(LABELS), draw(st.integers(1, 5))
    task = draw(st.sampled_from(["regression", "binary", "multiclass"] if len(labels) == 2 else ["regression", "multiclass"]))
    if task == "regression":
        return TargetCodes(), np.array(draw(st.lists(st.floats(-9, 9), min_size=rows, max_size=rows)))
    shares = np.random.default_rng(draw(st.integers(0, 99))).dirichlet(np.ones(len(labels)), rows)
    codes = TargetCodes(task, labels)
    return codes, shares if codes.is_matrix else shares[:, 1]


def info_of(codes: TargetCodes) -> ModelInfo:
    return ModelInfo(Target("y", task=codes.task, labels=codes.labels, threshold=0.3), FEATURES)


@settings(max_examples=60, deadline=None)
@given(answers(), st.booleans())
def test_what_the_service_logs_is_read_as_what_the_model_predicted(found: tuple[TargetCodes, np.ndarray], is_own: bool) -> None:
    codes, predicted = found
    known = {"request_id": "a", "version": "2" if is_own else "1", "features": {"alcohol": 9.0, "pH": 3.0}}
    answered = SERVED[codes.task].of(info_of(codes), None).log(predicted)
    lines = [json.dumps({"time": place, "row": place, **known, **parts}) for place, parts in enumerate(answered)]
    with tempfile.TemporaryDirectory() as folder:
        live = PredictionLog(log(Path(folder), one=lines), FEATURES, "2", codes=codes)
        (piece,) = live.pieces()
    assert live.left_out == 0
    np.testing.assert_array_equal(piece.predicted, predicted if is_own else np.full_like(predicted, np.nan))


@settings(max_examples=60, deadline=None)
@given(answers())
def test_what_predict_writes_is_read_as_what_the_model_predicted(found: tuple[TargetCodes, np.ndarray]) -> None:
    codes, predicted = found
    shares = probabilities(predicted, codes)
    added = {f"{RESERVED_PREFIX}{label}": column for label, column in zip(codes.texts, shares.T, strict=True)}
    said = info_of(codes).target.say(predicted)
    rows = pd.DataFrame(
        {"alcohol": 9.0, "pH": 3.0, "prediction": said, **added, "model_version": ["2", *["1"] * (len(said) - 1)]}
    )
    with tempfile.TemporaryDirectory() as folder:
        live = LiveTables([table(Path(folder) / "t.csv", rows.to_csv(index=False))], FEATURES, "y", "2", codes=codes)
        assert live.columns() == {}
        (piece,) = live.pieces()
    np.testing.assert_array_equal(piece.predicted[0], predicted[0])
    assert np.isnan(piece.predicted[1:]).all()


@pytest.mark.parametrize(
    "line",
    [
        {"label": "b", "probabilities": {"a": 0.1, "b": None}},
        {"label": "b", "probabilities": {"a": 0.1}},
        {"label": "b", "probabilities": {"a": 0.1, "b": 0.9, "c": 0.0}},
        {"label": "b", "probabilities": [0.1, 0.9]},
        {"label": "b", "probabilities": {"a": 0.1, "b": "0.9"}},
        {"prediction": 0.9},
        {"label": "b"},
    ],
)
def test_a_line_without_the_probabilities_of_the_models_labels_is_left_out_and_counted(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    known = {"request_id": "a", "version": "2", "features": {"alcohol": 9.0, "pH": 3.0}, "row": 0}
    whole = {"label": "b", "probabilities": {"a": 0.1, "b": 0.9}}
    lines = [json.dumps({"time": place, **known, **parts}) for place, parts in enumerate((whole, line))]
    live = PredictionLog(log(tmp_path, one=lines), FEATURES, "2", codes=TargetCodes("binary", ("a", "b")))
    assert [piece.predicted.tolist() for piece in live.pieces()] == [[0.9]]
    assert live.left_out == 1


@given(answers(), st.floats(0.01, 0.99))
def test_the_shares_of_decided_labels_are_those_that_the_model_says(
    found: tuple[TargetCodes, np.ndarray], threshold: float
) -> None:
    codes, predicted = found
    described = TASKS[codes.task].describe_said(predicted, codes, threshold)
    assert (described is None) == (not codes.labels)
    if described:
        target = Target("y", task=codes.task, labels=codes.labels, threshold=threshold)
        said = [str(label) for label in target.say(predicted).tolist()]
        counts = dict(zip(described.names or (), described.counts, strict=True))
        texts = dict(zip(map(str, codes.labels), codes.texts, strict=True))
        assert {name: count for name, count in counts.items() if count} == {texts[it]: said.count(it) for it in {*said}}


@given(answers(), st.integers(0, 99))
def test_calibration_is_the_share_of_a_label_beside_its_mean_probability(
    found: tuple[TargetCodes, np.ndarray], seed: int
) -> None:
    codes, predicted = found
    places = np.random.default_rng(seed).integers(max(len(codes.labels), 1), size=len(predicted)).astype(float)
    measured = TASKS[codes.task].calibrate(codes.of_places(places), predicted, codes)
    if not codes.labels:
        assert measured is None
        return
    assert measured
    assert (*measured,) == codes.texts[-1:] if codes.task == "binary" else codes.texts
    shares = probabilities(predicted, codes)
    for place, label in enumerate(codes.texts):
        if label in measured:
            assert measured[label].observed == pytest.approx((places == place).mean())
            assert measured[label].predicted == pytest.approx(shares[:, place].mean())
            assert measured[label].std == pytest.approx(((places == place) - shares[:, place]).std())


def test_a_model_states_its_interval_or_its_set_of_labels_and_what_that_covered_in_its_test() -> None:
    fitted = FittedInterval(0.9, "constant", -1.0, 1.0, 0.88, 50)
    numbers = ModelInfo(Target("y"), FEATURES, interval=fitted)
    stated = TASKS["regression"].state(numbers, Interval.restore(fitted))
    assert stated
    rows, predicted = np.zeros((3, 2)), np.array([5.0, 5.0, 5.0])
    assert stated.covers(rows, predicted, np.array([5.5, 6.5, 4.0])).tolist() == [True, False, True]
    assert (stated.level, stated.on_test_rows) == (0.9, 0.88)
    fitted_set = PredictionSet(0.9, 0.2, 0.91, 9)
    three = np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]])
    for task, labels, shares, places in (("binary", "ab", np.array([0.5, 0.95]), [0, 0]), ("multiclass", "abc", three, [2, 1])):
        target = Target("y", task=task, labels=tuple(labels))
        stated = TASKS[task].state(ModelInfo(target, FEATURES, prediction_set=fitted_set), None)
        assert stated
        assert stated.covers(rows[:2], shares, target.codes.of_places(np.array(places))).tolist() == [True, False]
    by = ByColumn("pH", 1, (OfValue(3.0, 3.0, 20, 0.6, 1.0),))
    info = ModelInfo(target, FEATURES, prediction_set=PredictionSet(0.9, 0.1, by=by))
    stated = TASKS["multiclass"].state(info, None)
    assert stated
    rows = np.array([[9.0, 3.0], [9.0, 4.0]])
    second = target.codes.of_places(np.array([1, 1]))
    assert stated.covers(rows, np.array([[0.7, 0.2, 0.1]] * 2), second).tolist() == [False, True]
    assert all(task.state(ModelInfo(Target("y"), FEATURES), None) is None for task in TASKS.values())


def test_the_rule_on_the_error_is_a_setting_of_its_task() -> None:
    assert {name: task.increase in TASK_RULES[name].settings for name, task in TASKS.items()} == dict.fromkeys(TASK_RULES, True)


def test_of_several_labels_the_greatest_probability_is_watched_in_whole_percent() -> None:
    assert TASKS["multiclass"].watch(np.array([[0.2, 0.8], [0.604, 0.396]])).tolist() == [0.8, 0.6]
    assert TASKS["binary"].watch(np.array([0.2, 0.604])).tolist() == [0.2, 0.6]
    assert TASKS["regression"].watch(np.array([0.2, 0.604])).tolist() == [0.2, 0.604]


@pytest.mark.parametrize(("shift", "is_moved"), [(0.7, False), (1.4, False), (40, True)])
def test_a_rare_label_that_is_a_thousandth_likelier_is_no_drift(shift: float, is_moved: bool) -> None:
    then = np.random.default_rng(0).lognormal(-7.5, 1, 3000)
    now = np.random.default_rng(1).lognormal(-7.5, 1, 800) * shift
    task, kind = TASKS["binary"], KINDS["number"]
    described = describe_values(task.watch(then))
    counts = kind.count(task.watch(now), described)
    found = kind.compare(task.watch(now), np.ones(len(now), dtype=bool), counts, task.watch(then), described)
    assert found.psi is not None
    assert (found.psi >= 0.1) is is_moved
