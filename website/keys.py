"""Tables of the keys of recipes and profiles, made from the types that read them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from recipeline.config.settings import Settings
from recipeline.config.table import ImportPath
from website.markdown import cell, table

_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Any: "any value",
    object: "any value",
    NoneType: "none",
}
_LIMITS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}
_IMPORT_PATH = next(it.pattern for it in get_args(ImportPath)[1].metadata)


@dataclass(frozen=True)
class Key:
    """A key of a settings class: its place in the file, type, default and meaning."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Section:
    """A settings class: the keys that have it as value, what it is, and its own keys."""

    places: tuple[str, ...]
    introduction: str
    keys: tuple[Key, ...]

    @property
    def title(self) -> str:
        """The place of the first key that has it."""
        return self.places[0] or "Top level"


def sections(model: type[Settings]) -> list[Section]:
    """Return all settings classes of a file, the file's own first, each once."""
    places: dict[type[Settings], list[str]] = {model: [""]}
    for found, place in _walk(model, ""):
        places.setdefault(found, []).append(place)
    return [_section(found, tuple(dict.fromkeys(where))) for found, where in places.items()]


def _walk(model: type[Settings], place: str) -> Iterator[tuple[type[Settings], str]]:
    """Yield settings classes below `place` with their places, outer ones first."""
    for name, field in model.model_fields.items():
        key = f"{place}.{field.alias or name}".lstrip(".")
        for found, suffix in _settings_in(field.annotation):
            yield found, key + suffix
            yield from _walk(found, key + suffix)


def _settings_in(annotation: Any, suffix: str = "") -> Iterator[tuple[type[Settings], str]]:
    if inspect.isclass(annotation) and issubclass(annotation, Settings):
        yield annotation, suffix
        return
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        arguments = arguments[:1]
    further = ".<name>" if origin is dict else "[]" if origin is tuple else ""
    for argument in arguments if origin is not Literal else ():
        yield from _settings_in(argument, suffix + further)


def _section(model: type[Settings], places: tuple[str, ...]) -> Section:
    sentences = list(_sentences(model))
    comments = _comments(model)
    keys, said = [], set[str]()
    for name, field in model.model_fields.items():
        word = field.alias or name
        about = [it for it in sentences if f"`{word}`" in it]
        said |= set(about)
        own = [comments[name]] if name in comments else []
        nested = [next(_sentences(found)) for found, _ in _settings_in(field.annotation)][:1]
        meaning = " ".join(own + about or nested)
        keys.append(Key(word, _type_of(field), _default_of(field), meaning))
    return Section(places, " ".join(it for it in sentences if it not in said), tuple(keys))


def _bases(model: type[Settings]) -> list[type[Settings]]:
    return [it for it in model.__mro__ if issubclass(it, Settings) and it is not Settings] if model is not Settings else []


def _sentences(model: type[Settings]) -> Iterator[str]:
    """Yield the sentences of a class's docstring and of those that it is derived from."""
    for base in _bases(model):
        text = " ".join(inspect.cleandoc(base.__doc__ or "").split())
        yield from re.split(r"(?<=[.])\s+(?=[A-Z`0-9])", text)


def _comments(model: type[Settings]) -> dict[str, str]:
    """Return the text of the ``#:`` comments above the fields of a class."""
    found: dict[str, str] = {}
    for base in _bases(model):
        text: list[str] = []
        for line in inspect.getsource(base).splitlines():
            comment, name = re.match(r"\s*#: ?(.*)", line), re.match(r"    (\w+):", line)
            if name and text:
                found.setdefault(name[1], " ".join(text))
            text = [*text, comment[1]] if comment else []
    return found


def _type_of(field: FieldInfo) -> str:
    limits = _limits(field.metadata)
    pattern = next((str(it.pattern) for it in field.metadata if getattr(it, "pattern", None)), "")
    return "import path" if pattern == _IMPORT_PATH else _type(field.annotation) + limits


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if inspect.isclass(annotation) and issubclass(annotation, Settings):
        return "keys"
    if origin is Annotated:
        pattern = next((it.pattern for it in _constraints(arguments[1:]) if getattr(it, "pattern", None)), "")
        return "import path" if pattern == _IMPORT_PATH else _type(arguments[0]) + _limits(_constraints(arguments[1:]))
    if origin is Literal:
        return " or ".join(f"`{it}`" if it != "" else "empty" for it in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_type(it) for it in arguments if it is not NoneType))
    if origin is dict:
        return f"name: {_type(arguments[1])}"
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"list of {_type(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)}: {', '.join(map(_type, arguments))}"
    return _WORDS[annotation]


def _constraints(metadata: Any) -> list[Any]:
    return [inner for it in metadata for inner in (it.metadata if isinstance(it, FieldInfo) else [it])]


def _limits(metadata: Any) -> str:
    words = [
        f"{sign} {_number(getattr(it, name))}"
        for it in metadata
        for kind, (name, sign) in _LIMITS.items()
        if isinstance(it, kind)
    ]
    words += [f"at least {it.min_length}" for it in metadata if isinstance(it, MinLen) and it.min_length > 1]
    words += [f"at most {it.max_length} characters" for it in metadata if isinstance(it, MaxLen)]
    return f" {', '.join(words)}" if words else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    default = field.default
    if isinstance(default, Settings):
        if default == _empty(type(default)):
            return ""
        default = default.model_dump(mode="json")
        return "`{" + ", ".join(f"{name}: {value}" for name, value in default.items()) + "}`"
    value = to_jsonable_python(default)
    return "none" if value in (None, "") else f"`{json.dumps(value, ensure_ascii=False)}`"


def _empty(model: type[Settings]) -> Settings | None:
    required = any(it.default is PydanticUndefined for it in model.model_fields.values())
    return None if required else model()


def keys_page(title: str, introduction: str, model: type[Settings]) -> str:
    """Return the page of all keys of a file that `model` reads."""
    parts = [f"# {title}\n\n{introduction}"]
    for section in sections(model):
        also = f"\n\nAlso the value of {', '.join(f'`{it}`' for it in section.places[1:])}." if section.places[1:] else ""
        rows = [(f"`{it.name}`", cell(it.type), cell(it.default), cell(it.meaning)) for it in section.keys]
        body = table(("key", "type", "default", "meaning"), rows)
        heading = f"`{section.title}`" if section.places[0] else section.title
        parts.append(f"## {heading}\n\n{section.introduction}{also}\n\n{body}")
    return "\n\n".join(parts) + "\n"
