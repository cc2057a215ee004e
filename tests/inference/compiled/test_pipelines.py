from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from recipeline.data.target_codes import TargetCodes
from recipeline.inference.columns import Columns
from recipeline.inference.compiled.check import differences
from recipeline.inference.compiled.compile import compile_model
from recipeline.inference.compiled.form import UnknownKindError
from recipeline.inference.compiled.pipelines import check_names, check_width, is_projected, parts_of
from recipeline.inference.model_info import Feature
from tests.classes import draw_classes


def test_what_passes_through_is_no_part() -> None:
    scaler, model = StandardScaler(), LinearRegression()
    assert parts_of(Pipeline([("a", "passthrough"), ("b", scaler), ("c", None), ("d", model)])) == [scaler, model]


def test_names_are_looked_for_inside_of_means_thresholds_and_pipelines() -> None:
    rows = draw_classes(["bad", "good"])
    X, y = rows[["x", "z"]], rows["y"].astype(str).to_numpy()
    inner = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    decided = FixedThresholdClassifier(inner, pos_label="good").fit(X, y)
    voting = VotingClassifier([("a", inner)], voting="soft").fit(X, y)
    mean = VotingRegressor([("a", LinearRegression())]).fit(X, X["x"])
    for model in (inner, decided, voting, mean):
        check_names(model, ["x", "z"])
        with pytest.raises(UnknownKindError):
            check_names(model, ["z", "x"])


def test_a_width_is_that_of_the_last_projection() -> None:
    model = LinearRegression().fit(np.zeros((3, 2)), np.arange(3.0))
    operations = ((np.subtract, np.zeros(5)), (np.matmul, np.zeros((5, 2))))
    assert check_width(model, 5, operations) == 2
    with pytest.raises(UnknownKindError):
        check_width(model, 5, operations[:1])
    assert is_projected(operations)
    assert not is_projected(operations[:1])


@pytest.mark.parametrize("labels", [("bad", "good"), ("a", "b", "c")])
def test_encoders_before_a_classifier_are_looked_up(labels: tuple[str, ...]) -> None:
    rows = draw_classes(list(labels))
    table = pd.DataFrame({"x": rows["x"], "city": pd.Series(np.where(rows["z"] > 0, "Cork", "Kiel"), dtype="str")})
    encode = ColumnTransformer(
        [("city", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]), ("x", StandardScaler(), ["x"])]
    )
    model = make_pipeline(encode, LogisticRegression()).fit(table, rows["y"].astype(str).to_numpy())
    city = Feature("city", type="category", categories=("Cork", "Kiel"), counts=(1, 1))
    columns, codes = Columns((Feature("x"), city)), TargetCodes("multiclass", labels)
    compiled = compile_model(model, columns, codes)
    assert compiled is not None
    assert compiled.kind == "linear"
    other = pd.DataFrame({"x": [0.3], "city": pd.Series(["Oslo"], dtype="str")})
    assert differences(compiled, model, pd.concat([table, other], ignore_index=True), columns, codes) == ""
