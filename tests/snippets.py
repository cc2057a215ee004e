"""The snippets of documents: fenced blocks, and commands in running text."""

from __future__ import annotations

import itertools
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

#: All that people read, but records of decisions, which are about their day.
DOCUMENTS = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts),
)

_FENCE = re.compile(r"^([ ]*)(```+)(\w*)[^\n]*\n(.*?)^\1\2[ ]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and where it is."""

    path: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """The file and line, for the name of a test."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """Return the fenced blocks of a document."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(path, text.count("\n", 0, it.start()) + 1, {"bash": "sh"}.get(it[3], it[3]), textwrap.dedent(it[4]))
        for it in _FENCE.finditer(text)
    ]


def all_blocks(language: str) -> list[Block]:
    """Return the blocks of a language in all documents."""
    return [block for path in DOCUMENTS for block in blocks_of(path) if block.language == language]


def outputs() -> list[tuple[Block, Block]]:
    """Return each block of Python that is followed by one of its output."""
    found = []
    for path in DOCUMENTS:
        blocks = blocks_of(path)
        found += [(one, two) for one, two in itertools.pairwise(blocks) if (one.language, two.language) == ("python", "text")]
    return found
