"""Rows that compiled models are fitted to and asked for; nobody changes them."""

from __future__ import annotations

import pandas as pd
import pytest
from sklearn.ensemble import (
    RandomForestRegressor,
)

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import random_rows
from recipeline.inference.compiled.form import Compiled
from recipeline.inference.model_info import Feature
from tests.inference.compiled.models import TARGET, compile_known, fit, forest


@pytest.fixture(scope="session")
def rows(wines: pd.DataFrame) -> pd.DataFrame:
    """80 wines, every column a float."""
    return wines.head(80).astype(float)


@pytest.fixture(scope="session")
def asked(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows to ask for: random ones, and those that the models were fitted to."""
    features = rows.drop(columns=TARGET)
    drawn = random_rows(
        Columns(tuple(Feature(name, train_min=features[name].min(), train_max=features[name].max()) for name in features)),
        rows=120,
        seed=1,
    )
    return pd.concat([drawn, features], ignore_index=True)


@pytest.fixture(scope="session")
def fitted_forest(rows: pd.DataFrame) -> tuple[RandomForestRegressor, Compiled]:
    """A forest and its compiled form."""
    model = fit(forest(n_estimators=30), rows)
    return model, compile_known(model, list(model.feature_names_in_))
