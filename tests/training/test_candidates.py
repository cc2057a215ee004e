from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import (
    BaggingRegressor,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators
from sklearn.utils.validation import check_is_fitted

from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError
from recipeline.training import candidates
from recipeline.training.candidates import (
    assemble_model,
    average_members,
    build_candidate,
    components_of,
    packages_of,
    seed_estimator,
)
from tests.conftest import as_recipe, small_recipe

MEMBERS = ["ElasticNet", "DecisionTree", "LinearRegression"]


def with_candidate(**candidate: Any) -> Recipe:
    content = small_recipe()
    content["candidates"]["New"] = {"alias": "new"} | candidate
    return as_recipe(content)


@pytest.fixture
def with_mean() -> Recipe:
    """The small recipe, and the mean of its candidates."""
    return with_candidate(members=MEMBERS)


def test_a_candidate_is_its_estimator_behind_its_preprocessing(recipe: Recipe) -> None:
    built = build_candidate(recipe, "ElasticNet")
    assert isinstance(built, Pipeline)
    assert [type(step) for _, step in built.steps] == [StandardScaler, ElasticNet]
    assert built.named_steps["elasticnet"].alpha == 0.1
    assert isinstance(build_candidate(recipe, "LinearRegression"), LinearRegression)


def test_a_candidate_has_the_seed_of_the_recipe(recipe: Recipe) -> None:
    other = recipe.model_copy(update={"random_state": 7})
    assert build_candidate(recipe, "DecisionTree").random_state == 42
    assert build_candidate(other, "DecisionTree").random_state == 7
    assert build_candidate(other, "ElasticNet").get_params()["elasticnet__random_state"] == 7


def test_a_seed_is_set_at_any_depth_and_leaves_explicit_ones_alone() -> None:
    inner = make_pipeline(StandardScaler(), DecisionTreeRegressor())
    seeded = seed_estimator(BaggingRegressor(inner, random_state=3), 7)
    params = seeded.get_params(deep=True)
    assert params["estimator__decisiontreeregressor__random_state"] == 7
    assert params["random_state"] == 3
    zero = seed_estimator(RandomForestRegressor(random_state=0), 7)
    assert zero.random_state == 0


def test_an_explicit_seed_in_the_recipe_is_kept() -> None:
    recipe = with_candidate(estimator="sklearn.tree.DecisionTreeRegressor", params={"random_state": 3})
    assert build_candidate(recipe, "New").random_state == 3


def test_a_mean_is_a_voting_regressor_of_its_members_in_order(with_mean: Recipe) -> None:
    built = build_candidate(with_mean, "New")
    assert isinstance(built, VotingRegressor)
    assert [name for name, _ in built.estimators] == MEMBERS


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (
            {"estimator": "sklearn.linear_model.Ridge", "params": {"alfa": 1}},
            ["recipe.yaml: 'candidates.New.params.alfa' is not a parameter", "Did you mean 'alpha'?", "fit_intercept"],
        ),
        (
            {"estimator": "sklearn.linear_model.Ridge", "params": {"alpha": "much"}},
            ["recipe.yaml: 'candidates.New.params.alpha' must be a float", "Got 'much' instead. Correct it in recipe.yaml."],
        ),
        (
            {"estimator": "sklearn.linear_model.Ridge", "search": {"space": {"alpha": {"uniform": [-1, 1]}}}},
            ["'candidates.New.search.space.alpha' must be a float in the range [0.0, inf)", "Got -0.999998 instead"],
        ),
        (
            {"estimator": "sklearn.linear_model.Ridge", "search": {"space": {"solver": {"choice": ["svd", "sdv"]}}}},
            ["'candidates.New.search.space.solver' must be a str among", "Got 'sdv' instead"],
        ),
        (
            {"estimator": "sklearn.linear_model.Ridge", "search": {"space": {"alpa": {"choice": [1.0]}}}},
            ["'candidates.New.search.space.alpa' is not a parameter of the candidate. Did you mean 'alpha'?"],
        ),
        (
            {"estimator": "sklearn.tree.DecisionTreeRegressor", "preprocess": ["sklearn.linear_model.Ridge"]},
            ["'candidates.New.preprocess.number.0' must be a transformer. Got 'sklearn.linear_model.Ridge' instead."],
        ),
        ({"estimator": "sklearn.linear_model.Rigde"}, ["'candidates.New.estimator'", "Did you mean 'Ridge'?"]),
        ({"estimator": "nowhere.Ridge"}, ["'candidates.New.estimator'", "'nowhere'"]),
        ({"estimator": "builtins.dict"}, ["must name a scikit-learn estimator", "'builtins.dict'"]),
        (
            {"estimator": "sklearn.linear_model.Ridge", "preprocess": ["sklearn.preprocessing.StandardScalar"]},
            ["'candidates.New.preprocess.number.0.estimator'", "StandardScaler"],
        ),
    ],
)
def test_a_candidate_that_cannot_be_built_is_named_with_its_fault(candidate: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        build_candidate(with_candidate(**candidate), "New")
    for word in words:
        assert word in error.value.sentence


def test_of_scikit_learns_estimators_the_regressors_are_taken_and_what_predicts_something_else_is_refused() -> None:
    taken, refused = set(), dict[str, str]()
    for name, factory in all_estimators():
        if not hasattr(factory, "predict") or any(it.default is it.empty for it in signature(factory).parameters.values()):
            continue  # it takes another estimator
        try:
            build_candidate(with_candidate(estimator=f"{factory.__module__}.{name}"), "New")
        except UsageError as error:
            refused[name] = error.sentence
        else:
            taken.add(name)
    assert {name for name, _ in all_estimators("regressor")} >= taken > {"Ridge", "SVR", "BaggingRegressor", "PLSRegression"}
    for name in ("LogisticRegression", "RidgeClassifier", "DummyClassifier", "KMeans", "IsolationForest", "GaussianMixture"):
        assert "'candidates.New.estimator' must be a regressor" in refused[name]
        assert f"{name}' instead" in refused[name]


def test_an_estimator_that_does_not_say_what_it_is_is_taken() -> None:
    assert build_candidate(with_candidate(estimator=f"{__name__}.Untold"), "New").predict([[1.0]]) == [0.0]


class Untold(BaseEstimator):
    """An estimator of one's own, without RegressorMixin."""

    def fit(self, _: Any, __: Any) -> Untold:
        return self

    def predict(self, rows: Any) -> list[float]:
        return [0.0] * len(rows)


@pytest.mark.parametrize(
    ("estimator", "space"),
    [
        ("sklearn.svm.SVR", {"C": {"uniform": [0, 10]}}),
        ("sklearn.ensemble.RandomForestRegressor", {"max_features": {"uniform": [0, 1]}}),
        ("sklearn.linear_model.QuantileRegressor", {"quantile": {"uniform": [0, 1]}}),
    ],
)
def test_a_limit_that_is_never_drawn_may_be_one_that_the_estimator_would_refuse(estimator: str, space: dict[str, Any]) -> None:
    candidate = with_candidate(estimator=estimator, search={"space": space})
    assert next(iter(space)) in build_candidate(candidate, "New").get_params()


class OwnRules(Ridge):
    """Its own check needs the rows, and is none of ours."""

    def _validate_params(self, _features: object, _target: object) -> None:
        raise AssertionError


def test_an_estimator_with_a_check_of_its_own_is_left_to_it() -> None:
    recipe = with_candidate(estimator=f"{__name__}.OwnRules", params={"alpha": 2.0})
    assert build_candidate(recipe, "New").alpha == 2.0


def refuses(alpha: float) -> None:
    raise ValueError(f"alpha must be even, not {alpha}")


def test_what_a_factory_refuses_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="alpha must be even"):
        build_candidate(with_candidate(estimator=f"{__name__}.refuses", params={"alpha": 1.0}), "New")


def test_members_are_fitted_instead_of_a_mean_and_each_once(with_mean: Recipe) -> None:
    assert components_of(with_mean, ["New"]) == MEMBERS
    assert components_of(with_mean, ["DecisionTree", "New"]) == ["DecisionTree", "ElasticNet", "LinearRegression"]
    assert components_of(with_mean, []) == []


@pytest.fixture(scope="module")
def assembled(wines: pd.DataFrame) -> tuple[VotingRegressor, VotingRegressor, pd.DataFrame]:
    """A mean of fitted members, the same of scikit-learn, and unseen rows."""
    recipe = with_candidate(members=MEMBERS)
    features, target = wines[list(recipe.features)], wines[recipe.target].to_numpy()
    fitted = {name: build_candidate(recipe, name).fit(features[:300], target[:300]) for name in MEMBERS}
    return (
        assemble_model(recipe, "New", fitted),
        build_candidate(recipe, "New").fit(features[:300], target[:300]),
        features[300:],
    )


def test_the_assembled_mean_predicts_exactly_what_a_fitted_one_does(
    assembled: tuple[VotingRegressor, VotingRegressor, pd.DataFrame],
) -> None:
    ours, theirs, unseen = assembled
    assert np.abs(ours.predict(unseen) - theirs.predict(unseen)).max() == 0
    assert list(ours.feature_names_in_) == list(theirs.feature_names_in_)
    assert ours.n_features_in_ == theirs.n_features_in_
    np.testing.assert_array_equal(ours.transform(unseen), theirs.transform(unseen))


def test_the_assembled_mean_can_be_cloned_into_an_unfitted_one_with_the_same_parameters(
    assembled: tuple[VotingRegressor, VotingRegressor, pd.DataFrame],
) -> None:
    ours, theirs, _ = assembled
    copy = clone(ours)
    for _, member in copy.estimators:
        with pytest.raises(NotFittedError):
            check_is_fitted(member)
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)

    def plain(model: VotingRegressor) -> dict[str, Any]:
        values = model.get_params(deep=True).items()
        return {key: value for key, value in values if isinstance(value, str | int | float | bool | None)}

    assert plain(copy) == plain(ours) == plain(theirs)
    assert plain(copy)["DecisionTree__max_depth"] == 6


def test_the_assembled_mean_holds_each_fitted_member_once(
    assembled: tuple[VotingRegressor, VotingRegressor, pd.DataFrame],
) -> None:
    ours, _, _ = assembled
    assert not hasattr(ours, "named_estimators_")
    for _, member in ours.estimators:
        with pytest.raises(NotFittedError):
            check_is_fitted(member)
    for member in ours.estimators_:
        check_is_fitted(member)


def test_a_clone_of_the_assembled_mean_fits_to_the_same_model(
    assembled: tuple[VotingRegressor, VotingRegressor, pd.DataFrame], wines: pd.DataFrame, recipe: Recipe
) -> None:
    ours, _, unseen = assembled
    again = clone(ours).fit(wines[list(recipe.features)][:300], wines[recipe.target][:300])
    np.testing.assert_array_equal(again.predict(unseen), ours.predict(unseen))


def test_a_candidate_without_members_is_its_own_fitted_model(recipe: Recipe) -> None:
    model = LinearRegression()
    assert assemble_model(recipe, "LinearRegression", {"LinearRegression": model}) is model


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 3), min_size=1, max_size=20))
def test_averaged_members_lie_between_their_least_and_their_greatest(rows: list[tuple[float, ...]]) -> None:
    table = np.array(rows)
    recipe = with_candidate(members=MEMBERS)
    mean = average_members(recipe, "New", {name: table[:, i] for i, name in enumerate(MEMBERS)})
    slack = 1e-9 * np.abs(table).max()
    assert (mean >= table.min(axis=1) - slack).all()
    assert (mean <= table.max(axis=1) + slack).all()
    np.testing.assert_array_equal(average_members(recipe, "ElasticNet", {"ElasticNet": table[:, 0]}), table[:, 0])


def test_the_packages_of_a_candidate_are_those_of_its_parts_and_members() -> None:
    content = small_recipe()
    content["candidates"]["Own"] = {"alias": "own", "preprocess": ["mine.Scale"], "estimator": "theirs.models.Fit"}
    content["candidates"]["Mean"] = {"alias": "mean", "members": ["Own", "ElasticNet"]}
    recipe = as_recipe(content)
    assert packages_of(recipe, "Own") == {"mine", "theirs"}
    assert packages_of(recipe, "ElasticNet") == {"sklearn"}
    assert packages_of(recipe, "Mean") == {"mine", "theirs", "sklearn"}


class Booster(DecisionTreeRegressor):
    """Takes any parameter, as those of LightGBM and XGBoost do."""

    def __init__(self, **params: Any) -> None:
        self.given = params
        super().__init__()


@pytest.mark.parametrize(
    ("path", "params", "expected"),
    [
        (
            "lightgbm.LGBMRegressor",
            {"num_leaves": 7},
            {"num_leaves": 7, "n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbose": -1},
        ),
        (
            "lightgbm.LGBMRegressor",
            {"num_threads": 2, "verbosity": 1, "force_col_wise": True, "deterministic": False},
            {"num_threads": 2, "verbosity": 1, "force_col_wise": True, "deterministic": False},
        ),
        ("xgboost.XGBRegressor", {"max_depth": 3}, {"max_depth": 3, "n_jobs": 1}),
        ("xgboost.XGBRegressor", {"n_jobs": 4}, {"n_jobs": 4}),
        ("other.Regressor", {"max_depth": 3}, {"max_depth": 3}),
    ],
)
def test_a_booster_has_one_thread_and_is_silent_unless_the_recipe_says_otherwise(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, path: str, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    monkeypatch.setattr("recipeline.training.candidates.import_object", lambda *_, **__: Booster)
    assert candidates._construct(recipe, path, params, "x").given == expected


@pytest.mark.parametrize(("path", "is_wrapped"), [("xgboost.XGBClassifier", True), ("lightgbm.LGBMClassifier", False)])
def test_labels_are_numbered_for_a_classifier_that_accepts_nothing_else(
    monkeypatch: pytest.MonkeyPatch, path: str, is_wrapped: bool
) -> None:
    monkeypatch.setattr("recipeline.training.candidates._DEFAULTS", {})
    monkeypatch.setattr("recipeline.training.candidates.import_object", lambda *_, **__: DecisionTreeClassifier)
    content = small_recipe() | {"task": "multiclass", "target": "quality"}
    content["columns"]["quality"] = {"type": "category", "values": ["a", "b", "c"]}
    content |= {"metrics": {}, "gates": {"validation_criteria": []}, "promotion": {}, "monitoring": {}}
    content["candidates"] = {"New": {"alias": "new", "estimator": path, "params": {"max_depth": 2}}}
    built = build_candidate(as_recipe(content), "New")
    rows = pd.DataFrame({"x": np.arange(9.0)})
    built.fit(rows, np.array(["a", "b", "c"] * 3))
    assert isinstance(built, VotingClassifier) == is_wrapped
    assert {*built.predict(rows)} <= {"a", "b", "c"}
    member = built.estimators_[0] if is_wrapped else built
    assert member.get_params()["max_depth"] == 2
    assert member.random_state == content["random_state"]
    assert member.classes_.tolist() == ([0, 1, 2] if is_wrapped else ["a", "b", "c"])
