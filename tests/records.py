"""Records for tests, of which only what matters is said."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from recipeline.records import key_of, read_record, to_plain

T = TypeVar("T")

_NOTHING: dict[Any, Any] = {int: 0, float: 0.0, str: "", bool: False}


def some(kind: type[T], values: Mapping[str, Any] | None = None) -> T:
    """Return a record of plain values; a missing key is 0, False or empty.

    None where that may be.
    """
    return read_record(kind, _complete(kind, to_plain(values or {})))


def _complete(hint: Any, value: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        known = {key_of(it.name): (it, hints[it.name]) for it in fields(hint)}
        absent = {key for key, (it, _) in known.items() if it.default is MISSING and it.default_factory is MISSING} - {*value}
        return {
            key: _complete(known[key][1], value[key]) if key in value else _nothing(known[key][1]) for key in {*value} | absent
        }
    if origin in (Union, types.UnionType):
        [other, *_] = [arg for arg in args if arg is not type(None)]
        return None if value is None else _complete(other, value)
    if origin is Mapping:
        return {key: _complete(args[1], it) for key, it in value.items()}
    if origin is tuple and args[1:] == (...,):
        return [_complete(args[0], it) for it in value]
    return value


def _nothing(hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint in _NOTHING:
        return _NOTHING[hint]
    if is_dataclass(hint):
        return _complete(hint, {})
    if origin in (Union, types.UnionType):
        return None if type(None) in args else _nothing(args[0])
    if origin is Literal:
        return args[0]
    if origin is tuple and args[1:] != (...,):
        return [_nothing(arg) for arg in args]
    return {} if origin is Mapping else []
