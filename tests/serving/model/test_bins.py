from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.inference.model_info import Feature
from recipeline.monitoring.results import Baseline
from recipeline.monitoring.spread import describe_values
from recipeline.serving.model.bins import Bins
from tests.records import some

RANDOM = np.random.default_rng(0)
A, B, PREDICTED = (describe_values(RANDOM.normal(size=1000)) for _ in range(3))
BASELINE = some(Baseline, {"features": {"a": A, "b": B}, "prediction": PREDICTED})


@given(st.lists(st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=3, max_size=3), min_size=1, max_size=50))
def test_rows_are_counted_as_numpy_would_in_the_bins_of_the_baseline(rows: list[list[float]]) -> None:
    values = np.array(rows)
    expected = []
    for column, known in zip(values.T, [A, B, PREDICTED], strict=True):
        counts, _ = np.histogram(column[~np.isnan(column)], [-np.inf, *known.edges, np.inf])
        expected += counts.tolist()
    assert Bins(BASELINE, [Feature("a"), Feature("b")]).count(values[:, :2], values[:, 2]).tolist() == expected


def test_equal_shares_are_stable_and_of_few_values_nothing_is_said() -> None:
    bins = Bins(BASELINE, [Feature("a"), Feature("b")])
    reference = np.concatenate([A.counts, np.zeros(10), PREDICTED.counts])
    a, b, prediction = bins.stability(reference.astype(int))
    assert a == prediction == pytest.approx(0, abs=1e-6)
    assert b is None
