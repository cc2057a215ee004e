"""Rooms hand on typed values: no public signature maps text to anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

LIBRARY = ROOT / "recipeline"
MAPPINGS, ANYTHING = {"dict", "Mapping", "MutableMapping"}, {"Any", "object"}
#: Where such a mapping is what it is about, and why: a folder, a module, or a function or a field of it.
ALLOWED = {
    "config/yaml_reader.py: read_yaml": "YAML may hold anything; settings are made of it right after",
    "config/recipe.py: Recipe.part": "nested settings, as a fingerprint takes them",
    "config/split.py: Split.settings": "nested settings, as a fingerprint takes them",
    "config/table.py: Data.settings": "nested settings, as a fingerprint takes them",
    "orchestration/step.py: Step.inputs": "nested settings, as a fingerprint takes them",
    "config/candidate.py": "parameters of an estimator: its own, of any type",
    "config/table.py: Loader.params": "parameters of a function of the project's: its own, of any type",
    "config/split.py: Rule.params": "parameters of a function of the project's: its own, of any type",
    "config/rules.py: FurtherMetric.params": "parameters of a function of the project's: its own, of any type",
    "config/measuring/scored.py: Scored.ranking": "nested settings, as a fingerprint takes them",
    "monitoring/tasks": "a line of the prediction log before it is known to be one",
    "scaffolding/tasks": "parts of a recipe, as YAML holds them",
    "training/search.py: Found.params": "parameters of an estimator that a search found",
    "training/cross_validation.py: Result.found": "parameters of an estimator that a search found",
    "monitoring/results.py: Errors.from_earlier": "a record of an earlier version, before it is one of this",
    "promotion/results.py: Gain.from_earlier": "a record of an earlier version, before it is one of this",
    "monitoring/live/log_format.py: is_readable": "a line of the prediction log before it is known to be one",
    "monitoring/live/log_lines.py: DrawnLines.add": "lines of the prediction log, of which only the weight is read",
    "monitoring/live/log_lines.py: in_order": "lines of the prediction log, of which only the time is read",
    "monitoring/live/shadow_log.py: ShadowRows.add": "lines of the prediction log, of which only the row is known to be one",
    "serving/shadow/pending.py: Pending.settle": "a part of a line of the prediction log, as JSON",
    "serving/http": "an environment of WSGI, and documents of OpenAPI",
    "serving/kinds/base.py": "JSON schemas",
    "serving/tasks": "answers of the service, as JSON, and their schemas",
    "serving/rows/slow_path.py: SlowPath.read": "rows of a request, as they are sent",
    "serving/rows/faults.py: Fault.as_dict": "an answer of the service, as JSON",
    "serving/state.py: Service.state": "an answer of the service, as JSON",
}


def is_untyped(annotation: ast.AST | None, aliases: set[str]) -> bool:
    """Whether an annotation has a mapping of text to anything, or its alias.

    At any depth.
    """
    for node in ast.walk(annotation) if annotation else ():
        if isinstance(node, ast.Name) and node.id in aliases:
            return True
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in MAPPINGS:
            key, value = node.slice.elts if isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2 else (None, None)
            if isinstance(key, ast.Name) and key.id == "str" and isinstance(value, ast.Name) and value.id in ANYTHING:
                return True
    return False


def aliases_in(tree: ast.Module) -> set[str]:
    """Return the names that a module gives to such mappings."""
    found = [node for node in tree.body if isinstance(node, ast.Assign) and is_untyped(node.value, set())]
    return {target.id for node in found for target in node.targets if isinstance(target, ast.Name)}


def untyped_in(body: list[ast.stmt], aliases: set[str], prefix: str = "") -> Iterator[str]:
    """Yield public functions and fields whose annotations have such a mapping."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            annotations = [node.returns, *(it.annotation for it in arguments if it)]
            is_public = not node.name.startswith("_") or node.name in ("__init__", "__call__")
            if is_public and any(is_untyped(it, aliases) for it in annotations):
                yield prefix + node.name
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from untyped_in(node.body, aliases, f"{prefix}{node.name}.")
        elif prefix and isinstance(node, ast.AnnAssign) and is_untyped(node.annotation, aliases):
            name = ast.unparse(node.target)
            yield from [] if name.startswith("_") else [prefix + name]


def untyped_of(library: Path) -> set[str]:
    """Return the places of a library with such a mapping, as `module: name`."""
    found = set()
    for path in sorted(library.rglob("*.py")):
        module = path.relative_to(library)
        if not any(part.startswith("_") for part in module.parts):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found |= {f"{module}: {name}" for name in untyped_in(tree.body, aliases_in(tree))}
    return found


def allows(place: str, allowed: str) -> bool:
    module = place.partition(":")[0]
    return allowed in (place, module) or module.startswith(f"{allowed}/")


def test_no_public_signature_has_a_mapping_of_text_to_anything() -> None:
    assert [place for place in sorted(untyped_of(LIBRARY)) if not any(allows(place, it) for it in ALLOWED)] == []


def test_what_is_allowed_is_there() -> None:
    found = untyped_of(LIBRARY)
    assert [it for it in ALLOWED if not any(allows(place, it) for place in found)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(a: dict[str, Any]) -> None: ...", {"m.py: f"}),
        ("def f(*, a: int | None = None) -> list[Mapping[str, object]]: ...", {"m.py: f"}),
        ("class A:\n    a: Mapping[str, Any]\n    def g(self) -> dict[str, object]: ...", {"m.py: A.a", "m.py: A.g"}),
        ("Json = dict[str, Any]\ndef f(a: Json) -> None: ...", {"m.py: f"}),
        ("class A:\n    def __init__(self, a: dict[str, Any]) -> None: ...", {"m.py: A.__init__"}),
        ("def _f(a: dict[str, Any]) -> dict[str, float]: ...", set()),
        ("class _A:\n    a: Mapping[str, Any]", set()),
        ("def f(a: Mapping[str, str | float]) -> dict[str, list[Any]]: ...", set()),
    ],
)
def test_such_a_signature_is_found(text: str, found: set[str], tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(text)
    assert untyped_of(tmp_path) == found
