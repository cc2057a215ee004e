"""Records: frozen dataclasses, read from and written as plain JSON values.

A key is a field's name, without the underscore that keeps a field from being a Python keyword (`from_`).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_Read = Callable[[Any, str], Any]

#: Types in JSON of a value of a simple type: a whole number is a number too, a boolean is not.
_SIMPLE: dict[Any, tuple[str, tuple[type, ...]]] = {
    float: ("a number", (float, int)),
    int: ("a whole number", (int,)),
    str: ("a text", (str,)),
    bool: ("true or false", (bool,)),
}


#: The metadata of a field that has no key in the JSON where its value is the default.
LEFT_OUT = {"left out": True}


def was(key: str) -> dict[str, str]:
    """Return the metadata of a field that earlier versions wrote as `key`."""
    return {"was": key}


class RecordError(ValueError):
    """Plain values that do not fit the record: a missing key or a wrong type."""


def read_record(kind: Callable[..., T], values: object) -> T:
    """Return the record of the type `kind` that plain values describe.

    Keys that it does not know are ignored: a newer version may write more. A missing key has the field's default. An empty
    object in the place of an optional record is None. A type with a static method `from_earlier` gets the values of earlier
    versions from it, as this version writes them.

    Raises
    ------
    RecordError : a key without a default is missing, or a value is of another kind.
    """
    record: T = _reader(kind)(values, "")
    return record


def to_plain(value: object) -> Any:
    """Return records at any depth as plain values; times in ISO 8601.

    Mappings and sequences are followed; other values are unchanged.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            key: to_plain(found)
            for name, key, default in _keys(type(value))
            if (found := getattr(value, name)) != default or default is MISSING
        }
    if isinstance(value, Mapping):
        return {key: to_plain(it) for key, it in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(it) for it in value]
    return value.isoformat() if isinstance(value, datetime) else value


def key_of(name: str) -> str:
    """Return the key that a field is written as."""
    return name.rstrip("_")


@cache
def _keys(kind: type) -> tuple[tuple[str, str, Any], ...]:
    """Return the name, the key and the omitted value of each field.

    The value is MISSING where none is omitted.
    """
    return tuple((it.name, key_of(it.name), _default(it) if it.metadata == LEFT_OUT else MISSING) for it in fields(kind))


def _default(it: Field[Any]) -> Any:
    return it.default if it.default_factory is MISSING else it.default_factory()


@cache
def _reader(hint: Any) -> _Read:
    """Return a function that builds a value of a type from plain values.

    It takes their position for error messages.
    """
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value, _: value
    if hint in _SIMPLE:
        return _simple(*_SIMPLE[hint])
    if origin is Literal:  # a later version may know more words
        return _simple(*_SIMPLE[str])
    if is_dataclass(hint):
        return _record(hint)
    if origin in (Union, types.UnionType):
        return _optional(hint)
    if origin is Mapping:
        return _mapping(_reader(args[1]))
    if origin is tuple and args[1:] == (...,):
        return _sequence(args[0])
    if origin is tuple:
        return _fixed([_reader(arg) for arg in args])
    raise TypeError(f"a record cannot hold {hint}")


def _simple(name: str, kinds: tuple[type, ...]) -> _Read:
    def read(value: Any, place: str) -> Any:
        if type(value) not in kinds:
            raise _wrong(place, name, value)
        return value

    return read


def _record(kind: Any) -> _Read:
    hints = get_type_hints(kind)
    parts = [
        (it.name, (key_of(it.name), it.metadata.get("was", key_of(it.name))), _reader(hints[it.name]), _is_required(it))
        for it in fields(kind)
        if it.init
    ]
    upgrade = getattr(kind, "from_earlier", None)

    def read(values: Any, place: str) -> Any:
        if not isinstance(values, Mapping):
            raise _wrong(place, "an object", values)
        if upgrade is not None:
            values = upgrade(values)
        found = {}
        for name, keys, reader, is_required in parts:
            where = f"{place}.{keys[0]}" if place else keys[0]
            key = keys[0] if keys[0] in values else keys[1]
            if key in values:
                found[name] = reader(values[key], where)
            elif is_required:
                raise RecordError(f"The key {where} is missing.")
        return kind(**found)

    return read


def _is_required(it: Field[Any]) -> bool:
    return it.default is MISSING and it.default_factory is MISSING


def _optional(hint: Any) -> _Read:
    others = [arg for arg in get_args(hint) if arg is not type(None)]
    if len(others) > 1:
        return _either(others, may_lack=len(others) < len(get_args(hint)))
    reader, is_record = _reader(others[0]), is_dataclass(others[0])
    return lambda value, place: None if value is None or (is_record and value == {}) else reader(value, place)


def _either(simple: Sequence[Any], *, may_lack: bool) -> _Read:
    """Return the reader of one of several simple types."""
    names, kinds = zip(*(_SIMPLE[it] for it in simple), strict=True)
    allowed = {*(kind for some in kinds for kind in some), *([type(None)] if may_lack else [])}
    return _simple(" or ".join(names), tuple(allowed))


def _mapping(reader: _Read) -> _Read:
    def read(values: Any, place: str) -> Any:
        if not isinstance(values, Mapping):
            raise _wrong(place, "an object", values)
        return {key: reader(value, f"{place}.{key}") for key, value in values.items()}

    return read


def _sequence(hint: Any) -> _Read:
    reader, kinds = _reader(hint), {*_SIMPLE.get(hint, ("", ()))[1]}

    def read(values: Any, place: str) -> Any:
        _require_list(values, place)
        if kinds and {*map(type, values)} <= kinds:  # of long lists of numbers there are many
            return tuple(values)
        return tuple(reader(value, f"{place}[{number}]") for number, value in enumerate(values))

    return read


def _fixed(readers: Sequence[_Read]) -> _Read:
    def read(values: Any, place: str) -> Any:
        _require_list(values, place)
        if len(values) != len(readers):
            raise RecordError(f"The key {place} must have {len(readers)} values. Got {len(values)} instead.")
        return tuple(
            reader(value, f"{place}[{number}]") for number, (reader, value) in enumerate(zip(readers, values, strict=True))
        )

    return read


def _require_list(values: object, place: str) -> None:
    if not isinstance(values, list | tuple):
        raise _wrong(place, "a list", values)


def _wrong(place: str, wanted: str, got: object) -> RecordError:
    what = f"The key {place}" if place else "The content"
    return RecordError(f"{what} must be {wanted}. Got {_name(got)} instead.")


def _name(value: object) -> str:
    """Return what a plain value is called, not what it is: it may be long."""
    names = {dict: "an object", list: "a list", type(None): "null", **{kind: name for kind, (name, _) in _SIMPLE.items()}}
    return names.get(type(value), type(value).__name__)
