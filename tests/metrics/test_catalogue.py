from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.metrics.catalogue import (
    MAIN,
    METRICS,
    NEEDS,
    REFERENCE_METRICS,
    REPORTED,
    ROW_ERRORS,
    Metric,
    describe_scores,
    find_metric,
    further_metric,
    list_further,
    metrics_of,
    quantile_of,
    score_keys,
    score_titles,
    skill_of,
)


@pytest.mark.parametrize("task", METRICS)
def test_each_task_has_a_skill_first_and_no_name_twice(task: str) -> None:
    names = [metric.name for metric in metrics_of(task)]
    assert len(set(names)) == len(names) > MAIN - 1
    assert skill_of(task).name == names[0]
    assert skill_of(task).greater_is_better
    assert {REFERENCE_METRICS[task], REPORTED[task]} <= set(names)
    assert ROW_ERRORS[task]
    assert NEEDS[task]


@pytest.mark.parametrize("task", METRICS)
def test_every_name_that_is_suggested_is_a_metric(task: str) -> None:
    for name in list_further(task):
        found = further_metric(task, name)
        assert found is not None
        assert found.name == name
        assert find_metric(task, name, [found]) == found


def test_a_pinball_loss_has_a_quantile_between_0_and_1_and_is_of_numbers() -> None:
    assert quantile_of("pinball_0.95") == 0.95
    assert [quantile_of(name) for name in ("pinball_0.0", "pinball_1.0", "pinball_", "pinball_x", "pinball_0.5x")] == [None] * 5
    assert further_metric("regression", "pinball_0.25") == Metric(
        "pinball_0.25", "pinball loss at 0.25", greater_is_better=False, has_unit=True, short="pinball 0.25"
    )
    assert further_metric("binary", "pinball_0.25") is None
    assert further_metric("regression", "roc_auc") is None


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.booleans())
def test_a_value_reaches_a_threshold_unless_it_is_worse(ours: float, theirs: float, greater: bool) -> None:
    metric = Metric("m", "m", greater_is_better=greater)
    assert metric.reaches(ours, theirs) == (metric.worsening(ours, theirs) <= 0)
    assert metric.worsening(ours, theirs) == -metric.worsening(theirs, ours)
    assert not metric.reaches(float("nan"), theirs)
    assert (metric.worsening(np.array([ours]), theirs) == metric.worsening(ours, theirs)).all()


@pytest.mark.parametrize("task", METRICS)
def test_keys_of_a_table_of_candidates_have_a_title_each(task: str) -> None:
    assert len(score_keys(task)) == len(score_titles(task)) == len(score_titles(task, "profit"))
    assert score_titles(task, "profit")[-2:] == ["CV profit mean", "CV profit std"]


def test_scores_in_words() -> None:
    assert describe_scores("regression", {"r2": 0.5, "rmse": 1, "mae": 2}) == "R2 0.5000, RMSE 1.0000, MAE 2.0000"
    assert "recall" in [it.name for it in METRICS["binary"]]
    with pytest.raises(KeyError):
        find_metric("binary", "r2")
