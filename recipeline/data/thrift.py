"""Thrift's compact protocol, in which the footer of a Parquet file is written.

A struct is a dictionary from the number of a field to its type and value, so that fields of newer versions of a format are kept
as they are. A value is an int, a bool, bytes (also the eight of a double), a `List`, or a struct. Maps, of which Parquet has
none, are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, _, STRUCT = range(13)

Struct = dict[int, tuple[int, Any]]

_LONG = 15


@dataclass
class List:
    """Values of one type."""

    type: int
    values: list[Any]


def read(content: bytes) -> Struct:
    """Return the struct that `content` begins with.

    Raises
    ------
    ValueError, IndexError : it is no such struct.
    """
    return _Reader(content).struct()


def write(struct: Struct) -> bytes:
    """Return a struct as bytes."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def struct(self) -> Struct:
        found: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            found[number] = (TRUE, kind == TRUE) if kind in (TRUE, FALSE) else (kind, self._value(kind))
        return found

    def _value(self, kind: int) -> Any:
        if kind == STRUCT:
            return self.struct()
        if kind in (I16, I32, I64):
            return self._integer()
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < _LONG else self._varint()
            return List(head & 15, [self._value(head & 15) for _ in range(count)])
        if kind in (TRUE, FALSE):  # in a list
            return self._byte() == TRUE
        if kind in (BYTE, DOUBLE):
            return self._bytes(1 if kind == BYTE else 8)
        raise ValueError(f"unknown type {kind}")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._content):
            raise IndexError("truncated")
        return self._content[start : self._at]

    def _varint(self) -> int:
        found = shift = 0
        while (byte := self._byte()) & 128:
            found |= (byte & 127) << shift
            shift += 7
        return found | byte << shift

    def _integer(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number, (kind, value) in sorted(struct.items()):
        shown = (TRUE if value else FALSE) if kind == TRUE else kind
        if 0 < number - last < 16:
            out.append((number - last) << 4 | shown)
        else:
            out.append(shown)
            _write_integer(out, number)
        if kind != TRUE:
            _write_value(out, kind, value)
        last = number
    out.append(STOP)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind == STRUCT:
        _write_struct(out, value)
    elif kind in (I16, I32, I64):
        _write_integer(out, value)
    elif kind == BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind in (LIST, SET):
        count = len(value.values)
        out.append(min(count, _LONG) << 4 | value.type)
        if count >= _LONG:
            _write_varint(out, count)
        for one in value.values:
            _write_value(out, value.type, one)
    elif kind in (TRUE, FALSE):
        out.append(TRUE if value else FALSE)
    else:
        out += value


def _write_varint(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def _write_integer(out: bytearray, number: int) -> None:
    _write_varint(out, number << 1 ^ number >> 63)
