from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from recipeline.reports.blocks import Block, Card, Code, Facts, Flow, Lines, Link, Links, Note, Plot, Section, Table
from recipeline.reports.page import format_cell, full_precision, is_number, render, render_failure
from recipeline.reports.plots.model import plot_shares

NASTY = "<script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\" $x_1^2$"
VALUES = Table(["name", "share"], [["a", 0.25], [NASTY, 0.75]])


def picture(names: tuple[str, ...] = ("a", NASTY)) -> Plot:
    return Plot("shares", "What it shows", lambda: plot_shares(names, [0.25, 0.75]), VALUES)


def card(*blocks: Block, title: str = "A title") -> Card:
    return Card(title, "The verdict.", [Section("A section", list(blocks))])


class Elements(HTMLParser):
    """The names and attributes of all elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    "block",
    [
        Note(NASTY),
        Facts({NASTY: NASTY}),
        Table([NASTY], [[NASTY]], NASTY),
        Lines([NASTY]),
        Code(NASTY),
        Links([Link(NASTY, '"><script>')]),
        Flow([[NASTY], ["b", NASTY]]),
        picture(),
    ],
    ids=lambda block: type(block).__name__,
)
def test_text_of_the_data_never_becomes_an_element(block: Block) -> None:
    page = render(card(block, title=NASTY))
    found = Elements(page.html)
    assert not page.failures
    assert {"script", "img", "iframe", "object"}.isdisjoint(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "<script>alert('x')</script>" in found.text


@given(st.text())
def test_any_text_is_shown_as_it_is(text: str) -> None:
    text = "".join(character for character in text if character not in "\r\0" and not "\ud800" <= character <= "\udfff")
    found = Elements(render(card(Note(text))).html)
    assert text in found.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.43231, "0.4323"),
        (9.5, "9.5"),
        (1300, "1,300"),
        (123456.789, "123,457"),
        (46.4683, "46.47"),
        (0.00123456, "0.001235"),
        (0.0345678, "0.0346"),
        (-123.4567, "-123.5"),
        (0.00012345, "0.0001234"),
        (0.0, "0"),
        (250.0, "250"),
        (float("nan"), "–"),
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        ("text", "text"),
    ],
)
def test_numbers_are_shown_as_people_read_them(value: object, text: str) -> None:
    assert format_cell(value) == text


@given(st.floats(-1e300, 1e300))
@example(0.03125)
def test_beside_a_rounded_number_stands_the_whole_one(value: float) -> None:
    assert float(full_precision(value)) == value
    assert abs(float(format_cell(value).replace(",", "")) - value) <= 1e-3 * abs(value) + 1e-12
    assert f'data-value="{value!r}"' in render(card(Facts({"x": value}))).html


def test_a_boolean_is_no_number() -> None:
    assert not is_number(True)
    assert is_number(1.5)


def test_a_plot_is_a_picture_in_the_page_and_a_png_beside_it_with_its_values_below() -> None:
    page = render(card(picture(("a", "b"))))
    assert page.plots["shares"].startswith(b"\x89PNG")
    assert page.html.count("<svg") == 1
    assert 'aria-hidden="true"' in page.html  # whoever cannot see it has the table
    assert Elements(page.html).tags.count("table") == 1


def test_a_picture_has_the_pages_colours_and_no_ground_of_its_own() -> None:
    html = render(card(picture(("a", "b")))).html
    svg = html[html.index("<svg") : html.index("</svg>")]
    assert "var(--blue)" in svg
    assert "#0072b2" not in svg
    assert "white" not in svg


def test_the_same_card_is_the_same_page_to_the_last_byte() -> None:
    assert render(card(picture())) == render(card(picture()))


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    html = render(card(picture())).html
    assert "default-src 'none'" in html
    fetched = [value for name, value in Elements(html).attributes if name in ("src", "href") and value]
    assert all(value.startswith("#") for value in fetched)


def broken(error: Exception) -> Callable[[], Figure]:
    def draw() -> Figure:
        raise error

    return draw


def test_a_plot_that_cannot_be_drawn_is_a_warning_and_its_values_stay() -> None:
    page = render(card(Plot("bad", "What it shows", broken(RuntimeError("no ink <b>")), VALUES), picture(("a", "b"))))
    assert page.failures == ["The plot bad could not be drawn: RuntimeError: no ink <b>"]
    assert list(page.plots) == ["shares"]
    text = Elements(page.html).text
    assert "This plot could not be drawn: bad" in text
    assert "0.75" in text


def test_a_card_that_cannot_be_made_is_a_page_that_says_so() -> None:
    page = render_failure("split", "small, run f00", KeyError("gone"))
    assert page.failures == ["This card could not be drawn: KeyError: 'gone'"]
    assert "This card could not be drawn" in Elements(page.html).text
    assert "small, run f00" in Elements(page.html).text


def test_words_among_numbers_stand_to_the_right_and_an_identifier_may_be_broken() -> None:
    html = render(
        card(Table(["what", "value"], [["score", 0.5], ["rows from", "a file"], ["run", "0" * 32], ["path", None]]))
    ).html
    assert '<th scope="row">score</th><td class="number" data-value="0.5">' in html
    assert '<td class="right">a file</td>' in html
    assert f'<td class="right long">{"0" * 32}</td>' in html
    words = render(card(Table(["what", "value"], [["0" * 32, "0" * 32]]))).html
    assert f'<th scope="row" class="long">{"0" * 32}</th>' in words
    assert f'<td class="long">{"0" * 32}</td>' in words


def test_a_column_of_numbers_stands_to_the_right_also_where_its_first_row_has_none() -> None:
    html = render(card(Table(["limit"], [[None], [2.5]]))).html
    assert '<th scope="col" class="number">limit' in html
    assert '<td class="number">–' in html
