from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.datasets import make_regression
from sklearn.svm import SVR

from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import UnknownKindError
from recipeline.inference.compiled.kernels import KERNEL_ENTRIES, compile_kernel
from tests.inference.compiled.models import KERNELS, TARGET, compile_known, fit, label


def test_a_kernel_of_sparse_rows_is_none(rows: pd.DataFrame) -> None:
    features = rows.drop(columns=TARGET)
    assert (
        compile_model(SVR().fit(sparse.csr_matrix(features.to_numpy()), rows[TARGET]), Columns.of_numbers(list(features)))
        is None
    )


def test_a_kernel_far_from_the_origin_is_answered_to_the_sixth_digit() -> None:
    X, y = make_regression(60, 3, random_state=0)
    far = pd.DataFrame(X + 1e5, columns=list("abc"))
    model = SVR(C=10).fit(far, y)
    assert differences(compile_known(model, list("abc")), model, far, Columns.of_numbers("abc")) == ""


@pytest.mark.parametrize("model", KERNELS, ids=label)
def test_kernels_are_answered_to_the_sixth_digit(model: BaseEstimator, rows: pd.DataFrame, asked: pd.DataFrame) -> None:
    compiled = compile_known(fit(model, rows), list(asked))
    assert not compiled.exact
    assert differences(compiled, model, asked, Columns.of_numbers(list(asked))) == ""


def test_many_rows_are_asked_in_blocks_with_the_answers_of_one_by_one() -> None:
    X, y = make_regression(300, 3, random_state=0)
    model = SVR().fit(X, y)
    compiled = compile_kernel(model, ())
    many = np.tile(X, (3, 1))
    assert len(many) * len(model.support_vectors_) > 2 * KERNEL_ENTRIES
    np.testing.assert_allclose(compiled.predict(many), model.predict(many), rtol=1e-9)


def test_a_kernel_that_is_not_known_is_of_no_known_kind() -> None:
    X, y = make_regression(30, 2, random_state=0)
    with pytest.raises(UnknownKindError):
        compile_kernel(SVR(kernel="sigmoid").fit(X, y), ())
