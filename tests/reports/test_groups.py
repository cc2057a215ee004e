from __future__ import annotations

from recipeline.evaluation.tasks.results import Disparity, Gap, GroupRate
from recipeline.reports.blocks import Card, Plot, Section, Table
from recipeline.reports.groups import show_differences
from recipeline.reports.limits import MOST_COLUMNS
from recipeline.reports.page import render


def disparity(feature: str, label: str, values: list[str | bool], difference: float, measure: str = "recall") -> Disparity:
    groups = tuple(GroupRate(value, 20, 0.5, (0.4, 0.6)) for value in values)
    return Disparity(feature, label, measure, groups, Gap(values[0], values[1], difference, (difference - 0.2, 1.0)))


def test_gaps_are_told_the_greatest_first_and_each_value_is_drawn() -> None:
    found = [
        disparity("sex", "yes", ["man", "woman"], 0.1),
        disparity("sex", "yes", ["man", "woman"], 0.05, "false positive rate"),
        disparity("member", "yes", [False, True], 0.4),
        Disparity("member", "yes", "false positive rate", disparity("member", "yes", [False, True], 0.1).groups),
    ]
    _, gaps, plot = show_differences(found)
    assert isinstance(gaps, Table)
    assert [(row[0], row[2], row[3]) for row in gaps.rows] == [
        ("member", "recall", "false, true"),
        ("sex", "recall", "man, woman"),
        ("sex", "false positive rate", "man, woman"),
    ]
    assert isinstance(plot, Plot)
    assert len(plot.values.rows) == 8
    labels = [it.get_text() for it in plot.draw().axes[0].get_yticklabels()]
    assert labels == ["sex: man", "sex: woman", "member: false", "member: true"]


def test_of_many_labels_those_that_differ_the_most_are_drawn() -> None:
    found = [disparity("sex", f"label {place}", ["man", "woman"], place / 10) for place in range(6)]
    plots = [it for it in show_differences(found) if isinstance(it, Plot)]
    assert [it.shows.removeprefix("Recall and false positive rate of ") for it in plots] == [
        "the label label 5 by group.",
        "the label label 4 by group.",
        "the label label 3 by group.",
    ]
    assert len({it.name for it in plots}) == 3


def test_groups_without_rows_or_intervals_are_drawn_as_what_is_known() -> None:
    groups = (GroupRate("a", 0, None), GroupRate("b", 3, 1.0), GroupRate("c", 30, 0.2, (0.1, 0.4)))
    blocks = show_differences([Disparity("kind", "yes", "recall", groups)])
    table = next(it for it in blocks if isinstance(it, Table))
    assert table.rows == []
    assert table.caption == "No column has two values with enough rows to compare"
    assert render(Card("groups", "", [Section("Groups", blocks)])).failures == []


def test_a_plot_of_many_groups_says_that_it_is_cut() -> None:
    columns = MOST_COLUMNS // 10 + 2
    found = [disparity(f"column {place}", "yes", [f"v{value}" for value in range(10)], 0.1) for place in range(columns)]
    (plot,) = (it for it in show_differences(found) if isinstance(it, Plot))
    assert f"The first {MOST_COLUMNS} of {10 * columns} groups are drawn." in plot.shows
    assert len(plot.values.rows) == 10 * columns
