from __future__ import annotations

import time
from typing import Any

import pytest
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVR, NuSVR

from recipeline.config.recipe import Recipe
from recipeline.errors import UsageError
from recipeline.training.scaling import KINDS, check_scaling, find_limit, find_unscalable
from tests.conftest import as_recipe, small_recipe


class OwnSVR(SVR):
    """An estimator of somebody's own that is a support vector machine."""


INSIDE: list[Any] = [
    lambda it: it,
    lambda it: make_pipeline(StandardScaler(), it),
    lambda it: VotingRegressor([("r", Ridge()), ("s", make_pipeline(StandardScaler(), it))]),
    lambda it: StackingRegressor([("r", Ridge())], final_estimator=it),
    lambda it: GridSearchCV(it, {}),
    lambda it: BaggingRegressor(it),
]


@pytest.mark.parametrize("inside", range(len(INSIDE)))
@pytest.mark.parametrize(
    ("estimator", "rows"),
    [
        *((it, 50_000) for it in (SVR(), OwnSVR(), NuSVR(), SVC())),
        (KernelRidge(), 10_000),
        *((it, 5_000) for it in (GaussianProcessRegressor(), GaussianProcessClassifier())),
    ],
)
def test_a_kernel_method_takes_so_many_rows_wherever_it_stands(estimator: Any, rows: int, inside: int) -> None:
    built = INSIDE[inside](estimator)
    assert find_limit(built, rows) is None
    name = type(estimator).__name__
    assert f"{name} takes {rows:,} at most, because it" in str(find_limit(built, rows + 1))


def test_what_scales_takes_any_number_of_rows() -> None:
    for estimator in (Ridge(), make_pipeline(StandardScaler(), LinearSVR())):
        assert find_limit(estimator, 10**9) is None


@pytest.mark.parametrize(("most", "rows"), [(1_000, 10**7), (0.01, 4_000_000)])
def test_bagging_of_few_rows_scales(most: float, rows: int) -> None:
    assert find_limit(BaggingRegressor(SVR(), max_samples=most), rows) is None
    assert find_limit(BaggingRegressor(SVR(), max_samples=1.0), rows)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """Candidates that scale, two that do not, and a mean with one of these."""
    content = small_recipe()
    content["candidates"] |= {
        "SVR": {"alias": "svr", "preprocess": ["sklearn.preprocessing.StandardScaler"], "estimator": "sklearn.svm.SVR"},
        "Kernel": {"alias": "kr", "estimator": "sklearn.kernel_ridge.KernelRidge"},
        "Mean": {"alias": "mean", "members": ["LinearRegression", "SVR"]},
    }
    return as_recipe(content)


def test_a_refusal_names_candidate_rows_limit_and_the_way_out(recipe: Recipe) -> None:
    with pytest.raises(UsageError) as refused:
        check_scaling(recipe, ["SVR"], 12_800_000)
    sentence = refused.value.sentence
    for words in ("'candidates.SVR'", "12,800,000 rows", "SVR takes 50,000 at most", "square", "engine.max_train_rows"):
        assert words in sentence


def test_a_mean_is_refused_by_its_member_and_all_faults_are_told_at_once(recipe: Recipe) -> None:
    started = time.process_time()
    with pytest.raises(UsageError, match=r"'candidates\.SVR' would be fitted to 60,000 rows"):
        check_scaling(recipe, ["Mean"], 60_000)
    with pytest.raises(UsageError, match="2 candidates cannot be fitted to 60,000 rows") as refused:
        check_scaling(recipe, list(recipe.candidates), 60_000)
    assert len(refused.value.details) == 2
    assert len(find_unscalable(recipe, list(recipe.candidates), 20_000)) == 1
    check_scaling(recipe, list(recipe.candidates), 10_000)
    check_scaling(recipe, ["LinearRegression", "DecisionTree"], 10**9)
    assert time.process_time() - started < 2  # nothing was fitted


def test_each_kind_has_a_limit_of_its_own() -> None:
    names = [name for kind in KINDS for name in kind.types]
    assert len(names) == len(set(names))
    assert len({kind.rows for kind in KINDS}) == len(KINDS)
