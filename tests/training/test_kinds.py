"""Transformers of column types: parts of dates, and unseen categories."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from recipeline.config.candidate import Difference, Preprocess
from recipeline.training.kinds.datetime import Datetime
from recipeline.training.kinds.every import KINDS

DATES = st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=6)


def build_nothing(_: str, __: object) -> list[BaseEstimator]:
    return []


def transform(name: str, frame: pd.DataFrame, preprocess: Preprocess, fit: pd.DataFrame | None = None) -> np.ndarray:
    seen = frame if fit is None else fit
    parts = list(KINDS[name].parts(list(frame), preprocess, build_nothing, "continuous"))
    made = ColumnTransformer(parts, sparse_threshold=0.0).fit(seen, np.arange(len(seen)))
    return np.asarray(made.transform(frame), dtype=float)


@given(DATES)
def test_parts_of_a_date_are_those_of_pandas(dates: list[datetime]) -> None:
    frame = pd.DataFrame({"t": pd.Series(dates).astype("datetime64[us]")})
    found = transform("datetime", frame, Preprocess(datetime=("hour", "weekday", "month", "year", "elapsed")))
    of = frame["t"].dt
    days = np.floor((frame["t"] - pd.Timestamp(0)) / pd.Timedelta(days=1))
    expected = np.column_stack([of.hour, of.day_of_week, of.month, of.year - 1970, days]).astype(float)
    np.testing.assert_array_equal(found, expected)


def test_a_missing_date_has_missing_parts() -> None:
    frame = pd.DataFrame({"t": pd.Series(["2024-01-01", None], dtype="datetime64[us]")})
    found = transform("datetime", frame, Preprocess(datetime=("hour", "weekday", "month", "year", "elapsed")))
    assert np.isnan(found).tolist() == [[False] * 5, [True] * 5]


MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1))


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=9999)))
def test_a_difference_is_in_seconds(start: datetime, later: timedelta) -> None:
    frame = pd.DataFrame({"to": [start + later], "from": [start]}).astype("datetime64[us]")
    preprocess = Preprocess(datetime=(Difference(difference=("from", "to")),))
    ((_, part, names),) = Datetime().parts(list(frame), preprocess, build_nothing, "continuous")
    assert part.fit_transform(frame[names]).item() == pytest.approx(later.total_seconds(), abs=1e-3)


@pytest.mark.parametrize("encoder", ["onehot", "ordinal", "target"])
def test_an_encoder_takes_a_new_value_and_a_missing_one_whatever_stands_for_it(encoder: str) -> None:
    seen = pd.DataFrame({"c": pd.Series(["a", "b", None, "a", "b", "a"], dtype="str")})
    preprocess = Preprocess.model_validate({"category": encoder})
    new = pd.DataFrame({"c": pd.Series(["new", "other", None, np.nan], dtype="object")})
    found = transform("category", new, preprocess, fit=seen)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    np.testing.assert_array_equal(found[2], transform("category", seen, preprocess)[2])
