from __future__ import annotations

import importlib.util
import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import skops.io
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import StackingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from recipeline.errors import UsageError
from recipeline.inference import _boosters
from recipeline.inference._boosters import LIBRARIES, Library, booster_types, find_misplaced, lacking_library
from recipeline.inference.trust import TRUSTED, RefusedModel, read_skops, types_to_trust

X = np.arange(80.0).reshape(40, 2)
Y = X[:, 0] * 2


class Trees:
    """As the `Booster` of both libraries: a class that opens the file that it is told."""

    def __init__(self, rows: Any = None, model_file: str = "") -> None:
        self.mean = 0.0 if rows is None else float(np.mean(rows))
        if model_file:
            Path(model_file).touch()

    def fit(self, *_: Any) -> Trees:
        return self

    def predict(self, rows: Any) -> Any:
        return np.full(len(rows), self.mean)


class Boosted(RegressorMixin, BaseEstimator):
    """As an estimator of both libraries."""

    def fit(self, _: Any, target: Any) -> Boosted:
        self._Booster = Trees(target)
        self.scores: Any = defaultdict(OrderedDict)
        self.fitted_ = True
        return self

    def predict(self, rows: Any) -> Any:
        return self._Booster.predict(rows)


BOOSTED, TREES = f"{__name__}.Boosted", f"{__name__}.Trees"


@pytest.fixture(autouse=True)
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of boosters that is installed: the tests themselves."""
    known = Library((BOOSTED,), TREES, ("collections.OrderedDict",))
    monkeypatch.setattr(_boosters, "LIBRARIES", {**LIBRARIES, "tests": known})


def written(model: Any, path: Path, change: Callable[[str], str] = lambda text: text) -> Path:
    """Write a model, its schema changed."""
    skops.io.dump(model, path)
    with ZipFile(path) as file:
        names = {name: file.read(name) for name in file.namelist()}
    names["schema.json"] = change(names["schema.json"].decode()).encode()
    with ZipFile(path, "w") as file:
        for name, content in names.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "model",
    [
        Boosted(),
        make_pipeline(FunctionTransformer(np.log1p), Boosted()),
        StackingRegressor([("a", Boosted()), ("b", Boosted())], LinearRegression(), cv=2),
    ],
    ids=["alone", "pipeline", "stacking"],
)
def test_a_booster_is_read_back_and_answers_as_before(model: Any, tmp_path: Path) -> None:
    model.fit(X, Y)
    assert {*types_to_trust(model)} - TRUSTED == {BOOSTED, TREES, "collections.OrderedDict"}
    np.testing.assert_array_equal(read_skops(written(model, tmp_path / "m.skops")).predict(X), model.predict(X))


def with_trees_elsewhere() -> Any:
    model = Boosted().fit(X, Y)
    model.other = Trees()
    return model


def with_shared_trees() -> Any:
    model = Boosted().fit(X, Y)
    return make_pipeline(FunctionTransformer(kw_args={"trees": model._Booster}), model)


MISPLACED = {
    "a class that a transformer calls": lambda: FunctionTransformer(Trees),
    "a class that a partial calls": lambda: make_pipeline(FunctionTransformer(partial(Trees, model_file="harm")), Boosted()),
    "an estimator's class that is called": lambda: FunctionTransformer(Boosted),
    "the last step of a pipeline": lambda: make_pipeline(FunctionTransformer(), Trees()),
    "the whole model": Trees,
    "another attribute": with_trees_elsewhere,
    "an argument too": with_shared_trees,
}


@pytest.mark.parametrize("place", MISPLACED)
def test_trees_in_a_wrong_place_are_refused_before_anything_is_built(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, path = MISPLACED[place](), tmp_path / "m.skops"
    skops.io.dump(model, path)
    monkeypatch.setattr(skops.io, "load", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(RefusedModel, match=r"must have its trees inside of an estimator of their library\. Got tests") as error:
        read_skops(path)
    assert error.value.exit_code == 6
    with pytest.raises(UsageError, match=r"must be inside of an estimator of their library\. Got tests"):
        types_to_trust(model)
    assert not (tmp_path / "harm").exists()


def test_an_object_that_has_the_number_of_the_trees_is_refused_whatever_it_is_called(tmp_path: Path) -> None:
    def share(text: str) -> str:
        schema = json.loads(text)
        trees = schema["content"]["content"]["_Booster"]
        schema["content"]["content"]["scores"]["__id__"] = trees["__id__"]
        return json.dumps(schema)

    path = written(Boosted().fit(X, Y), tmp_path / "m.skops", share)
    with pytest.raises(RefusedModel, match=r"Got collections\.defaultdict instead"):
        read_skops(path)


def test_trees_of_another_library_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Library((BOOSTED,), f"{__name__}.Others"), Library((f"{__name__}.Other",), TREES, ("collections.OrderedDict",))
    monkeypatch.setattr(_boosters, "LIBRARIES", dict(zip(("tests", "recipeline"), own, strict=True)))
    assert find_misplaced(written(Boosted().fit(X, Y), tmp_path / "m.skops")) == TREES


def test_any_other_type_is_still_refused(tmp_path: Path) -> None:
    path = written(make_pipeline(FunctionTransformer(with_shared_trees), Boosted().fit(X, Y)), tmp_path / "m.skops")
    with pytest.raises(
        RefusedModel, match=r"types that are trusted\. Got tests\.inference\.test_boosters\.with_shared_trees inst"
    ):
        read_skops(path)


@pytest.mark.parametrize("method", ["predict", "fit"])
def test_the_method_of_a_booster_is_refused(method: str, tmp_path: Path) -> None:
    model = Boosted().fit(X, Y)
    for holder in (model, model._Booster):
        path = written(FunctionTransformer(getattr(holder, method)), tmp_path / "m.skops")
        with pytest.raises(RefusedModel, match=rf"Got tests\.inference\.test_boosters\.{type(holder).__name__} instead"):
            read_skops(path)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_that_is_not_installed_is_named_with_what_to_type(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_boosters, "_is_installed", lambda package: package == "tests")

    def cut(path: str) -> tuple[str, str, str]:
        return path.rpartition(".")

    def rename(text: str) -> str:
        for ours, theirs in ((BOOSTED, LIBRARIES[name].estimators[0]), (TREES, LIBRARIES[name].trees)):
            old, new = (f'"__class__": "{name}", "__module__": "{module}"' for module, _, name in map(cut, (ours, theirs)))
            assert old in text
            text = text.replace(old, new)
        return text

    model = Boosted().fit(X, Y)
    del model.scores
    path = written(model, tmp_path / "m.skops", lambda text: rename(json.dumps(json.loads(text))))
    assert not LIBRARIES[name].types & booster_types() - {"collections.OrderedDict"}
    with pytest.raises(
        RefusedModel, match=rf'The model needs the package {name}, which is not installed\. Type: make setup EXTRAS="{name}"\.'
    ):
        read_skops(path, name="The model")
    assert lacking_library([LIBRARIES[name].trees, "builtins.eval"]) == ""


def test_the_types_of_a_library_that_is_not_installed_are_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_boosters, "_is_installed", lambda _: False)
    assert booster_types() == frozenset()
    monkeypatch.setattr(_boosters, "_is_installed", lambda package: package == "xgboost")
    assert booster_types() == LIBRARIES["xgboost"].types


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_types_of_each_library_are_there_and_all_that_its_models_are_made_of(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f'no {name}: make setup-dev EXTRAS="{name}" installs it')
    for path in LIBRARIES[name].types:
        module, _, attribute = path.rpartition(".")
        assert isinstance(getattr(import_module(module), attribute), type)
    prefix = {"lightgbm": "LGBM", "xgboost": "XGB"}[name]
    quiet = {"verbose": -1} if name == "lightgbm" else {}
    for kind, target in (("Regressor", Y), ("Classifier", np.arange(40) % 2), ("Classifier", np.arange(40) % 3)):
        factory = getattr(import_module(name), f"{prefix}{kind}")
        model = factory(n_estimators=3, n_jobs=1, **quiet).fit(X, target)
        assert {*types_to_trust(model)} <= LIBRARIES[name].types
        loaded = read_skops(written(model, tmp_path / "m.skops"))
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        # The constructor would open a file.
        wrong = make_pipeline(FunctionTransformer(partial(type(loaded.__dict__["_Booster"]), model_file="harm")), model)
        with pytest.raises(RefusedModel, match=r"trees inside of an estimator of their library\. Got \w+\.\w+\.Booster"):
            read_skops(written(wrong, tmp_path / "wrong.skops"))
