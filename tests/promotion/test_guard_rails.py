from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from recipeline.config.rules import GuardRails, Slice
from recipeline.data.relating.relations import Relations
from recipeline.data.target_codes import TargetCodes
from recipeline.metrics.catalogue import Metric
from recipeline.promotion.gain import Answers
from recipeline.promotion.guard_rails import (
    LATENCY,
    MIN_SLICE_ROWS,
    ErrorsByArm,
    Rail,
    measure_rails,
    one_row_latency,
    slice_errors,
)
from recipeline.promotion.results import CHALLENGER, CHAMPION
from recipeline.records import to_plain
from tests.promotion.helpers import GAIN, draw_answers, draw_table, measure

MAE, LOW = "MAE change", "MAE change of low"
STRICT = GuardRails(mae=0.25, slice_mae=0.5, latency_ms=10)


def as_slices(limits: dict[str, tuple[float | None, float | None]]) -> dict[str, Slice]:
    return {name: Slice(min=low, max=high) for name, (low, high) in limits.items()}


def test_slices_hold_their_limits_and_an_open_one_all_that_is_beyond() -> None:
    target = np.array([3.0, 4.0, 5.0, 6.0])
    errors = {CHALLENGER: np.array([1.0, 2.0, 3.0, 4.0]), CHAMPION: np.array([0.0, 0.0, -1.0, -1.0])}
    answers = Answers(target, Relations(np.arange(4)), {arm: (target + error)[:, None] for arm, error in errors.items()})
    limits = {"low": (None, 4.0), "middle": (4.0, 5.0), "high": (5.0, None), "one": (6.0, 6.0), "all": (-9.0, None)}
    assert slice_errors(answers, as_slices(limits)) == {
        "low": ErrorsByArm(2, {CHALLENGER: 1.5, CHAMPION: 0.0}),
        "middle": ErrorsByArm(2, {CHALLENGER: 2.5, CHAMPION: 0.5}),
        "high": ErrorsByArm(2, {CHALLENGER: 3.5, CHAMPION: 1.0}),
        "one": ErrorsByArm(1, {CHALLENGER: 4.0, CHAMPION: 1.0}),
        "all": ErrorsByArm(4, {CHALLENGER: 2.5, CHAMPION: 0.5}),
    }


def test_a_slice_without_rows_has_no_error() -> None:
    found = slice_errors(draw_answers(1), as_slices({"none": (1000.0, None), "between": (5.0, 4.0)}))
    assert found == {name: ErrorsByArm(0, {CHALLENGER: None, CHAMPION: None}) for name in ("none", "between")}
    assert slice_errors(draw_answers(1), {}) == {}


def test_errors_of_a_slice_are_of_all_repeats() -> None:
    answers = draw_answers(1, repeats=3)
    slices = as_slices({"all": (-1000.0, None), "none": (1000.0, None)})
    assert slice_errors(answers, slices)["all"].error == pytest.approx(measure(answers).scores["mae"])
    json.dumps(to_plain(slice_errors(answers, slices)), allow_nan=False)


def test_slices_of_classes_are_of_their_labels() -> None:
    codes, target = TargetCodes("multiclass", ("a", "b", "c")), np.eye(3)[[0, 1, 2, 2]]
    said = np.full((4, 1, 3), 1 / 3)
    answers = Answers(target, Relations(np.arange(4)), {CHALLENGER: target[:, None], CHAMPION: said}, codes=codes)
    found = slice_errors(answers, {"last": Slice(labels=("c",)), "others": Slice(labels=("a", "b"))})
    assert {name: it.rows for name, it in found.items()} == {"last": 2, "others": 2}
    assert found["last"].error == pytest.approx({CHALLENGER: 0.0, CHAMPION: 2 / 3})
    two = Answers(
        np.array([1.0, 0.0]), Relations(np.arange(2)), {CHALLENGER: np.ones((2, 1))}, codes=TargetCodes("binary", ("n", "p"))
    )
    assert slice_errors(two, {"p": Slice(labels=("p",))})["p"] == ErrorsByArm(1, {CHALLENGER: 0.0})


def test_answering_one_row_takes_time_and_a_slow_model_more() -> None:
    features, target, _ = draw_table()
    quick, slow = LinearRegression().fit(features, target), RandomForestRegressor(100).fit(features, target)
    assert 0 < one_row_latency(quick, features) < one_row_latency(slow, features)


def test_a_machine_that_is_busy_for_a_while_does_not_make_a_model_slow() -> None:
    class Busy:
        calls = 0

        def predict(self, _: pd.DataFrame) -> np.ndarray:
            self.calls += 1
            time.sleep(0.02 if self.calls < 12 else 0)
            return np.zeros(1)

    assert one_row_latency(Busy(), pd.DataFrame({"a": [1.0]})) > 15
    assert one_row_latency(Busy(), pd.DataFrame({"a": [1.0]}), limit=10) < 10


def slice_of(rows: int, ours: float | None, theirs: float | None) -> ErrorsByArm:
    return ErrorsByArm(rows, {CHALLENGER: ours, CHAMPION: theirs})


def measured(
    limits: GuardRails, *, mae: float = 0.5, low: ErrorsByArm | None = None, latency: float = 1, champion: bool = True
) -> dict[str, Rail]:
    slices = {} if low is None else {"low": low}
    gain = replace(GAIN, scores=GAIN.scores | {"mae": {CHALLENGER: mae, CHAMPION: 0.5}})
    rails = measure_rails(limits, gain, slices, latency, task="regression", against_champion=champion)
    return {rail.name: rail for rail in rails}


def test_without_limits_everything_is_measured_and_nothing_decides() -> None:
    found = measured(GuardRails(), mae=5.5, low=slice_of(50, 9.0, 0.5), latency=1e6)
    assert {name: (rail.value, rail.limit, rail.passed) for name, rail in found.items()} == {
        MAE: (5.0, None, True),
        LOW: (8.5, None, True),
        LATENCY: (1e6, None, True),
    }


@pytest.mark.parametrize(("mae", "passed"), [(0.25, True), (0.5, True), (0.75, True), (0.75 + 1e-9, False), (9.0, False)])
def test_the_error_may_grow_up_to_its_limit(mae: float, passed: bool) -> None:
    rail = measured(STRICT, mae=mae)[MAE]
    assert (rail.value, rail.limit, rail.passed) == (mae - 0.5, 0.25, passed)


@pytest.mark.parametrize(("latency", "passed"), [(0.1, True), (10.0, True), (10.0 + 1e-9, False)])
def test_an_answer_may_take_up_to_its_limit_with_and_without_a_champion(latency: float, passed: bool) -> None:
    for champion in (True, False):
        rail = measured(STRICT, latency=latency, champion=champion)[LATENCY]
        assert (rail.value, rail.limit, rail.passed) == (latency, 10, passed)


@pytest.mark.parametrize(
    ("rows", "ours", "theirs", "passed"),
    [
        (MIN_SLICE_ROWS, 1.0, 0.5, True),
        (MIN_SLICE_ROWS, 1.1, 0.5, False),
        (MIN_SLICE_ROWS - 1, 9.0, 0.5, True),
        (0, None, None, True),
    ],
)
def test_a_slice_of_too_few_rows_decides_nothing(rows: int, ours: float | None, theirs: float | None, passed: bool) -> None:
    rail = measured(STRICT, low=slice_of(rows, ours, theirs))[LOW]
    assert rail.passed == passed
    assert rail.limit == (0.5 if rows >= MIN_SLICE_ROWS else None)
    assert rail.value == (None if ours is None or theirs is None else ours - theirs)
    assert rail.note == f"{rows} rows" + ("" if rows >= MIN_SLICE_ROWS else f", fewer than {MIN_SLICE_ROWS}")


def test_without_a_champion_no_error_is_too_large() -> None:
    found = measured(STRICT, mae=9.5, low=slice_of(50, 9.5, 0.5), champion=False)
    assert [(rail.value, rail.limit, rail.passed) for rail in (found[MAE], found[LOW])] == [(9.0, None, True)] * 2


def test_an_error_that_is_no_number_breaks_its_rail() -> None:
    assert not measured(STRICT, mae=float("nan"))[MAE].passed


def test_any_metric_of_the_task_may_be_a_rail_by_how_much_worse_it_is() -> None:
    limits = GuardRails(metrics={"roc_auc": 0.02, "log_loss": 0.1})
    scores = {"roc_auc": {CHALLENGER: 0.85, CHAMPION: 0.9}, "log_loss": {CHALLENGER: 0.45, CHAMPION: 0.4}}
    gain = replace(GAIN, scores=scores)
    log_loss, auc, _ = measure_rails(limits, gain, {}, 1.0, task="binary", against_champion=True)
    assert [(it.name, it.passed) for it in (log_loss, auc)] == [("log loss change", True), ("ROC AUC decrease", False)]
    assert [it.value for it in (log_loss, auc)] == pytest.approx([0.05, 0.05])


def test_a_further_metric_is_a_guard_rail_in_its_own_direction() -> None:
    rails = GuardRails(metrics={"profit": 1.0, "rmsle": 0.1})
    more = [Metric("profit", "profit"), Metric("rmsle", "RMSLE", greater_is_better=False)]
    scores = {"profit": {CHALLENGER: 8.0, CHAMPION: 10.0}, "rmsle": {CHALLENGER: 0.25, CHAMPION: 0.2}}
    gain = replace(GAIN, scores={**GAIN.scores, **scores})
    found = {it.name: it for it in measure_rails(rails, gain, {}, 1.0, task="regression", against_champion=True, more=more)}
    assert (found["profit decrease"].value, found["profit decrease"].passed) == (2.0, False)
    assert found["RMSLE change"].value == pytest.approx(0.05)
    assert found["RMSLE change"].passed
