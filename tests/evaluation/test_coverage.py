from __future__ import annotations

import numpy as np
import pytest

from recipeline.data.relating.relations import Relations
from recipeline.evaluation.coverage import measure_coverage
from recipeline.evaluation.results import MeasuredInterval


def test_coverage_is_the_share_of_rows_inside() -> None:
    inside = np.array([True, True, False, True])
    measured = MeasuredInterval(level=0.9, coverage=0.75, mean_width=2.5, rows=4)
    assert measure_coverage(inside, 2.5, 0.9, Relations(np.arange(4))) == measured


def test_coverage_of_clustered_rows_has_the_standard_error_of_a_mean_of_clusters() -> None:
    """For clusters that are inside as wholes, it is that of a mean of so many values."""
    inside = np.repeat([1, 1, 0, 1, 0], 8).astype(bool)
    found = measure_coverage(inside, 1.0, 0.9, Relations(np.repeat(np.arange(5), 8), "site"))
    assert (found.coverage, found.clusters) == (0.6, 5)
    assert found.coverage_std_error == pytest.approx(np.std([1, 1, 0, 1, 0], ddof=1) / np.sqrt(5))
    alone = measure_coverage(inside, 1.0, 0.9, Relations(np.zeros(40), "site"))
    assert alone.coverage_std_error is None
