"""Calls with shared arguments."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Shared, run_call


def total(table: pd.DataFrame, rows: np.ndarray) -> float:
    return float(table["x"].iloc[rows].sum())


def place_of(values: np.ndarray) -> str:
    return str(getattr(values, "filename", None))


@given(rows=st.lists(st.integers(0, 9)), factor=st.floats(-5, 5))
@settings(max_examples=30)
def test_a_function_gets_the_value_of_a_shared_argument(rows: list[int], factor: float) -> None:
    table = pd.DataFrame({"x": np.arange(10.0) * factor})
    places = np.array(rows, dtype=int)
    assert run_call(total, (Shared(table), places)) == total(table, places)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_shared_arguments_arrive_as_they_are(n_jobs: int) -> None:
    table = Shared(pd.DataFrame({"x": np.arange(200_000.0)}))
    calls = [(total, (table, np.arange(number))) for number in range(1, 5)]
    assert list(LocalWorkers(n_jobs).map(calls)) == [0.0, 1.0, 3.0, 6.0]


def test_processes_of_this_machine_map_one_file_of_a_large_shared_array() -> None:
    shared = Shared(np.arange(1_000_000.0))
    places = set(LocalWorkers(2).map([(place_of, (shared,))] * 6))
    assert len(places) == 1
    assert places != {"None"}
