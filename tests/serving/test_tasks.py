from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recipeline.inference.interval import Interval
from recipeline.inference.model_info import ModelInfo, Target
from recipeline.inference.prediction_set import PredictionSet
from recipeline.serving.tasks.base import Task
from recipeline.serving.tasks.every import TASKS
from tests.classes import TARGETS

#: A target of each task and each type of label, the positive one last.
LABELS: list[tuple[str, str, tuple[Any, ...]]] = [
    ("binary", "category", ("bad", "good")),
    ("binary", "boolean", (False, True)),
    ("binary", "integer", (2, 1)),
    ("multiclass", "category", ("a", "b", "c")),
    ("multiclass", "integer", (-3, 5, 70)),
]


def of(task: str, kind: str, labels: tuple[Any, ...], **changes: Any) -> Task:
    target = Target("y", kind, task=task, labels=labels, threshold=0.3 if task == "binary" else None)
    return TASKS[task].of(ModelInfo(target, (), **{"prediction_set": PredictionSet(0.9, 0.25)} | changes), None)


def number(kind: str = "number", interval: Interval | None = None, **limits: Any) -> Task:
    return TASKS["regression"].of(ModelInfo(Target("y", kind, **limits), ()), interval)


def shares(labels: int, task: str) -> st.SearchStrategy[np.ndarray]:
    """Return predictions of a task: probabilities of one label or of all."""
    if task == "binary":
        return arrays(float, st.integers(1, 5), elements=st.floats(0, 1))
    raw = arrays(float, st.tuples(st.integers(1, 5), st.just(labels)), elements=st.floats(0.01, 1))
    return raw.map(lambda it: it / it.sum(axis=1, keepdims=True))


def schema_of(task: Task) -> Any:
    """Return a validator of an answer's fields, but for the model's identity."""
    fields = {"predictions": {"type": "array", "items": task.item()}, **task.always(), **task.asked()}
    return jsonschema_rs.validator_for(
        {
            "type": "object",
            "properties": fields,
            "required": ["predictions", *task.always()],
            "additionalProperties": False,
            "components": {"schemas": task.components()},
        }
    )


def plain(answer: Any) -> Any:
    """Return what a client reads."""
    return json.loads(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))


def test_labels_of_every_type_are_tried() -> None:
    assert {(task, column["type"]) for task, targets in TARGETS.items() for column, _, _ in targets} == {
        (task, kind) for task, kind, _ in LABELS
    }


@pytest.mark.parametrize(("name", "kind", "labels"), LABELS)
@given(data=st.data())
def test_labels_are_answered_in_the_users_own_words_with_probabilities_that_sum_to_1(
    name: str, kind: str, labels: tuple[Any, ...], data: st.DataObject
) -> None:
    task, predicted = of(name, kind, labels), data.draw(shares(len(labels), name))
    found = plain({**task.answer(predicted), **task.grant({"set"}, predicted, np.zeros((len(predicted), 1)))})
    assert found["predictions"] == plain(task.say(predicted)) == task.info.target.say(predicted).tolist()
    assert {type(it) for it in found["predictions"]} <= {type(labels[0])}
    for row in found["probabilities"]:
        assert list(row) == [json.dumps(label).strip('"') for label in labels]
        assert sum(row.values()) == pytest.approx(1, abs=1e-12)
    texts, threshold = task.info.target.codes.texts, task.info.target.threshold
    by_label = [dict(zip(labels, (row[text] for text in texts), strict=True)) for row in found["probabilities"]]
    for row, said, inside in zip(by_label, found["predictions"], found["set"]["labels"], strict=True):
        decided = max(labels, key=lambda it: row[it]) if threshold is None else labels[row[labels[1]] >= threshold]
        assert said == decided
        assert max(row, key=lambda it: row[it]) in inside
        assert {label for label, share in row.items() if share >= 0.25} <= set(inside) <= set(labels)
    assert schema_of(task).is_valid(found)


@pytest.mark.parametrize(("name", "kind", "labels"), LABELS)
def test_the_schema_of_an_answer_knows_the_labels(name: str, kind: str, labels: tuple[Any, ...]) -> None:
    task = of(name, kind, labels)
    predicted = np.array([0.5]) if name == "binary" else np.array([[0.5, 0.3, 0.2]])
    answer, schema = plain(task.answer(predicted)), schema_of(task)
    assert schema.is_valid(answer)
    others: list[Any] = ["worse", 71, 1.5, None] if kind != "boolean" else ["true", 1, None]
    for other in others:
        assert not schema.is_valid(answer | {"predictions": [other]})
    (row,) = answer["probabilities"]
    for wrong in ({**row, "worse": 0.1}, dict([*row.items()][1:]), dict.fromkeys(row, 1.1)):
        assert not schema.is_valid(answer | {"probabilities": [wrong]})


@pytest.mark.parametrize(("name", "kind", "labels"), LABELS)
def test_a_line_of_the_log_has_the_label_and_its_probabilities(name: str, kind: str, labels: tuple[Any, ...]) -> None:
    task = of(name, kind, labels)
    predicted = np.array([0.25, 0.5]) if name == "binary" else np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    answer = task.answer(predicted)
    assert [*task.log(predicted)] == [
        {"label": label, "probabilities": found}
        for label, found in zip(answer["predictions"], answer["probabilities"], strict=True)
    ]


def test_numbers_are_answered_and_logged_as_they_are() -> None:
    predicted, task = np.array([1.5, np.nan, 7.25]), number("integer", Interval(0.9, "constant", -1.0, 2.0), max=7)
    found = plain({**task.answer(predicted), **task.grant({"interval", "grade"}, predicted[[0, 2]], np.zeros((2, 1)))})
    assert found["predictions"] == [1.5, None, 7.25]
    assert found["interval"] == {"level": 0.9, "lower": [0.5, 6.25], "upper": [3.5, 9.25]}
    assert found["grade"] == [2, 7]
    assert schema_of(task).is_valid(found)
    assert [*task.log(predicted[[0, 2]])] == [{"prediction": 1.5}, {"prediction": 7.25}]


def test_a_wish_is_granted_where_the_version_has_what_it_takes() -> None:
    assert [*number().granted] == []
    assert [*number("integer", Interval(0.9, "constant", -1.0, 2.0)).granted] == ["interval", "grade"]
    for name, kind, labels in LABELS:
        assert [*of(name, kind, labels).granted] == ["set"]
        assert of(name, kind, labels, prediction_set=None).lacks("set") == "This version has no prediction set."


@pytest.mark.parametrize("name", TASKS)
def test_a_model_of_which_nothing_is_known_may_answer_anything_of_its_task(name: str) -> None:
    schema = schema_of(TASKS[name])
    for known in (of(*it) for it in LABELS if it[0] == name):
        predicted = np.array([0.5]) if name == "binary" else np.array([[0.5, 0.3, 0.2]])
        assert schema.is_valid(plain(known.answer(predicted)))
    assert not schema.is_valid({"predictions": [[]]})
