"""Values on hover: SVG titles, which browsers show without a script.

An artist of matplotlib carries its values as the name of its group; `as_titles` makes titles of these in the SVG.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist

_PREFIX = "hover:"

_GROUP = re.compile(r'<g id="hover:([0-9a-f]*)">')

_TAG = re.compile(r"<(/?)g\b")

_MARK = re.compile(r"(<use\b[^>]*?)\s*/>")


def tell(artist: Artist, *values: str) -> None:
    """Show a text on hover: one of the whole artist, or one of each of its marks.

    A line without markers, a bar, or an area has one text. A line with markers has one text, or as many as it has points, none
    of which may be NaN.
    """
    artist.set_gid(_PREFIX + json.dumps(values).encode().hex())  # a name needs no escaping


def as_titles(svg: str) -> str:
    """Return the SVG with the values of its artists as titles.

    Where a group has other marks than values it gets no titles: none is better than a wrong one.
    """
    before, *rest = _GROUP.split(svg)
    parts = [before]
    for values, after in zip(rest[::2], rest[1::2], strict=True):
        texts = [f"<title>{html.escape(text, quote=False)}</title>" for text in json.loads(bytes.fromhex(values))]
        if len(texts) == 1:
            parts += ["<g>", texts[0], after]
            continue
        end = _end_of_group(after)
        marks = _MARK.findall(after[:end])
        found = iter(texts)
        titled = _MARK.sub(lambda mark, found=found: f"{mark[1]}>{next(found)}</use>", after[:end])
        parts += ["<g>", titled if len(marks) == len(texts) else after[:end], after[end:]]
    return "".join(parts)


def _end_of_group(svg: str) -> int:
    """Return where the group ends that `svg` begins inside of."""
    depth = 1
    for tag in _TAG.finditer(svg):
        depth += -1 if tag[1] else 1
        if not depth:
            return tag.start()
    return len(svg)


def each(names: Sequence[str], **columns: Sequence[object]) -> list[str]:
    """Return a text for each name: one line per column with its value."""
    rows = zip(*columns.values(), strict=True)
    return [
        "\n".join([name, *(f"{title.replace('_', ' ')} {shown(value)}" for title, value in zip(columns, row, strict=True))])
        for name, row in zip(names, rows, strict=True)
    ]


def shown(value: object) -> str:
    """Return a value with at most four digits; text as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
