"""The modules of several projects in one process."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from recipeline.cli.isolation import ProjectModules


def write_module(folder: Path, name: str, value: str) -> Path:
    (folder / "mine").mkdir(parents=True, exist_ok=True)
    (folder / "mine" / f"{name}.py").write_text(f"VALUE = {value!r}\n", encoding="utf-8")
    return folder


def value_of(modules: ProjectModules, name: str = "mine.thing") -> str:
    with modules.importable():
        return str(importlib.import_module(name).VALUE)


def test_each_project_finds_its_own_module_of_the_same_name_also_again(tmp_path: Path) -> None:
    first, second = (ProjectModules(write_module(tmp_path / name, "thing", name)) for name in ("first", "second"))

    assert [value_of(modules) for modules in (first, second, first)] == ["first", "second", "first"]


def test_a_module_is_executed_once_per_project(tmp_path: Path) -> None:
    modules = ProjectModules(write_module(tmp_path, "thing", "before"))
    assert value_of(modules) == "before"
    write_module(tmp_path, "thing", "after")

    assert value_of(modules) == "before"


def test_outside_of_the_block_the_process_is_as_it_was_also_after_an_error(tmp_path: Path) -> None:
    modules = ProjectModules(write_module(tmp_path, "thing", "here"))
    path = list(sys.path)

    with pytest.raises(ModuleNotFoundError, match=r"mine\.other"):
        value_of(modules, "mine.other")

    assert sys.path == path
    assert not [name for name in sys.modules if name.startswith("mine")]


def test_the_library_and_what_is_installed_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "recipeline").mkdir()
    (tmp_path / "yaml").mkdir()
    library, yaml, errors = (sys.modules[name] for name in ("recipeline", "yaml", "recipeline.errors"))

    with ProjectModules(tmp_path).importable():
        assert (sys.modules["recipeline"], sys.modules["yaml"], sys.modules["recipeline.errors"]) == (library, yaml, errors)
