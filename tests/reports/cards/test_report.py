from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.artifacts import INSPECTION, METRICS
from recipeline.evaluation.results import LearningCurve
from recipeline.reports.blocks import Card, Table
from recipeline.reports.cards.report import _more_rows, make_card
from tests.reports.cards.helpers import Saved, notes
from tests.reports.helpers import Chains

pytestmark = pytest.mark.xdist_group("cards")


def test_report_prints_the_newest_index_card_and_draws_the_closer_look_once(chains: Chains) -> None:
    lines = chains.outcomes["report"].stdout.splitlines()
    assert lines[0] == f"The run:     {chains.cards['synthetic', 'main']}"
    assert lines[1] == f"Inspection:  {chains.cards['report', 'report']}"
    assert lines[2:] == [chains.outcomes["report"].run_id]
    again = chains.project.ok("report")
    assert again.stdout == chains.outcomes["report"].stdout
    assert len(chains.project.runs("report")) == 1


def card(last: list[float], in_order: float | None = 0.4, nested: dict[str, Any] | None = None) -> Card:
    curve = {"rows": [100, 200], "train": [[0.9] * 3, [0.8] * 3], "test": [[0.3, 0.31, 0.29], last]}
    blocks = {"shuffled": {"mean": 0.4, "folds": [0.39, 0.41]}, "in_order": {"mean": in_order, "folds": [in_order] * 2}}
    order = None if in_order is None else blocks
    inspection = {"learning_curve": curve, "split_method": "grouped", "file_order": order, "dependence": {}}
    inspection |= {"nested": nested} if nested else {}
    return make_card(Saved({INSPECTION: inspection, METRICS: {"best": {"candidate": "Tree"}}}))


def test_more_rows_help_where_the_curve_still_rises_beyond_its_noise() -> None:
    assert card([0.4, 0.41, 0.4]).verdict.startswith("More rows like these would still help")
    assert card([0.3, 0.311, 0.289]).verdict.startswith("More rows like these would hardly help")
    assert card([0.25, 0.4, 0.28]).verdict.startswith("Whether more rows like these would help is open")
    assert "from 100 to 200 rows" in card([0.4, 0.41, 0.4]).verdict


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=6))
def test_what_is_said_of_more_rows_agrees_with_its_numbers(steps: list[float]) -> None:
    curve = LearningCurve((100, 200), ((0.9,) * len(steps),) * 2, ((0.0,) * len(steps), tuple(steps)))
    words = _more_rows(curve, "R2", 0.01)
    worth, error = (float(it) for it in re.findall(r"([+-]?[0-9.]+) R2, with a standard error of ([0-9.]+)", words)[0])
    assert (worth, error) == pytest.approx((np.mean(steps), np.std(steps, ddof=1) / np.sqrt(len(steps))), abs=6e-5)
    if "still help" in words:
        assert worth > 0
        assert worth >= 2 * error - 2e-4
    elif "hardly help" in words:
        assert worth + 2 * error <= 0.01 + 2e-4
    else:
        assert "is open" in words
        assert worth <= 2 * error + 2e-4
        assert worth + 2 * error >= 0.01 - 2e-4


def test_a_single_fold_tells_nothing_of_more_rows() -> None:
    curve = LearningCurve((100, 200), ((0.9,),) * 2, ((0.1,), (0.2,)))
    assert _more_rows(curve, "R2", 0.01).endswith("is worth +0.1000 R2, on a single fold.")


def test_a_curve_of_a_single_step_tells_nothing_of_more_rows() -> None:
    curve = LearningCurve((200,), ((0.9,) * 3,), ((0.2,) * 3,))
    assert _more_rows(curve, "R2", 0.01).endswith("is open: the model cannot be fitted to fewer.")


def test_rows_that_change_along_the_file_are_a_warning() -> None:
    assert notes(card([0.3] * 3, in_order=0.1))[0].startswith("Trained on one part of the file")
    assert notes(card([0.3] * 3, in_order=None))[0].startswith("Blocks of the file cannot be compared")
    assert notes(card([0.3] * 3))[0].startswith("Blocks of the file are predicted as well as shuffled rows")


@pytest.mark.parametrize(
    ("selected", "greater", "words"),
    [(0.5, True, "is optimistic by 0.1000."), (0.3, False, "is optimistic by 0.1000."), (0.4, True, "is not optimistic here.")],
)
def test_a_nested_estimate_says_by_how_much_the_selected_score_is_optimistic(
    selected: float, greater: bool, words: str
) -> None:
    nested = {"metric": "F1", "folds": [0.3, 0.5], "mean": 0.4, "chosen": ["Tree", "Forest"], "selected": selected}
    [first, *_] = card([0.4, 0.41, 0.4], nested=nested | {"greater_is_better": greater}).sections
    assert first.title == "Nested estimate"
    [note, _, table] = first.blocks
    assert str(note).count("F1 of choosing the best candidate and fitting it is 0.4000") == 1
    assert words in str(note)
    assert isinstance(table, Table)
    assert table.rows == [["0", "Tree", 0.3], ["1", "Forest", 0.5]]


def test_without_a_nested_estimate_the_card_has_no_section_for_it() -> None:
    assert card([0.4, 0.41, 0.4]).sections[0].title == "Learning curve"
