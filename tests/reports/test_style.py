from __future__ import annotations

import warnings

import numpy as np

from recipeline.reports.plots.model import (
    plot_shares,
)
from recipeline.reports.style import VARIABLES, as_png, as_svg, styled


def test_the_users_own_style_does_not_reach_the_pictures() -> None:
    import matplotlib as mpl

    with mpl.rc_context({"text.usetex": True, "axes.facecolor": "black"}), styled():
        assert mpl.rcParams["text.usetex"] is False
        assert "#000000" not in as_svg(plot_shares(["A"], [1.0]))


def test_the_colours_of_the_style_are_told_apart_by_the_colour_blind() -> None:
    """Viénot, Brettel and Mollon (1999): distance in CIE L*a*b* as two of them see it."""
    seen = [
        np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
        np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
    ]
    data = {colour: name for colour, name in VARIABLES.items() if name in ("blue", "orange", "green")}
    for matrix in seen:
        labs = [to_lab(matrix @ linear(colour)) for colour in data]
        distances = [np.linalg.norm(a - b) for place, a in enumerate(labs) for b in labs[place + 1 :]]
        assert min(distances) > 10


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(matrix @ rgb, 0, None) / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_a_picture_is_a_png_on_white_and_an_svg_in_the_pages_colours_without_a_ground() -> None:
    with styled():
        figure = plot_shares(["A"], [1.0])
        assert as_png(figure).startswith(b"\x89PNG")
        svg = as_svg(figure)
    assert svg.startswith("<svg")
    assert "var(--ink)" in svg
    assert not [colour for colour in VARIABLES if colour in svg]
    assert "<metadata>" not in svg


def test_text_that_the_font_lacks_is_drawn_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with styled():
            figure = plot_shares(["\U0001f44d \u65e5\u672c", "\u0bb0\u0bc1", "\u05d0"], [0.5, 0.3, 0.2])
            assert "\U0001f44d \u65e5\u672c" in as_svg(figure)
            as_png(figure)


def test_the_style_ends_with_its_block() -> None:
    import matplotlib as mpl

    before = mpl.rcParams["font.size"]
    with styled():
        mpl.rcParams["font.size"] = 99
    assert mpl.rcParams["font.size"] == before
