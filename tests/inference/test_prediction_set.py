from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.inference.by_value import ByColumn, OfValue
from recipeline.inference.prediction_set import PredictionSet, fit_set
from recipeline.records import read_record, to_plain


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


@pytest.mark.parametrize("rows", [1, 5, 8, 9, 10, 18, 19, 30])
def test_rows_that_are_groups_of_their_own_give_the_set_of_rows(rows: int) -> None:
    target, said = draw(rows, 3, 0)
    for level in (0.8, 0.9):
        assert fit_set(target, said, groups=np.arange(rows), level=level) == fit_set(target, said, level=level)


def test_few_groups_give_sets_of_all_labels() -> None:
    target, said = draw(400, 3, 0)
    assert fit_set(target, said, groups=np.arange(400) % 5).members(said).all()


def test_new_groups_need_larger_sets_than_new_rows() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 30)
    shift = rng.normal(0, 0.35, 20)[groups]
    p = np.clip(0.5 + shift, 0.02, 0.98)
    target = np.column_stack([rng.random(600) >= p, np.zeros(600)])
    target[:, 1] = 1 - target[:, 0]
    said = np.full((600, 2), 0.5) + rng.normal(0, 0.05, (600, 1)) * [1, -1]
    assert fit_set(target, said, groups=groups).least <= fit_set(target, said).least


def test_each_label_has_the_level_where_it_is_asked_for() -> None:
    """The third label is rare: sets of the average row leave it out."""
    rng = np.random.default_rng(0)

    def draw_rare(rows: int) -> tuple[np.ndarray, np.ndarray]:
        said = rng.dirichlet([4, 4, 0.6], rows)
        drawn = (rng.random(rows)[:, None] > said.cumsum(axis=1)).sum(axis=1).clip(max=2)
        return np.eye(3)[drawn], said

    (target, said), (fresh, asked) = draw_rare(6000), draw_rare(6000)
    shares = {}
    for for_each_label in (False, True):
        inside = (fit_set(target, said, level=0.8, for_each_label=for_each_label).members(asked) * fresh).any(axis=1)
        shares[for_each_label] = [inside[fresh[:, label] == 1].mean() for label in range(3)]
    assert min(shares[False]) < 0.7
    assert shares[True] == pytest.approx([0.8] * 3, abs=0.06)


def test_a_label_of_too_few_rows_is_in_every_set() -> None:
    target, said = np.eye(3)[[0] * 30 + [1] * 30 + [2] * 5], np.full((65, 3), 1 / 3)
    assert fit_set(target, said, for_each_label=True).by_label[2] == 0
    assert fit_set(target[:60], said[:60], for_each_label=True).by_label[2] == 0


def test_a_set_by_column_uses_the_least_probability_of_the_row_s_value() -> None:
    by = ByColumn("region", 1, (OfValue("a", 0.0, 30, 0.3, 1.0), OfValue("b", 1.0, 30, 0.05, 1.0)))
    found = PredictionSet(0.9, 0.2, by=by)
    said = np.tile([0.7, 0.25, 0.05], (3, 1))
    features = np.array([[5.0, 0.0], [5.0, 1.0], [5.0, 9.0]])
    assert found.members(said, features).sum(axis=1).tolist() == [1, 3, 2]
    assert found.members(said).sum(axis=1).tolist() == [3, 3, 3]  # without the value the sets are larger, never smaller
    assert read_record(PredictionSet, to_plain(found)) == found
    assert list(to_plain(PredictionSet(0.9, 0.2))) == ["level", "least"]
