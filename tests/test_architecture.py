"""The documents name files and definitions that exist.

ARCHITECTURE.md has every room, docs/questions.md every question.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from grimp import build_graph

from recipeline import artifacts
from tests.conftest import ROOT

MAPS = (
    "ARCHITECTURE.md",
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(it.relative_to(ROOT)) for it in (ROOT / "docs").rglob("*.md")),
)
QUESTIONS = (
    "Where are folds made?",
    "What decides a promotion?",
    "Where would a new metric go?",
    "What do I own?",
    "What may I change and keep upgrading?",
    "Which systems work?",
    "Where does an error sentence come from?",
    "What makes a step run again?",
    "Where is a command added?",
    "Where do I look when the service refuses a version?",
)
LIBRARY = ROOT / "recipeline"
#: The longest that a module may be, in lines, and those that may be longer, with the reason.
LONGEST = 320
LONG = {"project.py": "the API of notebooks: a third of it is docstrings that help() shows"}
#: Files of runs, which look like files of the project.
ARTIFACTS = {it.name for it in vars(artifacts).values() if isinstance(it, artifacts.Artifact)}
#: `path`, or `path: name`, in backticks: with a slash, or a file of the project's own folder.
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|py|toml|txt|ya?ml)|MLproject|Makefile)(?:: ([\w.]+))?`")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def names_in(tree: ast.AST, prefix: str = "") -> set[str]:
    """Return the names that a module defines, those of its classes with a dot."""
    found: set[str] = set()
    for node in getattr(tree, "body", []):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            found |= names_in(node, f"{prefix}{node.name}.")
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            found |= {prefix + it.id for it in ast.walk(target) if isinstance(it, ast.Name)}
    return found


def keys_in(content: Any, prefix: str = "") -> set[str]:
    """Return the keys of nested mappings, joined by dots."""
    if not isinstance(content, dict):
        return set()
    return {f"{prefix}{key}" for key in content}.union(*(keys_in(it, f"{prefix}{key}.") for key, it in content.items()))


@cache
def defined(path: Path) -> set[str]:
    """Return the names that a file defines, of settings its keys."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return names_in(ast.parse(text))
    return keys_in(tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text))


@cache
def made() -> frozenset[str]:
    """Return the folders that commands make, which no checkout has."""
    return frozenset(line for line in read(".gitignore").splitlines() if line.endswith("/"))


def wrong_places(text: str) -> list[str]:
    """Return a line per place that a text names and that is not there."""
    faults = []
    for path, name in PATH.findall(text):
        place = ROOT / path
        if not place.exists() and path not in ARTIFACTS and path not in made():
            faults.append(f"{path} does not exist")
        elif name and (not place.is_file() or name not in defined(place)):
            faults.append(f"{path} does not define {name}")
    return faults


def wrong_links(text: str, folder: Path) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)#:]+)\)", text) if not (folder / target).exists()]


def rooms_of(library: Path) -> dict[str, set[str]]:
    """Return the public modules and folders of each room; none of a module."""
    rooms: dict[str, set[str]] = {}
    for place in library.iterdir():
        if place.suffix == ".py" and place.stem not in ("__init__", "__main__"):
            rooms[place.stem] = set()
        elif (place / "__init__.py").is_file():
            inside = [it for it in place.iterdir() if it.suffix == ".py" or (it / "__init__.py").is_file()]
            rooms[place.name] = {it.stem for it in inside if not it.name.startswith("_")}
    return rooms


def test_no_room_but_the_commands_has_more_than_fifteen_modules() -> None:
    sizes = {room: len(modules) for room, modules in rooms_of(LIBRARY).items()}
    assert {room: size for room, size in sizes.items() if size > 15 and room != "commands"} == {}


def circles_of(imports: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of the first circle of imports; empty if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return [*error.args[1]]
    return []


def test_no_circle_of_imports_not_even_for_a_type_checker() -> None:
    graph = build_graph("recipeline", cache_dir=None)
    assert circles_of({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}) == []


def test_a_circle_of_imports_is_found() -> None:
    assert circles_of({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def rooms_in(text: str) -> dict[str, set[str]]:
    """Return the modules of each room as the table of rooms has them, in its order."""
    section = text.partition("\n## The rooms of the library\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", section, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", modules)) for name, modules in rows}


def wrong_rooms(text: str, library: Path) -> list[str]:
    """Return a line per room or module that table or library alone has."""
    there, told = rooms_of(library), rooms_in(text)
    faults = [f"{name} has no line" for name in there.keys() - told.keys()]
    faults += [f"{name} is gone" for name in told.keys() - there.keys()]
    for name in there.keys() & told.keys():
        faults += [f"{name}.{module} is not named" for module in there[name] - told[name]]
        faults += [f"{name}.{module} is gone" for module in told[name] - there[name]]
    return sorted(faults)


def lengths_of(library: Path) -> dict[str, int]:
    """Return the number of lines of each module."""
    paths = sorted(library.rglob("*.py"))
    return {str(path.relative_to(library)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}


def wrong_questions(text: str) -> list[str]:
    """Return questions without a place in the answer, and stray headings."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    answers = dict(zip(parts[1::2], parts[2::2], strict=True))
    without = [question for question in QUESTIONS if not any(name for _, name in PATH.findall(answers.get(question, "")))]
    return without + [heading for heading in answers if heading not in QUESTIONS]


@pytest.mark.parametrize("name", MAPS)
def test_every_place_that_a_map_names_is_there(name: str) -> None:
    text = read(name)
    assert wrong_places(text) == []
    assert wrong_links(text, (ROOT / name).parent) == []


def test_the_map_names_many_places() -> None:
    """Else nothing would be checked above."""
    assert len([name for _, name in PATH.findall(read("ARCHITECTURE.md")) if name]) > 15


def test_each_room_has_a_line_with_its_modules_and_no_line_is_about_a_room_that_is_gone() -> None:
    assert wrong_rooms(read("ARCHITECTURE.md"), LIBRARY) == []


def test_the_rooms_are_told_in_the_order_of_the_layers() -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [layers] = [it["layers"] for it in contracts if it.get("containers") == ["recipeline"]]
    lines = [line.split(" | ") for line in layers if line != "__main__"]
    told = list(rooms_in(read("ARCHITECTURE.md")))
    assert sorted(told) == sorted(room for line in lines for room in line)
    for line in lines:
        assert set(told[: len(line)]) == set(line)
        del told[: len(line)]


def test_the_ten_questions_have_answers_that_name_a_place() -> None:
    assert len(QUESTIONS) == 10
    assert wrong_questions(read("docs/questions.md")) == []


def test_each_step_is_a_story_of_a_page() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "steps").glob("*.py")}
    assert len(lengths) > 6
    assert {name: length for name, length in lengths.items() if length > 85} == {}


def test_no_module_is_too_long_without_a_reason() -> None:
    lengths = lengths_of(LIBRARY)
    assert len(lengths) > 200
    assert {name for name, length in lengths.items() if length > LONGEST} == LONG.keys()


def test_a_newcomer_can_read_the_map_in_one_go() -> None:
    assert len(read("ARCHITECTURE.md").splitlines()) <= 150
    assert len(read("README.md").splitlines()) <= 150


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("`recipeline/data/folds.py`", "recipeline/data/folds.py does not exist"),
        ("`recipeline/gone/`", "recipeline/gone/ does not exist"),
        ("`gone.yaml: promotion`", "gone.yaml does not exist"),
        ("`recipeline/data/splits.py: gone`", "recipeline/data/splits.py does not define gone"),
        ("`recipeline/data/splits.py: GroupKFold`", "recipeline/data/splits.py does not define GroupKFold"),
        ("`recipeline/artifacts.py: Artifact.gone`", "recipeline/artifacts.py does not define Artifact.gone"),
        ("`recipe.yaml: promotion.gone`", "recipe.yaml does not define promotion.gone"),
        ("`recipeline/data: cv_folds`", "recipeline/data does not define cv_folds"),
    ],
)
def test_a_place_that_is_not_there_is_found(text: str, fault: str) -> None:
    assert wrong_places(text) == [fault]


def test_a_place_that_is_there_is_no_fault() -> None:
    assert wrong_places("`recipeline/artifacts.py: Artifact.step`, `recipe.yaml: cv.folds`, `steps/`") == []
    assert wrong_places("`MLproject: entry_points`, `models:/Name/Production`, `decision.json`, `/readyz`") == []
    assert wrong_links("[gone](docs/gone.md), [here](README.md), [away](https://mlflow.org)", ROOT) == ["docs/gone.md"]


def test_a_room_without_a_line_and_a_line_without_a_room_are_found(tmp_path: Path) -> None:
    for name in ("__init__.py", "errors.py", "data/__init__.py", "data/splits.py", "data/_compat.py", "cli/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    heading = "\n## The rooms of the library\n\n| room | in it | modules |\n| --- | --- | --- |\n"
    right = "| `cli` | x | |\n| `data` | x | `splits` |\n| `errors` | x | |\n\n## More\n\n| `no` | room | |\n"
    assert wrong_rooms(heading + right, tmp_path) == []
    wrong = "| `data` | x | `folds` |\n| `errors` | x | |\n| `pipeline` | x | |\n"
    assert wrong_rooms(heading + wrong, tmp_path) == [
        "cli has no line",
        "data.folds is gone",
        "data.splits is not named",
        "pipeline is gone",
    ]


def test_a_module_is_as_long_as_its_lines_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "splits.py").write_text("x = 1\n" * 321, encoding="utf-8")
    (tmp_path / "errors.py").touch()
    assert lengths_of(tmp_path) == {"data/splits.py": 321, "errors.py": 0}


def test_a_question_without_a_place_in_its_answer_is_found() -> None:
    text = read("docs/questions.md")
    assert wrong_questions(text.replace("## What do I own?", "## What do you own?")) == ["What do I own?", "What do you own?"]
    assert wrong_questions(re.sub(r"`recipeline/cli/environment.py: \w+`", "somewhere", text)) == ["What do I own?"]
