"""A card as one HTML file with inlined styles and plots, without scripts.

It loads nothing from elsewhere, opens from a disk and prints well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recipeline.reports.blocks import Card, Cell, Note, Plot, Quoted
from recipeline.reports.style import as_png, as_svg, styled

_FOLDER = Path(__file__).parent

_LONG_WORD = 24


@dataclass
class Page:
    """A card as `html`, its plots as PNG files by name, and its drawing errors."""

    html: str = ""
    plots: dict[str, bytes] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def render(card: Card, origin: str = "") -> Page:
    """Return the card as a page, with `origin` at its end.

    A plot that cannot be drawn is a warning in its place, and listed in `failures`.
    """
    page = Page()
    page.html = _template().render(card=card, origin=origin, picture=_plot_drawer(page))
    return page


def render_failure(title: str, origin: str, error: BaseException) -> Page:
    """Return a page with the error that prevented the card."""
    sentence = f"This card could not be drawn: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    page = render(
        Card(title, "The step is not affected: its results are in its run.", (), notes=[Note(sentence, "warning")]),
        origin,
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
    """Return a plot of a page, to be shown on another one; None: it is not on it.

    What is between the elements was escaped when the page was made.
    """
    begin, end = f'<figure data-plot="{plot}">', "</figure>"
    start = page.find(begin)
    return None if start < 0 else Quoted(Markup(page[start : page.index(end, start) + len(end)]))


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = format_cell
    environment.filters["exact"] = full_precision
    environment.filters["classes"] = cell_classes
    environment.tests["number"] = is_number
    environment.tests["numeric"] = lambda table, place: any(is_number(row[place]) for row in table.rows)
    environment.globals["kind"] = lambda block: type(block).__name__
    environment.globals["css"] = Markup((_FOLDER / "page.css").read_text(encoding="utf-8"))
    return environment.get_template("page.html.jinja")


def is_number(value: Cell) -> bool:
    """Whether a cell is a number, and right-aligned."""
    return isinstance(value, int | float) and not isinstance(value, bool)


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
