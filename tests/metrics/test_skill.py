from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, r2_score

from recipeline.metrics.skill import row_losses, skill_score
from tests.metrics.labels import Rows, labelled_rows

few = settings(max_examples=60, deadline=None)


@few
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_skill_of_numbers_is_r2_to_the_digit(seed: int, is_weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    target, predicted = rng.normal(5, 3, 20), rng.normal(5, 3, 20)
    weights = rng.uniform(0.1, 3, 20) if is_weighted else None
    assert skill_score(target, predicted, weights) == r2_score(target, predicted, sample_weight=weights)


@few
@given(labelled_rows(most_labels=2, both=True))
def test_the_skill_of_two_labels_is_the_same_from_one_column_and_from_both(rows: Rows) -> None:
    positive, said = rows.target[:, 1], rows.probabilities[:, 1]
    found = skill_score(positive, said, rows.weights)
    assert skill_score(rows.target, rows.probabilities, rows.weights) == pytest.approx(found)
    share = np.average(positive, weights=rows.weights)
    ours, theirs = (
        brier_score_loss(positive, it, sample_weight=rows.weights) for it in (said, np.full(len(said), share).clip(0, 1))
    )
    assert found == pytest.approx(1 - ours / theirs)


@few
@given(labelled_rows())
def test_the_skill_of_labels_is_r2_weighted_by_the_spread_of_each(rows: Rows) -> None:
    if len(set(rows.truth)) == rows.target.shape[1]:
        assert skill_score(rows.target, rows.probabilities, rows.weights) == pytest.approx(
            r2_score(rows.target, rows.probabilities, sample_weight=rows.weights, multioutput="variance_weighted")
        )


@few
@given(labelled_rows())
def test_perfect_probabilities_have_the_skill_one_and_the_shares_zero(rows: Rows) -> None:
    assert skill_score(rows.target, rows.target, rows.weights) == 1
    if len(set(rows.truth)) > 1:
        shares = np.broadcast_to(np.average(rows.target, axis=0, weights=rows.weights), rows.target.shape)
        assert skill_score(rows.target, shares, rows.weights) == pytest.approx(0, abs=1e-9)


def test_the_only_label_is_right_or_not() -> None:
    target = np.eye(3)[[1, 1]]
    assert skill_score(target, target) == 1
    assert skill_score(target, np.full((2, 3), 1 / 3)) == 0


@few
@given(labelled_rows())
def test_a_row_s_loss_is_the_sum_over_its_labels(rows: Rows) -> None:
    summed = sum(row_losses(rows.target[:, it], rows.probabilities[:, it]) for it in range(rows.target.shape[1]))
    assert row_losses(rows.target, rows.probabilities) == pytest.approx(summed)
