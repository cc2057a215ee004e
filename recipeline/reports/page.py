"""A card as one HTML file with inlined styles, plots and one small script.

It loads nothing from elsewhere, opens from a disk and prints well; without its script all of it can be read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recipeline.orchestration.trail import Trail
from recipeline.reports.blocks import Block, Card, Cell, Facts, Note, Plot, Quoted, Section, Table, is_number
from recipeline.reports.style import as_png, as_svg, styled

_FOLDER = Path(__file__).parent

_LONG_WORD = 24

#: A table of more rows has its own scroll bar.
_TALL = 30

#: What stands beside another section on a wide screen: columns and rows of a table, and values.
_NARROW_COLUMNS, _SHORT_ROWS, _FEW_FACTS = 5, 12, 8


@dataclass
class Page:
    """A card as `html`, its plots as PNG files by name, and its drawing errors."""

    html: str = ""
    plots: dict[str, bytes] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def render(card: Card, origin: str = "", trail: Trail | None = None) -> Page:
    """Return the card as a page, with the links of `trail` on top and `origin` below.

    A plot that cannot be drawn is a warning in its place, and listed in `failures`.
    """
    page = Page()
    packed = pack_cards(trail.packed) if trail else ""
    page.html = _template().render(card=card, origin=origin, trail=trail, packed=packed, picture=_plot_drawer(page))
    return page


def render_anyway(title: str, card: Card, origin: str, trail: Trail | None) -> Page:
    """Return the card as a page; a page with the error where that fails."""
    try:
        return render(card, origin, trail)
    except Exception as problem:
        return render_failure(title, origin, problem, trail)


def pack_cards(pages: dict[str, str]) -> str:
    """Return the cards of other runs, compressed, as text for a page.

    Keys are run IDs. Only what a page shows of its own run is kept: from its header to its footer.
    """
    parts = {run_id: part for run_id, html in pages.items() if (part := _content_of(html))}
    if not parts:
        return ""
    return base64.b64encode(zlib.compress(json.dumps(parts, ensure_ascii=False).encode(), 6)).decode()


def _content_of(html: str) -> str:
    """Return a page's header, sections and footer; empty for another kind of page."""
    start, end = html.find("<header"), html.find("</main>")
    footer = html.find("</footer>", end)
    return html[start : footer + len("</footer>") if footer > 0 else end + len("</main>")] if 0 < start < end else ""


def render_failure(title: str, origin: str, error: BaseException, trail: Trail | None = None) -> Page:
    """Return a page with the error that prevented the card."""
    sentence = f"This card could not be drawn: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    page = render(
        Card(title, "The step is not affected: its results are in its run.", (), notes=[Note(sentence, "warning")]),
        origin,
        trail,
    )
    page.failures.append(sentence)
    return page


def _plot_drawer(page: Page) -> Callable[[Plot], Markup | None]:
    """Return a function that draws a plot into `page` and returns its SVG.

    It returns None where drawing fails.
    """

    def paint(plot: Plot) -> Markup | None:
        try:
            with styled():
                figure = plot.draw()
                svg = as_svg(figure)
                page.plots[plot.name] = as_png(figure)
        except Exception as error:  # a picture is no reason to lose a result; the page and the summary say so
            page.failures.append(f"The plot {plot.name} could not be drawn: {type(error).__name__}: {error}")
            return None
        return Markup(svg)  # matplotlib has escaped the text in it

    return paint


def quote(page: str, plot: str) -> Quoted | None:
    """Return a plot of a page, to be shown on another one; None: it is not all there.

    Text inside the figure was escaped when the page was made.
    """
    begin, end = f'<figure data-plot="{plot}">', "</figure>"
    start = page.find(begin)
    stop = page.find(end, start)
    return Quoted(Markup(page[start : stop + len(end)])) if 0 <= start < stop else None


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = format_cell
    environment.filters["exact"] = full_precision
    environment.filters["classes"] = cell_classes
    environment.filters["arranged"] = arrange_sections
    environment.filters["grouped"] = group_plots
    environment.tests["number"] = is_number
    environment.tests["tall"] = lambda table: len(table.rows) > _TALL
    environment.tests["numeric"] = lambda table, place: place in table.numeric
    environment.globals["kind"] = lambda block: type(block).__name__
    environment.globals["css"] = Markup((_FOLDER / "page.css").read_text(encoding="utf-8"))
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {"script": Markup(script), "script_digest": Markup(f"'sha256-{digest}'")}
    return environment.get_template("page.html.jinja")


def arrange_sections(card: Card) -> list[tuple[Section, bool]]:
    """Return the card's sections, and whether each is half as wide as a wide screen.

    Halves stand in pairs of about one height: two with a plot, or two without one. One that has no such neighbour is whole.
    """
    arranged: list[tuple[Section, bool]] = []
    for (is_small, _), group in groupby(card.sections, lambda section: (_is_small(section), _count_plots(section) > 0)):
        sections = list(group)
        paired = len(sections) // 2 * 2 if is_small else 0
        arranged += [(section, place < paired) for place, section in enumerate(sections)]
    return arranged


def group_plots(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return the blocks in order, plots that follow each other in one group."""
    groups = groupby(blocks, lambda block: isinstance(block, Plot | Quoted))
    return [part for is_plot, group in groups for part in ([list(group)] if is_plot else [[block] for block in group])]


def _is_small(section: Section) -> bool:
    """Whether a section is narrow and short enough for half of a wide screen."""
    return _count_plots(section) <= 1 and all(
        (isinstance(block, Table) and len(block.columns) <= _NARROW_COLUMNS and len(block.rows) <= _SHORT_ROWS)
        or (isinstance(block, Facts) and len(block.values) <= _FEW_FACTS)
        or isinstance(block, Plot | Quoted | Note)
        for block in section.blocks
    )


def _count_plots(section: Section) -> int:
    return sum(isinstance(block, Plot | Quoted) for block in section.blocks)


def cell_classes(value: Cell, numeric: bool) -> str:
    """Return the CSS classes of a cell.

    Columns of numbers are right-aligned; long run IDs, digests and paths may break.
    """
    if is_number(value) or (numeric and value is None):
        return "number"
    is_long = any(len(word) > _LONG_WORD for word in str(value).split())
    return " ".join(["right"] * numeric + ["long"] * is_long)


def format_cell(value: Cell) -> str:
    """Return the text of a cell: numbers rounded to four decimals or digits.

    Short numbers are kept whole; None is a dash.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if float(f"{value:.3g}") == value and abs(value) < 1e6:  # a short number stays short: 9.5, 0.005
            return f"{value:,.6g}"
        # Four decimals of a small number may be off by more than a thousandth of it.
        if not 0.01 <= abs(value) < 1e9 or abs(round(value, 4) - value) > 1e-3 * abs(value):
            return f"{value:.4g}"
        digits = math.floor(math.log10(abs(value))) + 1
        return f"{value:,.{4 if digits <= 1 else max(0, 4 - digits)}f}"
    return str(value)


def full_precision(value: Cell) -> str:
    """Return a number with all its digits."""
    return repr(value)
