from __future__ import annotations

from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

from recipeline.config.import_path import import_object
from recipeline.errors import UsageError


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
