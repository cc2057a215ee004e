"""Fingerprints: digests of everything that a step's result depends on.

Named components show why a result cannot be reused.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from recipeline.config.import_path import installed_distribution

#: The libraries whose version changes numbers or files.
LIBRARIES = ("mlflow", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops")

#: The library's code that can change a result, by dotted prefix. The rest (command line, store, registry, ledger, cards,
#: service) cannot, and what a source is read by is covered by the digest of its rows: a changed help text retrains nothing.
COVERED = tuple(
    f"recipeline.{name}"
    for name in (
        "artifacts",
        "config.candidate",
        "config.checking.references",
        "config.columns",
        "config.import_path",
        "config.recipe",
        "config.recipe_keys",
        "config.rows",
        "config.rules",
        "config.measuring.scored",
        "config.measuring.scoring",
        "config.settings",
        "config.split",
        "config.table",
        "config.yaml_reader",
        "data.checking.causes",
        "data.column_profile",
        "data.checking.conditions",
        "data.relating.grouping",
        "data.relating.held_out",
        "data.kinds",
        "data.leakage",
        "data.relating.near_twins",
        "data.relating.neighbours",
        "data.checking.numbers",
        "data.reading",
        "data.relating.relations",
        "data.results",
        "data.checking.schema",
        "data.smells",
        "data.splits",
        "data.stored_rows",
        "data.target_codes",
        "data.tasks",
        "engine",
        "evaluation",
        "inference",
        "metrics",
        "monitoring",
        "records",
        "tracking._compat",
        "tracking.candidate_runs",
        "tracking.datasets",
        "tracking.models",
        "training",
    )
)
#: The folder that the library is imported from: the project's own, or site-packages.
LIBRARY = Path(__file__).resolve().parents[2]

Components = dict[str, str]

#: How the components are named that are neither settings nor code: what a step read from outside, and from the step before.
CONTENT, RESULT = "content of", "result of"

#: The value of a component that is read from outside: its digest, and the kind of its source.
_OUTSIDE = re.compile(r"(?P<digest>[0-9a-f]+) \((?P<source>.+)\)")


def fingerprint(components: Mapping[str, str]) -> str:
    """Return the sha256, in hex, of the components in the order of their names."""
    return hashlib.sha256(json.dumps(dict(components), sort_keys=True).encode()).hexdigest()


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a line per changed component, with both values; settings come first.

    A candidate that is on one side only is one line.
    """
    groups = [{_candidate(key) for key in components if _candidate(key)} for components in (before, now)]
    apart = dict.fromkeys(groups[0] - groups[1], "removed") | dict.fromkeys(groups[1] - groups[0], "added")
    lines = {group: f"{group} {how}" for group, how in apart.items()}
    for key in {*before, *now}:
        if before.get(key) != now.get(key) and _candidate(key) not in apart:
            lines[key] = _describe_change(key, before.get(key, "(none)"), now.get(key, "(none)"))
    return [lines[key] for key in sorted(lines, key=lambda key: (key.startswith(("code ", "library ")), key))]


def _describe_change(key: str, before: str, now: str) -> str:
    old, new = _OUTSIDE.fullmatch(before), _OUTSIDE.fullmatch(now)
    if key.startswith(CONTENT) and old and new and old["digest"] == new["digest"]:
        return f"source of{key.removeprefix(CONTENT)} {old['source']} → {new['source']}, with the same content"
    return f"{key} {before} → {now}"


def _candidate(key: str) -> str:
    """Return the first two names of ``candidates.<name>.<...>``; empty of another key."""
    parts = key.split(".")
    return ".".join(parts[:2]) if parts[0] == "candidates" and len(parts) > 2 else ""


def code_components(root: Path, modules: Iterable[str]) -> Components:
    """Return a short digest of each source file of `modules` and their imports.

    `modules` are dotted names. Covered are the project's files in `root` and the modules of this library in `COVERED`. Imports
    are read from the source, inside functions too. Other libraries are covered by `library_components`. A data file beside a
    module, of the same stem (``red_wine.json`` of ``red_wine.py``), belongs to it.
    """
    return {f"code {name}": _file_digest(path) for name, path in _covered_files(root, frozenset(modules))}


@cache
def _covered_files(root: Path, modules: frozenset[str]) -> tuple[tuple[Path, Path], ...]:
    """Return the files of `code_components`: short path and full path of each.

    The short one begins where the dotted name does. A process keeps the list; files that are added later are not its own.
    """
    files: dict[Path, Path] = {}
    todo = [found for module in modules for found in _module_files(root, module)]
    while todo:
        path, base = todo.pop()
        if path not in files:
            files[path] = base
            todo += _imported_files(root, path, base)
    data = {twin: base for path, base in files.items() for twin in path.parent.glob(f"{path.stem}.*") if twin.suffix != ".pyc"}
    return tuple((path.relative_to(base), path) for path, base in sorted({**files, **data}.items()))


@cache
def _imported_files(root: Path, path: Path, base: Path) -> tuple[tuple[Path, Path], ...]:
    package = path.parent.relative_to(base).parts
    names = _imported_names(ast.parse(path.read_bytes()), package)
    return tuple(found for name in names for found in _module_files(root, name))


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a module at any depth.

    Expressions, most of its nodes, contain none.
    """
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        if name == "body" and _is_for_types(tree):
            continue
        inside = getattr(tree, name, None)
        for node in inside if isinstance(inside, list) else ():
            yield node
            yield from _statements(node)


def _is_for_types(node: ast.AST) -> bool:
    """Whether a statement is an ``if TYPE_CHECKING``, which never runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imported_names(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


@cache
def _module_files(root: Path, module: str) -> list[tuple[Path, Path]]:
    """Return the covered files that importing `module` reads.

    They are its own and its packages' ``__init__``, each with the folder that its dotted name begins in.
    """
    parts = module.split(".")
    base = LIBRARY if parts[0] == "recipeline" else root
    packages = [parts[:i] for i in range(1, len(parts) + 1)]
    paths = [(names, base.joinpath(*names, "__init__.py")) for names in packages]
    paths.append((parts, base.joinpath(*parts).with_suffix(".py")))
    return [(path, base) for names, path in paths if _is_covered(".".join(names)) and path.is_file()]


def _is_covered(module: str) -> bool:
    return not f"{module}.".startswith("recipeline.") or f"{module}.".startswith(tuple(f"{name}." for name in COVERED))


@cache
def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@cache
def _library_versions() -> tuple[tuple[str, str], ...]:
    return tuple((name, metadata.version(name)) for name in LIBRARIES)


def library_components(modules: Iterable[str] = ()) -> Components:
    """Return the versions of Python and of the libraries that can change results.

    Python counts by its minor version; `modules` may belong to further libraries.
    """
    versions = {f"library {name}": version for name, version in _library_versions()}
    for package in {module.split(".")[0] for module in modules}:
        if found := installed_distribution(package):  # else the project's own
            versions[f"library {found[0]}"] = found[1]
    return {"library python": ".".join(platform.python_version_tuple()[:2]), **versions}
