"""The style of plots: colours for colour-blind readers, PNG and SVG files.

Colours are those of Okabe and Ito (2008), dark enough for white paper. In a page's SVG each is a variable, so that the page
chooses shades for its own background. All plots are WIDTH wide, so that one drawing can be read on a phone and beside its words
on a wide screen.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from recipeline.reports.hover import as_titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches. On a page 346 units: a font of 11 has 10 pixels on a phone of 390, and 15 where a plot has 30 rem.
WIDTH = 4.8

INK, SOFT, LINE = "#1f2631", "#5a6473", "#c9ced6"

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#00795b"

#: The variable of the page's style sheet that each colour becomes.
VARIABLES = {INK: "ink", SOFT: "soft", LINE: "rule", BLUE: "blue", ORANGE: "orange", GREEN: "green"}

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "grid.color": LINE,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.markersize": 5,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "card",
    "text.color": INK,
    "text.hinting": "no_hinting",  # a quarter of a PNG's time
    "text.parse_math": False,  # a column may be called $x$
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the project's style for the block, ignoring the user's matplotlibrc.

    Text that the font of a PNG lacks is a box there, without a warning: a page's SVG has it as text, in the browser's fonts.
    """
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(Glyph|Matplotlib currently does not support)\b", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def as_png(figure: Figure) -> bytes:
    """Return the figure as a PNG on white."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=125, pil_kwargs={"compress_level": 1})  # a fifth of the time, half as large again
    return file.getvalue()


def as_svg(figure: Figure) -> str:
    """Return the figure as an SVG element without background.

    Its colours are CSS variables of the page.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[\d.]+pt"', r'\1 aria-hidden="true"', svg, count=1)
    svg = _MARKS.sub(_share_style, svg)
    return as_titles(_STYLED.sub(_with_variables, svg))


#: Marks of one line, which have the same style; thousands of points would repeat it.
_MARKS = re.compile(r'<g( clip-path="[^"]*")?>\s*((?:<use [^>]*?style="[^"]*"/>\s*)+)</g>')
#: A page has a font of its own.
_FAMILY = re.compile(r"font-family: [^;\"]*(; )?")
_STYLED = re.compile(r'style="[^"]*"')


def _share_style(group: re.Match[str]) -> str:
    styles = set(_STYLED.findall(group[2]))
    if len(styles) > 1:
        return group[0]
    marks = re.sub(r' (x|y)="(-?\d+\.\d)\d*"', r' \1="\2"', _STYLED.sub("", group[2]))
    return f"<g{group[1] or ''} {styles.pop()}>\n{marks}</g>"


def _with_variables(style: re.Match[str]) -> str:
    found = _FAMILY.sub("", style[0])
    for colour, name in VARIABLES.items():
        found = found.replace(colour, f"var(--{name})")
    return found
