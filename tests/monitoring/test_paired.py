"""The differences of two models' predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.inference.model_info import Target
from recipeline.monitoring.paired import are_comparable, compare_predictions, names_of

NUMBER = Target("y")


def classes(*labels: Any, threshold: float | None = None) -> Target:
    """Return a target of classes: of two with a threshold."""
    if len(labels) == 2:
        return Target("y", task="binary", labels=labels, threshold=0.5 if threshold is None else threshold)
    return Target("y", task="multiclass", labels=labels)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=9))
def test_numbers_differ_by_their_difference(pairs: list[tuple[float, float]]) -> None:
    mine, theirs = np.array(pairs).T
    found = compare_predictions(mine, NUMBER, theirs, NUMBER)
    assert found.names == ("prediction",)
    assert found.agreed is None
    np.testing.assert_array_equal(found.signed[:, 0], theirs - mine)
    np.testing.assert_array_equal(found.absolute, np.abs(theirs - mine))


shares = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(lambda it: np.array(it) / sum(it))


@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=5), st.permutations("abcd"))
def test_labels_differ_by_half_the_sum_over_probabilities_in_whatever_order_they_are(
    pairs: list[tuple[np.ndarray, np.ndarray]], order: list[str]
) -> None:
    mine, theirs = (np.array(it) for it in zip(*pairs, strict=True))
    places = ["abcd".index(label) for label in order]
    found = compare_predictions(mine, classes(*"abcd"), theirs[:, places], classes(*order))
    np.testing.assert_allclose(found.signed, theirs - mine, atol=1e-12)
    np.testing.assert_allclose(found.absolute, np.abs(theirs - mine).sum(axis=1) / 2, atol=1e-12)
    assert found.agreed is not None
    said = [order[it] for it in theirs[:, places].argmax(axis=1)]  # of equal ones the first
    assert found.agreed.tolist() == [a == b for a, b in zip(["abcd"[it] for it in mine.argmax(axis=1)], said, strict=True)]
    assert (found.absolute <= 1 + 1e-12).all()


def test_a_label_that_only_one_of_them_has_counts_in_full() -> None:
    mine, theirs = np.array([[0.5, 0.5, 0.0]]), np.array([[0.1, 0.3, 0.0, 0.6]])
    found = compare_predictions(mine, classes(*"abc"), theirs, classes(*"abcd"))
    assert found.absolute.tolist() == pytest.approx([0.6])
    assert found.agreed is not None
    assert found.agreed.tolist() == [False]


def test_two_labels_are_decided_by_the_threshold_of_each_and_the_positive_one_may_be_the_other() -> None:
    found = compare_predictions(
        np.array([0.4, 0.4, 0.2]), classes("no", "yes", threshold=0.3), np.array([0.6, 0.2, 0.9]), classes("yes", "no")
    )
    np.testing.assert_allclose(found.signed, [[0, 0], [-0.4, 0.4], [0.1, -0.1]], atol=1e-12)
    assert found.agreed is not None
    assert found.agreed.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("other", "expected"),
    [(classes("no", "yes"), True), (classes("yes", "maybe", "no"), True), (classes("a", "b"), False), (NUMBER, False)],
)
def test_versions_are_comparable_where_they_have_a_label_in_common(other: Target, expected: bool) -> None:
    assert are_comparable(classes("no", "yes").codes, other.codes) is expected
    assert are_comparable(NUMBER.codes, NUMBER.codes)
    assert not are_comparable(NUMBER.codes, classes("prediction", "b").codes)
    assert names_of(other.codes)
