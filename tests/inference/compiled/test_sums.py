"""Linear models of typed columns as one sum of products and look-ups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from recipeline.data.target_codes import NUMBERS, TargetCodes
from recipeline.inference.asking import ask_model
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.model_info import Feature

NUMBERS_BY = {
    "as they are": lambda: "passthrough",
    "standard": StandardScaler,
    "imputed, robust": lambda: make_pipeline(SimpleImputer(strategy="median"), RobustScaler()),
    "log, min-max": lambda: make_pipeline(FunctionTransformer(np.log1p), MinMaxScaler()),
    "scaled, square": lambda: make_pipeline(MaxAbsScaler(), FunctionTransformer(np.square)),
    "dropped": lambda: "drop",
}
CATEGORIES_BY = {
    "one-hot": lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    "one-hot but the first": lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False, drop="first"),
    "ordinal": lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    "target": lambda: TargetEncoder(cv=3, random_state=0),
}
MODELS: dict[str, tuple[BaseEstimator, TargetCodes]] = {
    "least squares": (LinearRegression(), NUMBERS),
    "behind a projection": (make_pipeline(PCA(2), Ridge()), NUMBERS),
    "two classes": (LogisticRegression(max_iter=20), TargetCodes("binary", ("no", "yes"))),
    "three classes": (LogisticRegression(max_iter=20), TargetCodes("multiclass", ("a", "b", "c"))),
}


def draw_table(rng: np.random.Generator, rows: int, numbers: int, sizes: list[int]) -> pd.DataFrame:
    """Return columns of non-negative numbers, and of text by category counts."""
    drawn: dict[str, Any] = {f"n{place}": rng.gamma(2, 10.0 ** rng.integers(-2, 4), rows) for place in range(numbers)}
    for place, size in enumerate(sizes):
        drawn[f"c{place}"] = pd.Series(np.array([f"v{it}" for it in range(size)])[rng.integers(size, size=rows)], dtype="str")
    return pd.DataFrame(drawn)


def columns_of(table: pd.DataFrame, sizes: list[int]) -> Columns:
    """Return the columns of a table; each of text has one unseen category."""
    numbers = [Feature(name) for name in table if name.startswith("n")]
    texts = [
        Feature(f"c{place}", type="category", categories=tuple(f"v{it}" for it in range(size + 1)))
        for place, size in enumerate(sizes)
    ]
    return Columns((*numbers, *texts))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([*MODELS]),
    st.lists(st.sampled_from([*NUMBERS_BY]), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from([*CATEGORIES_BY]), st.integers(1, 5)), max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_a_linear_model_of_any_typed_table_is_answered_to_twelve_digits(
    model: str, numbers: list[str], categories: list[tuple[str, int]], seed: int
) -> None:
    """For all encoders, one row and many, with categories it has not seen."""
    rng, sizes = np.random.default_rng(seed), [size for _, size in categories]
    table, (estimator, codes) = draw_table(rng, 60, len(numbers) + 1, sizes), MODELS[model]
    parts = [("kept", "passthrough", ["n0"])]  # also where all others are dropped
    parts += [(f"n{place}", NUMBERS_BY[how](), [f"n{place}"]) for place, how in enumerate(numbers)]
    parts += [(f"c{place}", CATEGORIES_BY[how](), [f"c{place}"]) for place, (how, _) in enumerate(categories)]
    target = table["n0"] + rng.normal(size=60)
    if codes.labels:
        target = pd.qcut(target, len(codes.labels), labels=list(codes.labels)).astype("str")
    encoder = ColumnTransformer([parts[place] for place in rng.permutation(len(parts))])
    if "projection" in model and sum(it[1] != "drop" for it in parts) < 2:
        encoder = ColumnTransformer([("all", StandardScaler(), list(table)[: len(numbers) + 1])])
    fitted = make_pipeline(encoder, estimator).fit(table, target)
    columns = columns_of(table, sizes)
    compiled = compile_model(fitted, columns, codes)
    assert compiled is not None
    asked = columns.matrix(draw_table(rng, 40, len(numbers) + 1, sizes))
    for place, size in enumerate(sizes, len(numbers) + 1):
        asked[::5, place], asked[1::5, place] = size, size + 1  # a category that had no row, and one that nobody knows
    expected = ask_model(fitted, columns.frame(asked), codes)
    alone = np.concatenate([compiled.predict(row[None]) for row in asked])
    # Terms that cancel each other leave their rounding behind, in the model's answer as in this one.
    error = 1e-12 * size_of_terms(fitted, columns.frame(asked))
    np.testing.assert_allclose(compiled.predict(asked), expected, rtol=1e-12, atol=error)
    np.testing.assert_allclose(alone, expected, rtol=1e-12, atol=error)


def size_of_terms(fitted: Pipeline, rows: pd.DataFrame) -> float:
    """Return the largest sum of a row's terms, each without its sign."""
    encoder, last = fitted[0], fitted[-1]
    slope, model = np.eye(encoder.transform(rows).shape[1]), last
    if isinstance(last, Pipeline):
        slope, model = last[0].components_.T, last[-1]
    slope = np.abs(slope @ np.atleast_2d(model.coef_).T)
    return float((np.abs(encoder.transform(rows)) @ slope).max() + np.abs(slope).max() + np.abs(model.intercept_).max())
