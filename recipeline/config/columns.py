"""Keys of `columns` that stand for several: ranges and patterns.

`gene {1..500}` is 500 columns, whatever a table has; `gene *` is all columns of a table that begin so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: A range of columns in a name, and how many it may be at most.
_RANGE, MOST_OF_A_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}"), 10_000

#: Names that pandas gives to columns without one, such as an index.
NAMELESS = re.compile(r"Unnamed: (\d+)(_level_\d+)?(\.\d+)?|__index_level_\d+__")


def is_pattern(name: str) -> bool:
    """Whether a key of `columns` is a pattern for columns of a table."""
    return "*" in name


def is_nameless(name: str) -> bool:
    """Whether a column of a table has no name of its own, which no pattern matches."""
    return NAMELESS.fullmatch(name) is not None


def spell_out(names: Sequence[str]) -> dict[str, str]:
    """Return other names for columns whose own no recipe can have, by their own.

    A name in a table may have a ``*`` or a range in it, which a recipe reads as a pattern, or a character that is not shown.
    """
    found: dict[str, str] = {}
    for name in names:
        if is_pattern(name) or _RANGE.search(name) or not name.isprintable():
            plain = name.replace("*", "_").replace("{", "(").replace("}", ")")
            plain = " ".join("".join(char if char.isprintable() else " " for char in plain).split()) or "_"
            while plain in names or plain in found.values():
                plain += "_"
            found[name] = plain
    return found


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern matches a name; ``*`` is any text, also none."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def write_ranges(columns: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return columns with ranges written out; a text alone is the type of a column.

    Leading zeros are kept. A column that has an entry of its own keeps it. A range that `refuse_names` refuses is left as it
    is.
    """
    names = _names_by_key(columns)
    refused = {key for key, of_key in names.items() if _find_clash(key, of_key, names) or _refuse_range(key)}
    stated = {key: {"type": it} if isinstance(it, str) else it for key, it in columns.items()}
    return {name: stated[key] for key, of_key in names.items() for name in ([key] if key in refused else of_key)}


def refuse_names(columns: Iterable[str]) -> list[str]:
    """Return an error message for each range that is invalid or overlaps."""
    names, faults, told = _names_by_key(columns), list[str](), set[frozenset[str]]()
    for key, of_key in names.items():
        if fault := _refuse_range(key):
            faults.append(fault)
        elif (clash := _find_clash(key, of_key, names)) and (pair := frozenset((key, clash[0]))) not in told:
            told.add(pair)
            faults.append(
                f"'{key}' and '{clash[0]}' both stand for the column '{clash[1]}'. Give it an entry of its own, or narrow one."
            )
    return faults


def _names_by_key(columns: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns of each key, without those with an entry of their own."""
    stated = list(columns)
    known = set(stated)
    return {key: [name for name in _names_of(key) if name == key or name not in known] for key in stated}


def _names_of(key: Any) -> list[Any]:
    found = _RANGE.search(key) if isinstance(key, str) else None
    if not found or _refuse_range(key):
        return [key]
    first, last = found.groups()
    width = len(first) if first.startswith("0") else 0
    return [f"{key[: found.start()]}{number:0{width}}{key[found.end() :]}" for number in range(int(first), int(last) + 1)]


def _refuse_range(key: Any) -> str:
    found = _RANGE.search(key) if isinstance(key, str) else None
    if not found:
        return ""
    first, last = map(int, found.groups())
    if first > last:
        return f"'{key}' must have its lower number first. Got {found[0]} instead."
    count = last - first + 1
    return "" if count <= MOST_OF_A_RANGE else f"'{key}' must be {MOST_OF_A_RANGE:,} columns at most. Got {count:,} instead."


def _find_clash(key: Any, of_key: Sequence[Any], names: Mapping[Any, Sequence[Any]]) -> tuple[str, str] | None:
    """Return another key that stands for a column of a range, and the column."""
    if not isinstance(key, str) or not _RANGE.search(key):
        return None
    mine = set(of_key)
    for other, of_other in names.items():
        if other == key or not isinstance(other, str):
            continue
        if _RANGE.search(other) and (both := [name for name in of_other if name in mine]):
            return other, both[0]
        if is_pattern(other) and (both := [name for name in of_key if matches(name, other)]):
            return other, both[0]
    return None
