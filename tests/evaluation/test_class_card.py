from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recipeline.evaluation.class_card import describe_class_limits
from recipeline.evaluation.model_card import write_model_card
from recipeline.evaluation.results import Diagnosis
from recipeline.inference.model_info import ModelInfo
from tests.records import some
from tests.reports.evaluated import evaluate

TAGS = {"data_source": "file", "data_digest": "0123456789abcdef", "split_method": "grouped"}


def card(name: str, **changes: Any) -> str:
    found = evaluate(name)
    diagnosis = replace(found.diagnosis, **changes)
    return write_model_card(found.recipe, found.metrics, diagnosis, some(ModelInfo), TAGS).as_markdown()


def test_labels_have_their_shares_and_the_threshold_its_reason() -> None:
    text = card("two labels")
    rows = evaluate("two labels").rows["target"]
    assert f"Labels of the test rows: bad {100 * (rows == 'bad').mean():.1f} %, good" in text
    assert "The label good is decided from a probability of 0.35 on; it is the one of least cost out of fold" in text
    assert "On the test rows: precision 0." in text
    assert "cost per row 0." in text
    assert "The likeliest label is decided." in card("ten labels")


@pytest.mark.parametrize("name", ["two labels", "ten labels"])
def test_metrics_of_classes_have_intervals_and_no_word_of_numbers(name: str) -> None:
    text, metrics = card(name), evaluate(name).metrics
    low, high = metrics.best.interval_95["f1"]
    assert f"F1 {metrics.scores['f1']:.3f} ({low:.3f} to {high:.3f})" in text
    assert f"has the label of {100 * metrics.best.interval_90.coverage:.1f} % of the test rows" in text
    for word in ("R2", "RMSE", "mean width", "interval's coverage"):
        assert word not in text


def test_many_labels_are_not_all_listed() -> None:
    found = evaluate("ten labels")
    decisions = found.best.decisions
    assert decisions is not None
    many = replace(decisions, labels=decisions.labels * 2)
    metrics = replace(found.metrics, best=replace(found.best, decisions=many))
    text = write_model_card(found.recipe, metrics, None, some(ModelInfo), TAGS).as_markdown()
    assert "8 more." in text


def limits(**values: Any) -> str:
    return " ".join(describe_class_limits(some(Diagnosis, values)))


RANGES = [
    {"from": 0.1, "to": 0.2, "rows": 50, "mean_predicted": 0.15, "mean_true": 0.16, "true_interval_95": [0.1, 0.25]},
    {"from": 0.2, "to": 0.6, "rows": 50, "mean_predicted": 0.4, "mean_true": 0.7, "true_interval_95": [0.5, 0.8]},
]


def test_calibration_names_the_range_that_is_off_beyond_chance() -> None:
    said = limits(by_predicted=RANGES)
    assert "0.155 off on average" in said
    assert "those of 0.20 to 0.60 are 0.40 on average, and 0.70 of the 50 test rows have the label" in said
    assert "no range is off" in limits(by_predicted=RANGES[:1])


def test_the_label_that_sets_miss_the_most_is_named() -> None:
    sets = [{"label": "a", "rows": 40, "coverage": 0.95}, {"label": "b", "rows": 9, "coverage": 0.33}]
    assert "Prediction sets miss the label b the most: 33 % of its 9 test rows have it." in limits(sets=sets)


def gap(feature: str, difference: float, low: float) -> dict[str, Any]:
    return {
        "feature": feature,
        "label": "yes",
        "measure": "recall",
        "groups": [{"value": "north", "rows": 30, "rate": 0.5}, {"value": "south", "rows": 30, "rate": 0.5 + difference}],
        "gap": {"least": "north", "greatest": "south", "difference": difference, "interval_95": [low, 0.6]},
    }


def test_groups_differ_where_the_interval_says_so() -> None:
    said = limits(fairness=[gap("region", 0.3, 0.1), gap("sex", 0.4, -0.1)])
    assert "the recall of yes is 0.50 where region is north and 0.80 where it is south" in said
    assert "difference, 95 % interval: 0.10 to 0.60" in said
    assert "No difference between groups" in limits(fairness=[gap("sex", 0.4, -0.1)])
    assert "roups" not in limits()


def test_without_a_diagnosis_nothing_is_said_of_it() -> None:
    assert describe_class_limits(None) == ()
