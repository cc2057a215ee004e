"""A column kind is one name with one implementation in each of its rooms.

Nothing outside asks which one it is.
"""

from __future__ import annotations

import ast
import importlib
import re
from typing import get_args

import pytest

from recipeline.config.table import ColumnType
from tests.conftest import ROOT

LIBRARY = ROOT / "recipeline"
ROOMS = sorted(str(path.parent.relative_to(LIBRARY)) for path in LIBRARY.rglob("kinds") if (path / "every.py").is_file())
NAMES = get_args(get_args(ColumnType)[0])
#: Modules outside of `kinds` that compare a column's type, and why.
ALLOWED = {
    "config/checking/references.py": "differences, and an embargo that is a duration, are of dates",
    "data/checking/schema.py": "a target of whole numbers is int64, which scikit-learn's metrics of grades want",
    "evaluation/tasks/regression.py": "grades are whole numbers of the target",
}


def test_the_rooms_that_columns_touch_have_kinds() -> None:
    assert ROOMS == ["data", "inference", "monitoring", "reports", "serving", "training"]


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_every_kind_by_its_name(room: str) -> None:
    kinds = importlib.import_module(f"recipeline.{room}.kinds.every").KINDS
    assert tuple(kinds) == NAMES


def test_the_playground_has_every_kind_by_its_name_in_a_module_of_that_name() -> None:
    folder = LIBRARY / "serving/static/playground"
    every = (folder / "kinds/every.js").read_text(encoding="utf-8")
    assert tuple(re.findall(r'^  \["(\w+)", new \w+\(\)\],$', every, re.MULTILINE)) == NAMES
    assert re.findall(r'from "\./(\w+)\.js"', every) == sorted((*NAMES, "other"))


def test_nothing_of_the_playground_asks_which_kind_a_column_is() -> None:
    asks = re.compile(rf"""(?:\btype *[=!]==?|\bcase) *["'](?:{"|".join(NAMES)})["']""")
    sources = {path.name: path.read_text(encoding="utf-8") for path in (LIBRARY / "serving/static/playground").rglob("*.js")}
    assert {name for name, text in sources.items() if asks.search(text)} == {"regression.js"}  # grades are whole numbers


def asks_for_a_kind(node: ast.AST) -> bool:
    """Whether a comparison has a kind's name on one side, `.type` on the other."""
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    named = {it.value for side in sides for it in ast.walk(side) if isinstance(it, ast.Constant)} & set(NAMES)
    return bool(named) and any(isinstance(it, ast.Attribute) and it.attr == "type" for side in sides for it in ast.walk(side))


def test_nothing_outside_of_kinds_asks_which_kind_a_column_is() -> None:
    found = {
        str(path.relative_to(LIBRARY))
        for path in LIBRARY.rglob("*.py")
        if path.parent.name != "kinds" and any(map(asks_for_a_kind, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == set(ALLOWED)
