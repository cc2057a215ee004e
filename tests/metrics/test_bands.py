from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from recipeline.metrics.bands import BINS, resample_curves


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**16), st.integers(4, 200), st.sampled_from([0, 1, 3]))
def test_curves_are_scikit_learns_between_their_bands(seed: int, rows: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    target = (rng.random(rows) < 0.4).astype(float)
    target[:2] = [0, 1]
    scores = np.clip(0.3 * target + rng.random(rows) * 0.7, 0, 1).round(decimals)
    found = resample_curves(target, scores, np.arange(rows), seed=0, draws=50)
    assert found is not None
    roc, recalls = found
    rate, recall, _ = roc_curve(target, scores, drop_intermediate=False)
    inside = [(rate <= at).nonzero()[0][-1] for at in roc.x]
    after = np.minimum(np.array(inside) + 1, len(rate) - 1)
    assert np.all(roc.y <= recall[after] + 1e-9)
    assert np.all(roc.y[1:] >= recall[np.searchsorted(rate, roc.x[1:], side="left") - 1] - 1e-9)
    precision, at, _ = precision_recall_curve(target, scores)
    for x, y in zip(recalls.x[1:], recalls.y[1:], strict=True):
        assert y == pytest.approx(precision[at >= x - 1e-9][-1])
    for band in found:
        assert np.all(band.low <= band.y)
        assert np.all(band.y <= band.high)
        assert np.all((band.low >= 0) & (band.high <= 1))


def test_one_label_has_no_curve() -> None:
    for target in (np.zeros(10), np.ones(10)):
        assert resample_curves(target, np.linspace(0, 1, 10), np.arange(10), seed=0) is None


def test_a_constant_score_has_the_curves_of_no_skill() -> None:
    target = np.array([1.0, 0, 0, 0] * 10)
    found = resample_curves(target, np.full(40, 0.25), np.arange(40), seed=0)
    assert found is not None
    roc, recalls = found
    assert roc.y == pytest.approx(roc.x)
    assert recalls.y == pytest.approx(np.full(len(recalls.x), 0.25))


def test_a_single_group_has_no_band_and_copies_make_none_narrower() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random(80) < 0.5).astype(float)
    scores = 0.4 * target + 0.6 * rng.random(80)
    alone = resample_curves(target, scores, np.zeros(80), seed=0)
    assert alone is not None
    assert np.isnan(alone[0].low).all()
    once, copied = (
        resample_curves(np.repeat(target, times), np.repeat(scores, times), np.repeat(np.arange(80), times), seed=0)
        for times in (1, 10)
    )
    assert once is not None
    assert copied is not None
    assert copied[0].y == pytest.approx(once[0].y)
    assert (copied[0].high - copied[0].low).mean() == pytest.approx((once[0].high - once[0].low).mean(), rel=0.1)


def test_many_scores_are_binned_and_weights_count_as_copies() -> None:
    rng = np.random.default_rng(0)
    rows = 5 * BINS
    target = (rng.random(rows) < 0.1).astype(float)
    scores = np.clip(0.3 * target + rng.random(rows) * 0.7, 0, 1)
    found = resample_curves(target, scores, np.arange(rows), seed=0, draws=20)
    rate, recall, _ = roc_curve(target, scores)
    assert found is not None
    assert found[0].y == pytest.approx(np.interp(found[0].x, rate, recall), abs=0.02)
    few, weights = slice(0, 60), np.tile([1.0, 2.0], 30)
    weighted = resample_curves(target[few], scores[few], np.arange(60), seed=0, weights=weights, draws=20)
    copies = np.repeat(np.arange(60), weights.astype(int))
    copied = resample_curves(target[copies], scores[copies], copies, seed=0, draws=20)
    assert weighted is not None
    assert copied is not None
    assert weighted[0].y == pytest.approx(copied[0].y)
    assert weighted[1].high == pytest.approx(copied[1].high)
