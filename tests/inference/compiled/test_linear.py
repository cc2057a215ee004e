from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.form import UnknownKindError
from recipeline.inference.compiled.linear import linear_form, linear_operations
from tests.inference.compiled.models import LINEAR, TARGET, compile_known, fit, label


@pytest.mark.parametrize("model", LINEAR, ids=label)
def test_linear_models_are_answered_to_the_sixth_digit(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    assert not compiled.exact
    assert differences(compiled, model, asked, Columns.of_numbers(list(asked))) == ""


@pytest.mark.parametrize("scaler", [StandardScaler(), RobustScaler(), MinMaxScaler(), MaxAbsScaler()], ids=label)
def test_a_scaler_does_the_same_to_the_last_bit(scaler: BaseEstimator, rows: pd.DataFrame) -> None:
    values = rows.drop(columns=TARGET).to_numpy()
    found = values
    for operation, operand in linear_operations(scaler.fit(values)):
        found = operation(found, operand)
    np.testing.assert_array_equal(found, scaler.transform(values))


def test_a_projection_is_told_apart_by_the_columns_that_it_leaves(rows: pd.DataFrame) -> None:
    (multiply, axes), (subtract, _) = linear_operations(PCA(3).fit(rows))
    assert (multiply, subtract) == (np.matmul, np.subtract)
    assert axes.shape == (rows.shape[1], 3)


def test_what_is_no_known_scaler_is_of_no_known_kind() -> None:
    for other in (FunctionTransformer(), MinMaxScaler(clip=True)):
        with pytest.raises(UnknownKindError):
            linear_operations(other)


def test_operations_and_a_product_are_one_product() -> None:
    operations = ((np.subtract, np.array([1.0, 2.0])), (np.multiply, np.array([2.0, 4.0])))
    compiled = linear_form([3.0, 0.5], 7.0, operations)
    assert compiled.predict(np.array([[1.0, 2.0], [2.0, 4.0]])).tolist() == [7.0, 17.0]
    assert compiled.is_light
    with pytest.raises(UnknownKindError):
        linear_form([[1.0], [2.0]], 0.0, ())
