from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from recipeline.config.recipe import Recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.column_profile import describe_columns
from recipeline.data.kinds.number import BINS
from recipeline.data.results import ColumnProfile
from recipeline.records import read_record, to_plain


def test_the_column_profile_counts_copies_and_gives_units(wines: pd.DataFrame, recipe: Recipe) -> None:
    profile = describe_columns(validate_table(wines, recipe, origin="x"), recipe)
    assert profile.rows == 400
    assert profile.distinct_rows == len(wines.drop_duplicates())
    assert profile.columns["alcohol"].unit == "% vol"
    assert profile.columns["alcohol"].quantiles["1"] == wines["alcohol"].max()


def test_missing_values_are_left_out_and_counted(wines: pd.DataFrame, recipe: Recipe) -> None:
    holed = wines.assign(pH=wines["pH"].where(wines.index % 2 == 0))
    known = describe_columns(holed, recipe).columns["pH"]
    assert known.missing == 200
    assert known.mean == pytest.approx(holed["pH"].dropna().mean())
    assert sum(known.histogram.counts) == 200
    assert len(known.histogram.edges) == BINS + 1


def test_what_there_is_no_value_of_is_none_and_the_json_stays_plain(wines: pd.DataFrame, recipe: Recipe) -> None:
    profile = describe_columns(wines.assign(pH=float("nan"), alcohol=10.0), recipe)
    names, spearman = profile.correlations.columns, profile.correlations.spearman
    assert profile.columns["pH"].mean is None
    assert sum(profile.columns["pH"].histogram.counts) == 0
    assert set(spearman[names.index("alcohol")]) == {None}
    assert read_record(ColumnProfile, json.loads(json.dumps(to_plain(profile), allow_nan=False))) == profile


def test_values_without_a_number_between_them_are_one_bin(wines: pd.DataFrame, recipe: Recipe) -> None:
    close = [1e16, np.nextafter(1e16, np.inf)] * 200
    assert describe_columns(wines.assign(pH=close), recipe).columns["pH"].histogram.counts == (400,)
