"""The types and the places of LightGBM's and XGBoost's models in a skops file.

Their trees are in one object, which the library makes of a text or of bytes with a parser of its own, in C++.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile


@dataclass(frozen=True)
class Library:
    """The types of a library's models: estimators, what has their trees, and others.

    Each was read. As objects they compute with numbers; their attributes are set, no constructor is called.
    """

    estimators: tuple[str, ...]
    trees: str
    others: tuple[str, ...] = ()

    @property
    def types(self) -> frozenset[str]:
        """All of them."""
        return frozenset({*self.estimators, self.trees, *self.others})


#: By the package that is imported, which has the name of its extra.
LIBRARIES: Mapping[str, Library] = {
    "lightgbm": Library(
        ("lightgbm.sklearn.LGBMRegressor", "lightgbm.sklearn.LGBMClassifier"),
        "lightgbm.basic.Booster",
        ("collections.OrderedDict",),
    ),
    "xgboost": Library(("xgboost.sklearn.XGBRegressor", "xgboost.sklearn.XGBClassifier"), "xgboost.core.Booster"),
}

#: The attribute of an estimator that has the trees.
_ATTRIBUTE = "_Booster"


def booster_types() -> frozenset[str]:
    """Return the types that a model may have of the libraries that are installed."""
    return frozenset().union(*(it.types for name, it in LIBRARIES.items() if _is_installed(name)))


def lacking_library(types: Collection[str]) -> str:
    """Return the library that `types` are of and that is not installed; else empty."""
    for name, library in LIBRARIES.items():
        if any(it.startswith(f"{name}.") for it in types) and {*types} <= library.types and not _is_installed(name):
            return name
    return ""


def find_misplaced(file: Path | IO[bytes]) -> str:
    """Return the first type of a booster that a skops file has in a wrong place.

    Empty: there is none. Trees must be an object that is the attribute of an estimator of the same library, and that nothing
    else of the file refers to: as a class, `Booster` would be a function that opens the file that it is told.
    """
    with ZipFile(file) as archive:
        schema = json.loads(archive.read("schema.json"))
    placed, others = set(), []
    for node, owner in _nodes(schema):
        name = _name(node)
        library = next((it for it in LIBRARIES.values() if name in (*it.estimators, it.trees)), None)
        is_object = node.get("__loader__") == "ObjectNode"
        if library is None or (name != library.trees and is_object):
            others.append(node)
        elif is_object and owner in library.estimators:
            placed.add(node.get("__id__"))
        else:
            return name
    # skops gives whatever has the number of an object that it made before that object itself.
    shared = next((node for node in others if node.get("__id__") in placed), None)
    return "" if shared is None else _name(shared)


def _nodes(schema: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the nodes of a schema, each with the type that has it as its trees."""
    todo: list[tuple[Any, str]] = [(schema, "")]
    while todo:
        value, owner = todo.pop()
        if isinstance(value, list):
            todo += [(it, "") for it in value]
        elif isinstance(value, dict):
            trees = None
            if "__loader__" in value:
                yield value, owner
                trees = _trees_of(value)
            todo += [(trees, _name(value))] if trees is not None else []
            todo += [(it, "") for it in _inside(value, trees)]


def _trees_of(node: dict[str, Any]) -> Any:
    """Return the node of an object's trees, where it has some."""
    attributes = node.get("content")
    if node["__loader__"] != "ObjectNode" or not isinstance(attributes, dict) or attributes.get("__loader__") != "DictNode":
        return None
    inside = attributes.get("content")
    return inside.get(_ATTRIBUTE) if isinstance(inside, dict) else None


def _inside(value: dict[str, Any], trees: Any) -> Iterator[Any]:
    """Yield what a part of a schema has, without the node of its trees."""
    if trees is None:
        yield from value.values()
        return
    attributes = value["content"]
    yield from (it for key, it in value.items() if key != "content")
    yield {key: it for key, it in attributes.items() if key != "content"}
    yield from (it for key, it in attributes["content"].items() if key != _ATTRIBUTE)


def _name(node: Mapping[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # it is imported, and has no specification
        return False
