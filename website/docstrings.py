"""The library's docstrings as reStructuredText: sections become fields."""

from __future__ import annotations

import re
from typing import Any

_FIELDS = {"Parameters": "param", "Raises": "raises"}


def convert(lines: list[str]) -> list[str]:
    """Return a docstring's lines with the sections Parameters and Raises as fields.

    An entry is ``name : its meaning``, or ``A, B : meaning``, and goes on in indented lines. The section Examples is left to
    doctest's own form, without its heading and comments.
    """
    made: list[str] = []
    field = ""
    skips = False
    for number, line in enumerate(lines):
        if skips:
            skips = False
            continue
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if line.strip() and not line.startswith(" ") and re.fullmatch(r"-{3,}", below.strip()):
            field, skips = _FIELDS.get(line.strip(), ""), True
            made.append("" if field else f"**{line.strip()}**")
            made += [] if field else [""]
            continue
        entry = re.match(r"([\w.*]+(?:, [\w.]+)*) ?: (.*)", line) if field else None
        made += [f":{field} {name}: {entry[2]}" for name in entry[1].split(", ")] if entry else [_plain(line)]
    return made


def _plain(line: str) -> str:
    return re.sub(r"\s*# doctest: \+SKIP$", "", line)


def on_docstring(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Convert the docstring that autodoc has read."""
    lines[:] = convert(lines)
