from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from recipeline.reports.plots.axes import (
    MARGIN,
    curve_axes,
    finish,
    grow,
    is_graded,
    mark_value,
    measure,
    panel,
    row_axes,
    spread_points,
    wrap,
)
from recipeline.reports.style import WIDTH, styled
from tests.reports.plots.helpers import assert_apart, assert_inside

#: Words of a name as people give them, among them such as have no space, and wide ones.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from("Wil _-"), min_size=1, max_size=90
)


def test_a_panel_is_as_wide_as_all_and_has_its_margins_in_inches() -> None:
    axes = panel(3, left=1, right=0.5)
    figure = axes.figure
    width, height = figure.get_size_inches()
    assert width == WIDTH
    box = axes.get_position()
    assert (box.x0 * width, box.width * width, box.height * height) == pytest.approx((1, WIDTH - 1.5, 3))


def test_rows_stand_from_top_to_bottom_and_make_the_picture_higher() -> None:
    axes, places = row_axes(["first", "second", "third"])
    assert places.tolist() == [2, 1, 0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second", "third"]
    assert finish(axes).get_figheight() > finish(row_axes(["first"])[0]).get_figheight()
    assert row_axes([])[1].tolist() == []


def test_where_a_label_is_long_all_stand_above_their_rows() -> None:
    long = "a column of " + "very " * 20 + "many words"
    axes, places = row_axes([long, "short"])
    assert [" ".join(label.get_text().split()) for label in axes.get_yticklabels()] == [long, "short"]
    assert (np.asarray(axes.get_yticks()) > places).all()
    lines = axes.get_yticklabels()[0].get_text().count("\n") + 1
    assert places[0] - places[1] > 1 + 0.5 * lines  # the lines have room between the rows


@settings(max_examples=60, deadline=None)
@given(NAMES, st.floats(0.5, 4))
@example("W" * 60, 1.0)
@example("a column of very many words", 0.5)
def test_wrapped_text_is_whole_and_as_narrow_as_it_must_be(text: str, inches: float) -> None:
    lines = wrap(text, inches).split("\n")
    assert "".join(lines).replace(" ", "") == "".join(text.split())
    assert all(measure(line) <= inches or len(line) == 1 for line in lines)


@pytest.mark.filterwarnings("ignore:Glyph")
@settings(max_examples=25, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4), NAMES, NAMES)
@example(["volatile acidity up to 0.38", "sulphates up to 0.56 (g potassium sulphate / dm³)"], "R2", "W" * 70)
@example(["W" * 19], "i" * 90, "a b")
@example(['"\u0e33'], "0", "0")
@example(["0\u07e8\u0830\u2359" * 9], "0", "0")  # boxes, which are wider than a W
@example(["\u0ddd\u1b40" * 9], "\u0ddd" * 20, "\u0ddd" * 20)  # each is three boxes
def test_no_text_of_a_picture_is_cut_or_lies_outside_of_it(labels: list[str], title: str, x: str) -> None:
    with styled():
        axes, places = row_axes(labels)
        axes.plot(np.ones(len(labels)), places, "o", label=title)
        figure = finish(axes, title, x=x, y=x)
        figure.draw_without_rendering()
        texts = [*axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label, *figure.texts, axes.get_legend()]
        boxes = [it.get_window_extent().transformed(figure.dpi_scale_trans.inverted()) for it in texts if it]
    written = [label.get_text() for label in axes.get_yticklabels()]
    assert ["".join(it.split()) for it in written] == ["".join(it.split()) for it in labels]
    assert "".join(axes.get_xlabel().split()) == "".join(x.split())
    assert min(box.x0 for box in boxes) >= -0.01
    assert min(box.y0 for box in boxes) >= -0.01
    assert max(box.x1 for box in boxes) <= WIDTH + 0.01
    assert max(box.y1 for box in boxes) <= figure.get_figheight() + 0.01


def upright_lines(axes: Axes) -> list[tuple[float, float]]:
    """Return the lower and the upper end of each upright line that is seen, in pixels."""
    ends = []
    for collection in axes.collections:
        if isinstance(collection, LineCollection):
            ends += [collection.get_transform().transform(segment) for segment in collection.get_segments()]
    lines = [*axes.lines, *(line for line in axes.get_xgridlines() if line.get_visible())]
    ends += [line.get_transform().transform(line.get_xydata()) for line in lines]
    return [(min(y), max(y)) for end in ends for x, y in [end.T] if np.ptp(x) < 1 < np.ptp(y)]


@pytest.mark.filterwarnings("ignore:Glyph")
@settings(max_examples=4, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=3), st.floats(-3, 3))
@example(["volatile acidity up to 0.38 (g acetic acid / dm³)", "sulphates up to 0.56 (g potassium sulphate / dm³)"], 0.0)
def test_no_line_of_a_value_or_the_grid_crosses_a_label(labels: list[str], value: float) -> None:
    with styled():
        axes, places = row_axes([*labels, "a label that is too long for its place beside the row"])
        axes.barh(places, np.linspace(-1, 2, len(places)))
        mark_value(axes, places, value)
        finish(axes).draw_without_rendering()
    lines = upright_lines(axes)
    assert len(lines) >= 2 * len(places)  # the value's, and some of the grid
    for label in axes.get_yticklabels():
        box = label.get_window_extent()
        middle = (box.y0 + box.y1) / 2
        reach = (box.y1 - box.y0) / 2 - 3  # its lowest pixels are for letters such as g
        assert [line for line in lines if line[0] < middle + reach and line[1] > middle - reach] == []


def test_a_value_is_one_line_where_labels_stand_beside_their_rows() -> None:
    axes, places = row_axes(["first", "second"])
    mark_value(axes, places, 0.5, label="limit")
    axes.barh(places, [0.2, 1])
    finish(axes).draw_without_rendering()
    whole = (axes.bbox.y0, axes.bbox.y1)
    assert upright_lines(axes)[0] == pytest.approx(whole)
    assert any(line.get_visible() for line in axes.get_xgridlines())


def test_what_is_written_around_a_picture_does_not_overlap() -> None:
    axes = panel(2)
    axes.plot([0, 1], [0, 1], label="a line")
    figure = finish(axes, "A question, with its answer, in more than one line of text", x="x", y="y")
    figure.draw_without_rendering()
    title, key, upright, level = (
        it.get_window_extent() for it in (figure.texts[0], axes.get_legend(), axes.yaxis.label, axes.xaxis.label)
    )  # fmt: skip
    assert title.y0 >= key.y1 - 1
    assert key.y0 >= upright.y1 - 1
    assert upright.y0 >= axes.bbox.y1
    assert level.y1 <= axes.bbox.y0


def test_growing_leaves_the_axes_as_large_as_they_are() -> None:
    axes = panel(2)
    figure = axes.figure
    assert grow(figure, 0.5, 0.25) == pytest.approx(2.4 + 0.75)
    assert axes.get_position().height * figure.get_figheight() == pytest.approx(2)
    assert axes.get_position().y0 * figure.get_figheight() == pytest.approx(0.3 + 0.25)


def test_whole_targets_of_few_values_are_grades_and_others_are_not() -> None:
    assert is_graded(np.array([3.0, 5.0, 5.0]))
    assert not is_graded(np.array([3.0, 5.5]))
    assert not is_graded(np.arange(30.0))


def test_grades_are_spread_alike_each_time_and_other_targets_not_at_all() -> None:
    grades, other = np.full(50, 5.0), np.array([0.5, 1.5])
    np.testing.assert_array_equal(spread_points(grades), spread_points(grades))
    assert 0 < np.abs(spread_points(grades) - grades).max() <= 0.18
    assert spread_points(other) is other


def test_the_keys_stand_above_the_picture_in_as_many_columns_as_fit() -> None:
    for names, columns in ((["a", "b", "c"], 3), (["a name of thirty-five characters, so"] * 2, 1)):
        axes = panel(2)
        for place, name in enumerate(names):
            axes.plot([0, place], label=name)
        figure = finish(axes)
        figure.draw_without_rendering()
        found = axes.get_legend()
        assert found is not None
        assert [text.get_text() for text in found.get_texts()] == names
        assert len({round(text.get_window_extent().x0) for text in found.get_texts()}) == columns
        assert found.get_window_extent().y0 >= axes.bbox.y1
        assert found.get_window_extent().x1 <= (WIDTH - MARGIN / 2) * figure.dpi


DATES = st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)).map(lambda date: np.datetime64(date, "us"))


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])  # to shrink takes minutes
@given(
    st.one_of(
        st.lists(DATES, min_size=2, max_size=9, unique=True),
        st.builds(
            lambda start, step: [start + place * step for place in range(9)],
            DATES,
            st.sampled_from([10**3, 10**6, 7 * 10**6, 10**8, 10**9, 36 * 10**8, 10**10, 864 * 10**8, 10**12, 10**13]).map(
                lambda micros: np.timedelta64(micros, "us")
            ),
        ),
        st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=9, unique=True),
        st.lists(st.integers(-(10**12), 10**12), min_size=2, max_size=9, unique=True),
    )
)
def test_numbers_and_dates_below_a_curve_do_not_run_into_each_other(values: list[object]) -> None:
    def draw() -> Figure:
        axes = curve_axes(values)
        axes.plot(sorted(values), range(len(values)))
        return finish(axes, x="value", y="mean")

    assert_apart(draw)
    assert_inside(draw)
