"""A task is one name with one implementation in each of its rooms.

Nothing outside asks which one it is.
"""

from __future__ import annotations

import ast
import importlib
import re
from typing import get_args

import pytest

from recipeline.config.tasks import TaskName
from tests.conftest import ROOT

LIBRARY = ROOT / "recipeline"
ROOMS = sorted(str(path.parent.relative_to(LIBRARY)) for path in LIBRARY.rglob("tasks") if (path / "every.py").is_file())
NAMES = get_args(TaskName)


def test_the_rooms_that_tasks_touch_have_them() -> None:
    assert {"metrics", "data", "inference", "training", "evaluation", "reports", "serving"} <= {*ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_has_every_task_by_its_name_in_a_module_of_that_name(room: str) -> None:
    tasks = importlib.import_module(f"recipeline.{room}.tasks.every").TASKS
    assert tuple(tasks) == NAMES
    for name, task in tasks.items():
        assert type(task).__module__ == f"recipeline.{room}.tasks.{name}"


def asks_for_a_task(node: ast.AST) -> bool:
    """Whether a comparison has the name of a task on one side."""
    if isinstance(node, ast.MatchValue):
        return isinstance(node.value, ast.Constant) and node.value.value in NAMES
    if not isinstance(node, ast.Compare):
        return False
    sides = [node.left, *node.comparators]
    return any(isinstance(it, ast.Constant) and it.value in NAMES for side in sides for it in ast.walk(side))


def test_nothing_outside_of_tasks_asks_which_task_it_is() -> None:
    found = {
        str(path.relative_to(LIBRARY))
        for path in LIBRARY.rglob("*.py")
        if path.parent.name != "tasks" and any(map(asks_for_a_task, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == set()


@pytest.mark.parametrize("code", ["task == 'binary'", "recipe.task in ('binary', 'multiclass')", "'regression' != it.task"])
def test_asking_is_found(code: str) -> None:
    assert any(map(asks_for_a_task, ast.walk(ast.parse(code))))


def test_the_playground_has_every_task_by_its_name_in_a_module_of_that_name() -> None:
    folder = LIBRARY / "serving/static/playground"
    every = (folder / "tasks/every.js").read_text(encoding="utf-8")
    assert tuple(re.findall(r'^  \["(\w+)", new \w+\(\)\],$', every, re.MULTILINE)) == NAMES
    assert re.findall(r'from "\./(\w+)\.js"', every) == sorted(NAMES)


def test_nothing_of_the_playground_asks_which_task_it_is() -> None:
    asks = re.compile(rf"""(?:[=!]==? *|\bcase )["'](?:{"|".join(NAMES)})["']""")
    sources = {path.name: path.read_text(encoding="utf-8") for path in (LIBRARY / "serving/static/playground").rglob("*.js")}
    assert {name for name, text in sources.items() if asks.search(text)} == set()
