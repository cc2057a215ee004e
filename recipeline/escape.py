"""Escaping of user text: one function for each output format.

HTML has Jinja's autoescape, a filter of MLflow `recipeline.tracking.filters.quoted`, and the URI of a SQLite file
`recipeline.tracking.connection.sqlite.uri_of`.
"""

from __future__ import annotations

import html
import re
import unicodedata

#: Characters that move, colour, hide or reorder text, and lone halves of characters, which cannot be printed; but for the
#: joiners that Persian, Hindi and emoji are written with.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"

#: Characters that CommonMark and GitHub may take for markup in the middle of a line, and at its start.
_MARKUP = re.compile(r"([\\`*_{}\[\]#|~@$])")
_START = re.compile(r"^(\d*)([-+=.)])")

#: How the URI of another place begins; a letter alone is a drive.
_REMOTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+:(/|[^/:]+:.*@)", re.DOTALL)


def for_terminal(text: str) -> str:
    r"""Return text for a terminal: control characters escaped, except \n and \t.

    They are written as \u001b is. Valid JSON stays valid, and keeps its meaning.
    """
    return "".join(char if char in "\n\t" or not is_unseen(char) else _written(char) for char in text)


def for_cell(value: object) -> str:
    """Return a value as one line of a terminal, line breaks escaped."""
    return for_terminal(str(value)).replace("\n", "\\n").replace("\t", "\\t")


def for_markdown(text: str) -> str:
    """Return text without Markdown: one line, no HTML, links, images or emphasis."""
    escaped = _MARKUP.sub(r"\\\1", html.escape(for_terminal(" ".join(text.split())), quote=False))
    return _START.sub(r"\1\\\2", escaped)


def is_remote(text: str) -> bool:
    """Whether text is the URI of something other than a file.

    A single slash after the scheme counts too, and none before a user and a password: `http:user:word@host` cannot be read, and
    is not to be shown as a path would be. Anything else is a path.
    """
    return bool(_REMOTE.match(text)) and not text.startswith("file:")


def is_unseen(char: str) -> bool:
    """Whether a terminal or a reader would interpret a character, not show it."""
    return unicodedata.category(char) in _UNSEEN and char not in _JOINERS


def _written(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[place : place + 2]):04x}" for place in range(0, len(units), 2))
