from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from recipeline.orchestration.trail import Stop, Trail, card_address, list_places
from recipeline.reports.blocks import Block, Card, Code, Facts, Flow, Lines, Note, Plot, Section, Table, is_number
from recipeline.reports.page import (
    arrange_sections,
    format_cell,
    full_precision,
    group_plots,
    pack_cards,
    quote,
    render,
    render_failure,
)
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
        Flow([[NASTY], ["b", NASTY]]),
        picture(),
    ],
    ids=lambda block: type(block).__name__,
)
def test_text_of_the_data_never_becomes_an_element(block: Block) -> None:
    page = render(card(block, title=NASTY))
    found = Elements(page.html)
    assert not page.failures
    assert {"img", "iframe", "object"}.isdisjoint(found.tags)
    assert found.tags.count("script") == 1  # the page's own
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


def test_a_page_fetches_nothing_and_runs_its_own_script_only() -> None:
    html = render(card(picture()), trail=trail_of({"a" * 32: "", "b" * 32: render(card(picture())).html})).html
    assert "default-src 'none'" in html
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert f"script-src 'sha256-{digests[0]}'; " in html
    assert (len(digests), html.count("<script")) == (1, 2)  # the other one is data: a type that no browser runs
    assert '<script type="text/plain" id="packed">' in html
    fetched = [value for name, value in Elements(html).attributes if name in ("src", "href") and value]
    assert all(value.startswith(("#", "../", "http://127.0.0.1:5000/#/")) for value in fetched)


def trail_of(pages: dict[str, str]) -> Trail:
    """Return the trail of the first run, by the pages of all."""
    runs = list(pages)
    stops = [Stop(f"step{place}", run, f"../{run}", card_address("1", run), pages[run]) for place, run in enumerate(runs)]
    return Trail(runs[0], (*stops, Stop("later")), list_places("1", runs[0], "a model", "3"))


def test_a_page_leads_to_the_cards_of_its_trail_and_to_mlflow() -> None:
    html = render(card(Note("x")), trail=trail_of({"a" * 32: "", "b" * 32: ""})).html
    assert f'<a href="../{"a" * 32}" data-run="{"a" * 32}"' in html
    assert html.count('aria-current="page"') == 1
    assert f'data-address="#/experiments/1/runs/{"b" * 32}/artifacts/card.html?workflowType=machine_learning">step1</a>' in html
    assert ">later</span>" in html
    assert 'href="http://127.0.0.1:5000/#/models/a%20model/versions/3?workflowType=machine_learning"' in html
    assert "<nav" not in render(card(Note("x"))).html


def test_cards_on_another_machine_are_opened_in_mlflow() -> None:
    trail = Trail("a" * 32, (Stop("main", "b" * 32, "", "#/x"), Stop("split", "a" * 32, "", "#/y")), (), "https://host/ml")
    html = render(card(Note("x")), trail=trail).html
    assert 'href="https://host/ml/#/x"' in html


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")), min_size=1, max_size=3))
def test_packed_cards_are_unpacked_as_they_were_from_header_to_footer(texts: list[str]) -> None:
    pages = {f"{place:032x}": render(card(Note(text)), "origin").html for place, text in enumerate(texts)}
    parts = json.loads(zlib.decompress(base64.b64decode(pack_cards(pages))))
    assert list(parts) == list(pages)
    for run, part in parts.items():
        assert part in pages[run]
        assert part.startswith("<header")
        assert part.endswith("<footer>origin</footer>")
    assert "<script" not in "".join(parts.values())


def test_what_is_no_card_is_not_packed() -> None:
    assert pack_cards({"a" * 32: "", "b" * 32: "<html>of another kind</html>"}) == ""


@given(st.text("wnp", max_size=8))
def test_small_sections_stand_in_pairs_of_about_one_height_and_none_alone(kinds: str) -> None:
    blocks: dict[str, Block] = {"w": Table([str(place) for place in range(9)], []), "n": Note("x"), "p": picture()}
    sections = [Section(str(place), [blocks[kind]]) for place, kind in enumerate(kinds)]
    arranged = arrange_sections(Card("t", "v", sections))
    assert [section for section, _ in arranged] == sections
    halves = "".join("h" if half else "-" for _, half in arranged)
    for run in re.finditer("w+|n+|p+", kinds):
        paired = 0 if run[0][0] == "w" else len(run[0]) // 2 * 2
        assert halves[run.start() : run.end()] == "h" * paired + "-" * (len(run[0]) - paired)


def test_plots_that_follow_each_other_are_one_group() -> None:
    blocks: list[Block] = [picture(), picture(), Note("a"), picture(), Note("b"), Note("c")]
    assert [len(group) for group in group_plots(blocks)] == [2, 1, 1, 1, 1]
    assert [block for group in group_plots(blocks) for block in group] == blocks


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


@given(st.data())
def test_of_a_page_that_was_cut_off_whole_plots_are_quoted(data: st.DataObject) -> None:
    figure = '<figure data-plot="gain"><svg>1</svg></figure>'
    page = f"<header></header><main>{figure}</main>"
    cut = page[: data.draw(st.integers(0, len(page)))]
    found = quote(cut, "gain")
    assert (found.figure if found else None) == (figure if figure in cut else None)
