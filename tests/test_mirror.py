"""The tests lie as the library does: each module has its own, under its name."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import ROOT

LIBRARY, TESTS = ROOT / "recipeline", ROOT / "tests"
#: Modules, or folders of them, without a file of their name, and why.
EXEMPT = {
    "commands": "what a command does from end to end is what tests/scenarios are about",
    "__init__.py": "gives the version, which tests/cli/test_main.py asks for",
    "orchestration/step.py": "declares what a step is, and does nothing",
}


def place_of(module: Path) -> Path:
    """Return the file of a module's tests, both below their roots.

    `_compat` has them in `test_compat`.

    Column kinds of a room are tested together, its tasks as well, and so are the types of what rooms hand on: each of them in
    the same ways.
    """
    if module.name in ("results.py", "described.py"):
        return Path("test_records.py")
    if module.parent.name in ("kinds", "tasks"):
        return module.parent.with_name(f"test_{module.parent.name}.py")
    return module.with_name(f"test_{module.stem.strip('_')}.py")


def has_logic(path: Path) -> bool:
    """Whether a module defines a function or a class."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def is_exempt(module: Path) -> bool:
    return str(module) in EXEMPT or module.parts[0] in EXEMPT


def modules() -> list[Path]:
    return [path.relative_to(LIBRARY) for path in sorted(LIBRARY.rglob("*.py"))]


def test_every_module_with_logic_has_a_test_file_of_its_name() -> None:
    wanted = [place_of(module) for module in modules() if has_logic(LIBRARY / module) and not is_exempt(module)]
    assert [str(path) for path in wanted if not (TESTS / path).is_file()] == []


def test_every_test_file_of_a_room_names_a_module_or_a_folder_that_exists() -> None:
    rooms = [path.name for path in LIBRARY.iterdir() if (path / "__init__.py").is_file()]
    known = {place_of(module) for module in modules()}
    known |= {path.relative_to(LIBRARY).with_name(f"test_{path.name}.py") for path in LIBRARY.rglob("*") if path.is_dir()}
    found = [path.relative_to(TESTS) for room in rooms for path in sorted((TESTS / room).rglob("test_*.py"))]
    assert [str(path) for path in found if path not in known] == []


def test_what_is_exempt_exists() -> None:
    assert [name for name in EXEMPT if not (LIBRARY / name).exists()] == []
