from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

from recipeline.config.table import Loader
from recipeline.data.origin.made import draw_rows, load_functions, load_rows
from recipeline.errors import UsageError
from tests.data.server import with_data

pytestmark = pytest.mark.usefixtures("functions")

TABLE = pd.DataFrame({"frame": [1.0, 2.0], "y": [3.0, 4.0]})


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Functions that make a table with a column `frame`, and such that make none."""
    (tmp_path / "makers.py").write_text(
        "import pandas as pd\n"
        "from sklearn.utils import Bunch\n"
        "def table(): return pd.DataFrame({'frame': [1.0, 2.0], 'y': [3.0, 4.0]})\n"
        "def none(): return None\n"
        "def series(): return table()['y']\n"
        "def empty_bunch(): return Bunch(data=[[1.0]])\n"
        "def all_names(path, where, takes, fix, params): return table()\n"
        "def fails(): raise TypeError('inside of the function')\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_bunch_gives_its_frame_and_a_table_itself_whatever_its_columns() -> None:
    recipe = with_data()
    loader = Loader(path="sklearn.datasets.load_diabetes", params={"as_frame": True, "scaled": False})
    assert load_rows(recipe, loader).equals(load_diabetes(as_frame=True, scaled=False).frame)
    assert load_rows(recipe, Loader(path="makers.table")).equals(TABLE)
    params = dict.fromkeys(("path", "where", "takes", "fix", "params"), 1)
    assert load_rows(recipe, Loader(path="makers.all_names", params=params)).equals(TABLE)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("makers.none", "which returned a NoneType, instead. Let it return one."),
        ("makers.series", "which returned a Series, instead. Let it return one."),
        ("makers.empty_bunch", "which returned a Bunch without one, instead. Set as_frame: true in its params."),
        ("sklearn.datasets.load_diabetes", "which returned a Bunch without one, instead."),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(path: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_rows(with_data(), Loader(path=path))
    assert "'data.loader.path' must return a DataFrame of pandas" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"loader": {"path": "makers.nothing"}}, "'data.loader.path' must be the import path of an installed object."),
        (
            {"loader": {"path": "makers.number"}},
            "'data.loader.path' must be a function that takes the parameters of the recipe.",
        ),
        ({"loader": {"path": "makers.table", "params": {"rows": 3}}}, "got an unexpected keyword argument 'rows'"),
        ({"synthetic": "makers.table"}, "'data.synthetic' must be a function that takes the parameters of the recipe."),
    ],
)
def test_a_function_that_cannot_be_called_so_is_refused_before_it_is_called(data: dict[str, Any], words: str) -> None:
    recipe = with_data(**data)
    with pytest.raises(UsageError) as caught:
        load_functions(recipe)
    assert words in str(caught.value)
    with pytest.raises(UsageError) as called:
        load_rows(recipe, recipe.data.loader) if recipe.data.loader else draw_rows(recipe, "makers.table")
    assert str(called.value) == str(caught.value)


def test_a_bug_of_the_function_keeps_its_traceback() -> None:
    with pytest.raises(TypeError, match="inside of the function"):
        load_rows(with_data(), Loader(path="makers.fails"))
