from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.inference.prediction_set import PredictionSet, fit_set


def draw(rows: int, labels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn from their probabilities, which a model knows."""
    rng = np.random.default_rng(seed)
    said = rng.dirichlet(np.full(labels, 0.7), rows)
    drawn = (rng.random(rows)[:, None] > said.cumsum(axis=1)).sum(axis=1).clip(max=labels - 1)
    return np.eye(labels)[drawn], said


@pytest.mark.parametrize("labels", [2, 5])
def test_new_rows_are_covered_as_often_as_the_level_says(labels: int) -> None:
    shares = []
    for seed in range(40):
        target, said = draw(400, labels, seed)
        found = fit_set(target[:200], said[:200])
        shares.append((found.members(said[200:]) * target[200:]).any(axis=1).mean())
    assert 0.88 < np.mean(shares) < 0.93


@settings(max_examples=30, deadline=None)
@given(st.integers(10, 60), st.integers(2, 5), st.integers(0, 1000))
def test_a_set_covers_the_rows_that_it_was_fitted_to_and_is_never_empty(rows: int, labels: int, seed: int) -> None:
    target, said = draw(rows, labels, seed)
    found = fit_set(target, said)
    members = found.members(said)
    assert (members * target).any(axis=1).mean() >= 0.9 - 1e-9
    assert members.any(axis=1).all()


def test_few_rows_give_sets_of_all_labels() -> None:
    target, said = draw(5, 3, 0)
    assert fit_set(target, said) == PredictionSet(0.9, 0.0)
    assert fit_set(target, said).members(said).all()


def test_new_groups_need_larger_sets_than_new_rows() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 30)
    shift = rng.normal(0, 0.35, 20)[groups]
    p = np.clip(0.5 + shift, 0.02, 0.98)
    target = np.column_stack([rng.random(600) >= p, np.zeros(600)])
    target[:, 1] = 1 - target[:, 0]
    said = np.full((600, 2), 0.5) + rng.normal(0, 0.05, (600, 1)) * [1, -1]
    assert fit_set(target, said, groups=groups).least <= fit_set(target, said).least
