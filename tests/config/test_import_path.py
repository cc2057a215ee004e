from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

from recipeline.config import import_path
from recipeline.config.import_path import import_object, installed_distribution, setup_line
from recipeline.errors import UsageError
from tests.conftest import ROOT


def test_the_object_at_a_dotted_path_is_returned() -> None:
    assert import_object("sklearn.linear_model.LinearRegression", where="x") is LinearRegression


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        UsageError, match=r"^recipe\.yaml: 'candidates\.a' must be the import path.*Did you mean 'LinearRegression'\?"
    ):
        import_object("sklearn.linear_model.LinearRegresion", where="recipe.yaml: 'candidates.a'")


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("sklaern.linear_model.LinearRegression", "sklaern"),
        ("sklearn.linear.LinearRegression", "sklearn.linear"),
        ("sklearn.linear_model.LinearRegression.fit", "sklearn.linear_model.LinearRegression"),
    ],
)
def test_a_module_that_is_not_there_is_named(path: str, missing: str) -> None:
    with pytest.raises(UsageError, match=rf"'{path}', whose module '{missing}' cannot be found") as error:
        import_object(path, where="x")
    assert error.value.exit_code == 2


def test_a_module_that_is_there_but_lacks_one_itself_is_a_bug_and_not_the_recipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lacks_another.py").write_text("import no_such_module_at_all\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        import_object("lacks_another.draw", where="x")


@pytest.mark.parametrize("path", ["lightgbm.LGBMRegressor", "xgboost.sklearn.XGBRegressor"])
def test_a_library_that_is_an_extra_says_what_to_type(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = path.split(".")[0]

    def find(_: str) -> None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr("recipeline.config.import_path.importlib.import_module", find)
    with pytest.raises(UsageError, match=rf"'{package}' cannot be found, instead\. Type: make setup EXTRAS=\"{package}\"\."):
        import_object(path, where="x")


def test_the_extras_of_estimators_are_extras_of_the_library() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {*import_path._EXTRAS} <= declared.keys()
    for extra in import_path._EXTRAS:
        named = {re.split("[<>=;]", it)[0] for it in declared[extra]}
        assert named == {*import_path._DISTRIBUTIONS.get(extra, (extra,))}
        assert (ROOT / "requirements" / f"{extra}.txt").is_file()
        assert extra in setup_line(extra)


def test_a_distribution_has_the_name_that_it_is_installed_under(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"xgboost": "1.0", "scikit-learn": "1.9"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr("recipeline.config.import_path.metadata.version", version)
    assert installed_distribution("sklearn") == ("scikit-learn", "1.9")
    assert installed_distribution("xgboost") == ("xgboost", "1.0")
    versions["xgboost-cpu"] = "2.0"
    assert installed_distribution("xgboost") == ("xgboost-cpu", "2.0")
    assert installed_distribution("custom") is None


@pytest.mark.parametrize(
    "path", ["draw", "", ".", "..", ".draw", "custom..draw", "custom.draw.", "1.2", "a b.c", "custom.draw\n"]
)
def test_what_is_no_dotted_path_is_refused(path: str) -> None:
    with pytest.raises(
        UsageError, match=r"must be the import path of an installed object, as in package\.module\.name\. Got '"
    ):
        import_object(path, where="recipe.yaml: 'x'")
