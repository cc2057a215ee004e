"""Each private part of scikit-learn in use, against the installed one."""

from __future__ import annotations

import subprocess
import sys
import types
from importlib import import_module

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Lasso, LinearRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR, NuSVR
from sklearn.tree import DecisionTreeRegressor

from recipeline.inference import _compat
from tests.conftest import ROOT

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(80, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + np.sin(X[:, 0])


def test_no_part_is_gone_from_the_installed_scikit_learn() -> None:
    for module, name, _ in _compat._PLACES.values():
        assert getattr(import_module(module), name, None) is not None, f"{module}.{name}"


def test_a_part_that_is_gone_is_what_stands_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_compat._PLACES, "moved", ("sklearn.no_such_module", "Tree", None))
    monkeypatch.setitem(_compat._PLACES, "renamed", ("sklearn.base", "NoSuchClass", ()))
    try:
        assert _compat.moved is None
        assert _compat.renamed == ()
    finally:
        del _compat.moved, _compat.renamed
    with pytest.raises(AttributeError, match="no attribute 'misspelt'"):
        _ = _compat.misspelt


def test_the_names_of_types_are_had_without_scikit_learn() -> None:
    code = "import sys; from recipeline.inference.trust import TREES; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_dask_is_out_of_reach_only_while_skops_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def refuse(name: str) -> None:
        seen.extend([name, sys.modules.get(_compat._DASK_ARRAYS, "there")])
        raise ImportError

    monkeypatch.setattr(_compat, "import_module", refuse)
    monkeypatch.delitem(sys.modules, "skops.io")
    monkeypatch.delitem(sys.modules, _compat._DASK_ARRAYS, raising=False)
    with pytest.raises(ImportError):
        _compat.import_skops()
    assert seen == ["skops.io", None]
    assert _compat._DASK_ARRAYS not in sys.modules
    kept = types.ModuleType("dask")
    monkeypatch.setitem(sys.modules, _compat._DASK_ARRAYS, kept)
    with pytest.raises(ImportError):
        _compat.import_skops()
    assert seen[2:] == ["skops.io", kept]
    assert sys.modules[_compat._DASK_ARRAYS] is kept


@pytest.mark.full
def test_skops_trusts_the_same_types_with_and_without_dask() -> None:
    importing = ("import skops.io", "from recipeline.inference._compat import import_skops; import_skops()")
    shown = "; import sys, skops.io._trusted_types as t; print('dask' in sys.modules, sorted(t.SKLEARN_ESTIMATOR_TYPE_NAMES))"
    (_, known), (has_dask, same) = (
        subprocess.check_output([sys.executable, "-c", code + shown], cwd=ROOT, text=True).split(" ", 1) for code in importing
    )
    assert same == known
    assert len(known) > 1000
    assert has_dask == "False"


@pytest.mark.parametrize("model", [RandomForestRegressor(2), HistGradientBoostingRegressor(max_iter=2)])
def test_trees_are_the_types_that_skops_does_not_trust_in_tree_models(model: object) -> None:
    found = skops.io.get_untrusted_types(data=skops.io.dumps(model.fit(X, Y)))
    assert found
    assert set(found) <= set(_compat.TREES)


def test_a_tree_made_of_the_parts_of_another_answers_and_finds_leaves_as_that_does() -> None:
    tree = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, Y).tree_
    assert isinstance(tree, _compat.Tree)
    nodes, values, depth = _compat.tree_parts(tree)
    assert (values.shape, depth) == ((len(nodes), 1, 1), tree.max_depth)
    made = _compat.make_tree(3, nodes, values[:, 0, 0], depth)
    rows = X.astype(np.float32)
    np.testing.assert_array_equal(made.predict(rows), tree.predict(rows))
    np.testing.assert_array_equal(made.apply(rows), tree.apply(rows))


def test_the_nodes_of_a_tree_have_the_fields_that_its_arrays_have_and_a_leaf_has_no_child() -> None:
    tree = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, Y).tree_
    nodes = _compat.tree_parts(tree)[0]
    for field, array in (
        (_compat.TREE.left, tree.children_left),
        (_compat.TREE.right, tree.children_right),
        (_compat.TREE.feature, tree.feature),
        (_compat.TREE.threshold, tree.threshold),
    ):
        np.testing.assert_array_equal(nodes[field], array)
    assert (nodes[_compat.TREE.left] < 0).sum() == tree.n_leaves


def test_predict_stages_adds_the_answers_of_boosted_trees() -> None:
    model = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, Y)
    stages = np.array([[_compat.Stage(tree.tree_)] for tree in model.estimators_[:, 0]], dtype=object)
    total = model.init_.predict(X).reshape(-1, 1)
    _compat.predict_stages(stages, X.astype(np.float32, order="C"), model.learning_rate, total)
    np.testing.assert_array_equal(total[:, 0], model.predict(X))


def test_the_trees_of_a_histogram_model_are_walked_one_by_one_and_added_to_its_baseline() -> None:
    model = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5, random_state=0).fit(X, Y)
    no_categories, no_places = np.zeros((0, 8), dtype=np.uint32), np.zeros(3, dtype=np.uint32)
    total = np.full(len(X), _compat.histogram_baseline(model))
    for nodes in _compat.histogram_nodes(model):
        answers = np.empty(len(X))
        _compat.predict_histogram_tree(nodes, X, no_categories, no_categories, no_places, 1, answers)
        total += answers
    np.testing.assert_array_equal(total, model.predict(X))


def test_the_nodes_of_a_histogram_model_lead_to_its_answers_by_their_fields() -> None:
    model = HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=5, random_state=0).fit(X, Y)
    (nodes,) = _compat.histogram_nodes(model)
    fields = _compat.HISTOGRAM

    def walk(row: np.ndarray) -> float:
        node = nodes[0]
        while not node[_compat.IS_LEAF]:
            assert not node[_compat.IS_CATEGORICAL]
            goes_left = row[node[fields.feature]] <= node[fields.threshold]
            node = nodes[node[fields.left if goes_left else fields.right]]
        return float(node[_compat.VALUE])

    np.testing.assert_array_equal([_compat.histogram_baseline(model) + walk(row) for row in X], model.predict(X))


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), Lasso()])
def test_a_linear_model_is_one_and_a_tree_is_none(model: object) -> None:
    assert isinstance(model, _compat.LinearModel)
    assert not isinstance(DecisionTreeRegressor(), _compat.LinearModel)


@pytest.mark.parametrize("kind", [SVR, NuSVR])
@pytest.mark.parametrize("gamma", ["scale", "auto", 0.25])
def test_the_gamma_of_a_kernel_is_the_number_that_its_parameter_stands_for(kind: type, gamma: str | float) -> None:
    expected = {"scale": 1 / (3 * X.var()), "auto": 1 / 3}.get(str(gamma), gamma)
    assert _compat.kernel_gamma(kind(gamma=gamma).fit(X, Y)) == pytest.approx(expected)


def test_a_kernel_tells_whether_its_rows_were_sparse() -> None:
    assert not _compat.was_fitted_to_sparse_rows(SVR().fit(X, Y))
    assert _compat.was_fitted_to_sparse_rows(SVR().fit(sparse.csr_matrix(X), Y))


def test_parameters_are_held_against_an_estimators_own_rules() -> None:
    model = DecisionTreeRegressor(max_depth=0)
    rules = _compat.parameter_rules(model)
    assert rules is not None
    _compat.validate_parameters(rules, DecisionTreeRegressor().get_params(deep=False), "DecisionTreeRegressor")
    with pytest.raises(ValueError, match="max_depth") as error:
        _compat.validate_parameters(rules, model.get_params(deep=False), "DecisionTreeRegressor")
    found = _compat.REFUSAL.fullmatch(" ".join(str(error.value).split()))
    assert found
    assert (found["param"], found["got"]) == ("max_depth", "0")
    assert found["rule"].startswith("must be an int in the range [1, inf)")


@pytest.mark.parametrize("without", [object(), StandardScaler])
def test_what_is_no_estimator_has_no_rules(without: object) -> None:
    assert _compat.parameter_rules(without) is None
