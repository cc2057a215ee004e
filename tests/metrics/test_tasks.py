from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as theirs

from recipeline.metrics.catalogue import METRICS, NEEDS, list_further
from recipeline.metrics.skill import row_losses
from recipeline.metrics.tasks.every import TASKS
from tests.metrics.labels import Rows, labelled_rows

few = settings(max_examples=40, deadline=None)


def some(task: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a target and predictions of a task, as codes."""
    rng = np.random.default_rng(1)
    if task == "regression":
        return rng.normal(size=40), rng.normal(size=40)
    if task == "binary":
        return rng.integers(2, size=40).astype(float), rng.random(40)
    return np.eye(3)[rng.integers(3, size=40)], rng.dirichlet(np.ones(3), 40)


def test_every_task_of_the_catalogue_is_here() -> None:
    assert list(TASKS) == list(METRICS)


@pytest.mark.parametrize("task", TASKS)
def test_scores_and_intervals_are_of_the_metrics_of_the_catalogue(task: str) -> None:
    target, predicted = some(task)
    names = [metric.name for metric in METRICS[task]]
    scores = TASKS[task].score(target, predicted)
    intervals = TASKS[task].intervals(target, predicted, np.arange(40), draws=100, seed=0)
    assert sorted(scores) == sorted(intervals) == sorted(names)
    assert all(low <= high for low, high in intervals.values())


@pytest.mark.parametrize("task", TASKS)
def test_a_row_s_error_has_one_number(task: str) -> None:
    target, predicted = some(task)
    assert TASKS[task].row_errors(target, predicted).shape == (40,)
    assert (TASKS[task].row_errors(target, target) == 0).all()


@few
@given(labelled_rows(most_labels=2, both=True), st.floats(0, 1))
def test_two_labels_score_the_same_as_one_column_and_as_two(rows: Rows, threshold: float) -> None:
    positive, said = rows.target[:, 1], rows.probabilities[:, 1]
    one = TASKS["binary"].score(positive, said, rows.weights, threshold)
    decided = (said >= threshold).astype(int)
    assert one["f1"] == pytest.approx(theirs.f1_score(rows.truth, decided, sample_weight=rows.weights, zero_division=0))
    if (decided == rows.probabilities.argmax(axis=1)).all():
        two = TASKS["multiclass"].score(rows.target, rows.probabilities, rows.weights)
        assert one == pytest.approx(two, nan_ok=True)
    assert TASKS["binary"].row_errors(positive, said) == pytest.approx(row_losses(rows.target, rows.probabilities) / 2)


def test_functions_of_further_metrics_are_those_of_scikit_learn() -> None:
    target, predicted = np.array([1.0, 2.0, 5.0]), np.array([1.5, 1.0, 6.0])
    task = TASKS["regression"]
    assert task.function("rmsle")(target, predicted) == theirs.root_mean_squared_log_error(target, predicted)
    assert task.function("median_absolute_error")(target, predicted) == 1.0
    assert task.function("pinball_0.9")(target, predicted) == pytest.approx(0.9 * 1.0 / 3 + 0.1 * 1.5 / 3)
    own = [name for name in list_further("regression") if name not in [it.name for it in METRICS["regression"]]]
    assert all(callable(task.function(name)) for name in own)
    with pytest.raises(KeyError):
        TASKS["binary"].function("rmsle")


@pytest.mark.parametrize(("task", "needs"), [(task, needs) for task, all_of in NEEDS.items() for needs in all_of])
def test_what_a_function_needs_is_what_it_gets(task: str, needs: str) -> None:
    target, predicted = some(task)
    labels = () if task == "regression" else ("no", "yes") if task == "binary" else ("a", "b", "c")
    true, said = TASKS[task].given(needs, target, predicted, 0.3, labels)
    if needs == "labels":
        assert set(true.tolist()) | set(said.tolist()) == set(labels)
        places = (predicted >= 0.3).astype(int) if task == "binary" else predicted.argmax(axis=1)
        assert said.tolist() == [labels[place] for place in places]
    else:
        assert true is target
        assert said is predicted
