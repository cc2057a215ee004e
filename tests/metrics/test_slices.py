from __future__ import annotations

import numpy as np

from recipeline.metrics.slices import in_slice


def test_a_slice_holds_its_limits_and_an_open_one_all_beyond() -> None:
    target = np.array([3.0, 4.0, 5.0])
    assert in_slice(target, 4.0, 5.0).tolist() == [False, True, True]
    assert in_slice(target, None, 4.0).tolist() == [True, True, False]
    assert in_slice(target, 5.0, None).tolist() == [False, False, True]
    assert in_slice(target, None, None).all()
    assert not in_slice(target, 5.0, 4.0).any()
