"""Encoders as look-ups: the compiled form answers as the model does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from recipeline.config.recipe import Recipe
from recipeline.inference.columns import Columns
from recipeline.inference.compiled import encoders
from recipeline.inference.compiled.check import differences, random_rows
from recipeline.inference.compiled.compile import compile_model
from recipeline.training.candidates import build_candidate
from tests.conftest import as_recipe, small_recipe

ESTIMATORS = {
    "linear": "sklearn.linear_model.Ridge",
    "trees": "sklearn.tree.DecisionTreeRegressor",
    "boosted": "sklearn.ensemble.HistGradientBoostingRegressor",
    "kernel": "sklearn.svm.SVR",
}


def typed_rows(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=rows),
            "is_open": rng.integers(2, size=rows).astype(float),
            "city": pd.Series(rng.choice([f"c{n}" for n in range(12)], rows), dtype="str"),
            "shop": pd.Series(rng.choice(["x", "y", "007"], rows), dtype="str"),
            "day": (np.datetime64("2024-01-01", "us") + rng.integers(10**13, size=rows).astype("timedelta64[us]")).astype(
                "datetime64[us]"
            ),
        }
    )
    return frame.assign(quality=frame["size"] + frame["day"].dt.hour + (frame["shop"] == "x") + rng.normal(size=rows))


def recipe_of(estimator: str, preprocess: object) -> Recipe:
    types = {"size": "number", "is_open": "boolean", "city": "category", "shop": "category", "day": "datetime"}
    columns = {name: {"type": kind} for name, kind in types.items()} | {"quality": {}}
    candidate = {"alias": "a", "estimator": ESTIMATORS[estimator], "preprocess": preprocess}
    return as_recipe(small_recipe() | {"columns": columns, "candidates": {"A": candidate}})


@pytest.mark.parametrize("encoder", ["onehot", "ordinal", "target"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_model_of_typed_columns_has_a_compiled_form_that_answers_alike(estimator: str, encoder: str) -> None:
    scaled = ["sklearn.preprocessing.StandardScaler"]
    recipe = recipe_of(
        estimator, {"number": scaled, "category": encoder, "datetime": ["hour", "weekday", "month", "year", "elapsed"]}
    )
    rows = typed_rows()
    model = build_candidate(recipe, "A").fit(rows[list(recipe.features)], rows["quality"])
    columns = Columns.learn(recipe, rows)
    compiled = compile_model(model, columns)
    assert compiled is not None
    asked = pd.concat([rows[list(recipe.features)], random_rows(columns, rows=200, seed=0)], ignore_index=True)
    assert (columns.matrix(asked)[:, 2] == 12).any()  # a city that the model has not seen
    assert differences(compiled, model, asked, columns) == ""


def test_what_is_encoded_in_another_way_is_asked_as_ever() -> None:
    recipe = recipe_of("linear", {"category": ["sklearn.preprocessing.OneHotEncoder", "sklearn.preprocessing.StandardScaler"]})
    candidate = recipe.candidates["A"].model_copy()
    assert candidate.preprocess.components
    rows = typed_rows()
    encoder = {
        "estimator": "sklearn.preprocessing.OneHotEncoder",
        "params": {"sparse_output": False, "handle_unknown": "ignore"},
    }
    recipe = recipe_of("linear", {"category": [encoder, "sklearn.preprocessing.StandardScaler"]})
    model = build_candidate(recipe, "A").fit(rows[list(recipe.features)], rows["quality"])
    assert compile_model(model, Columns.learn(recipe, rows)) is None


@pytest.mark.parametrize(("most", "is_compiled"), [(13 * 15, True), (13 * 15 - 1, False)])
def test_an_encoder_of_too_many_answers_is_not_looked_up(monkeypatch: pytest.MonkeyPatch, most: int, is_compiled: bool) -> None:
    monkeypatch.setattr(encoders, "MOST_ANSWERS", most)
    recipe, rows = recipe_of("linear", {}), typed_rows()
    model = build_candidate(recipe, "A").fit(rows[list(recipe.features)], rows["quality"])
    assert (compile_model(model, Columns.learn(recipe, rows)) is not None) == is_compiled


def _joined(names: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"both": names["city"] + names["shop"]})


ONE_HOT = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
WORDS = ("words", ONE_HOT, ["shop"])


@pytest.mark.parametrize(
    ("changed", "is_compiled"),
    [
        (ColumnTransformer([("a", SimpleImputer(), ["size"]), WORDS]), True),
        (ColumnTransformer([("a", SimpleImputer(missing_values=-9.0), ["size"]), WORDS]), False),
        (ColumnTransformer([("a", make_pipeline(FunctionTransformer(np.log), SimpleImputer()), ["size"]), WORDS]), False),
        (ColumnTransformer([("a", "passthrough", ["size"]), WORDS], transformer_weights={"a": 2.0}), False),
        (ColumnTransformer([("a", make_pipeline(FunctionTransformer(_joined), ONE_HOT), ["city", "shop"]), WORDS]), False),
    ],
    ids=["nan", "minus_nine", "logarithm", "weights", "joined"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_compiled_form_answers_alike_or_there_is_none(changed: ColumnTransformer, is_compiled: bool) -> None:
    rows = typed_rows().assign(size=lambda it: it["size"].where(it.index % 7 > 0, -9.0))
    recipe = recipe_of("linear", {})
    columns, asked = Columns.learn(recipe, rows), rows[list(recipe.features)]
    model = make_pipeline(changed, Ridge()).fit(asked, rows["quality"])
    compiled = compile_model(model, columns)
    assert (compiled is not None) == is_compiled
    assert compiled is None or differences(compiled, model, asked, columns) == ""
