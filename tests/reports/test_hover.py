from __future__ import annotations

import html
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.reports.hover import as_titles, each, shown, tell
from recipeline.reports.plots.axes import finish, panel
from recipeline.reports.style import as_svg, styled

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)


def titles(svg: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r"<title>(.*?)</title>", svg, flags=re.DOTALL)]


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_each_mark_of_a_line_has_its_own_text_whatever_is_in_it(values: list[str]) -> None:
    with styled():
        axes = panel(2)
        (line,) = axes.plot(range(len(values)), range(len(values)), "o-")
        tell(line, *values)
        svg = as_svg(finish(axes))
    assert titles(svg) == values
    if len(values) > 1:  # each on its mark, in their order, from left to right
        marks = re.findall(r'<use [^>]*? x="([\d.]+)"[^>]*><title>(.*?)</title></use>', svg, flags=re.DOTALL)
        assert [html.unescape(text) for _, text in marks] == values
        assert np.all(np.diff([float(x) for x, _ in marks]) > 0)


@given(TEXTS)
@settings(max_examples=25, deadline=None)
def test_a_text_adds_no_element_and_changes_no_other_text(text: str) -> None:
    with styled():
        axes = panel(2)
        tell(axes.axvspan(0, 1), text)
        axes.set_title("<g>")
        svg = as_svg(finish(axes))
    assert titles(svg) == [text]
    assert svg.count("<g>") + svg.count("<g ") == svg.count("</g>")
    assert "hover:" not in re.sub(r"<title>.*?</title>", "", svg, flags=re.DOTALL)


def test_a_line_with_fewer_marks_than_texts_has_none_rather_than_wrong_ones() -> None:
    with styled():
        axes = panel(2)
        (line,) = axes.plot([0, 1, 2], [0, np.nan, 2], "o")
        tell(line, "a", "b", "c")
        assert titles(as_svg(finish(axes))) == []


def test_a_group_ends_where_its_own_does() -> None:
    svg = '<g id="hover:5b2261222c2262225d"><g><use x="1"/><use x="2"/></g></g><g><use x="3"/></g>'
    assert as_titles(svg) == (
        '<g><g><use x="1"><title>a</title></use><use x="2"><title>b</title></use></g></g><g><use x="3"/></g>'
    )


def test_a_row_has_its_name_and_each_column() -> None:
    assert each(["A", "B"], mean=[0.51234, 2], test_rows=["x", None]) == [
        "A\nmean 0.5123\ntest rows x",
        "B\nmean 2\ntest rows None",
    ]


@pytest.mark.parametrize(("value", "text"), [(0.123456, "0.1235"), (12, "12"), ("a", "a"), (float("nan"), "nan")])
def test_values_are_shown_with_four_digits(value: object, text: str) -> None:
    assert shown(value) == text
