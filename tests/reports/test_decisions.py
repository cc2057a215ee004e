from __future__ import annotations

import numpy as np
import pytest

from recipeline.evaluation.tasks.results import Decisions, LabelScores
from recipeline.reports.blocks import Plot, Table
from recipeline.reports.decisions import MOST_CELLS, show_curves, show_decisions
from tests.reports.evaluated import evaluate


def decisions(size: int) -> Decisions:
    counts = np.eye(size, dtype=int) * 5
    counts[1, 0], counts[0, 2] = 7, 3
    labels = tuple(
        LabelScores(place, int(counts[place].sum()), int(counts[:, place].sum()), None, None) for place in range(size)
    )
    return Decisions(labels, tuple(tuple(map(int, row)) for row in counts))


def test_a_matrix_that_can_be_read_is_drawn_and_a_large_one_is_a_list_of_confusions() -> None:
    plot, _ = show_decisions(decisions(MOST_CELLS))
    assert isinstance(plot, Plot)
    listed, of_label = show_decisions(decisions(MOST_CELLS + 1))
    assert isinstance(listed, Table)
    assert listed.rows == [["1", "0", 7], ["0", "2", 3]]
    assert isinstance(of_label, Table)
    assert len(of_label.rows) == MOST_CELLS + 1
    assert sum(float(str(row[2])) for row in of_label.rows) == pytest.approx(1)


def test_curves_of_each_label_have_a_point_and_the_share_as_no_skill() -> None:
    roc, recalls = (it for it in show_curves(evaluate("ten labels")) if isinstance(it, Plot))
    decided = evaluate("ten labels").best.decisions
    assert decided is not None
    for plot, points in ((roc, 10), (recalls, sum(it.said > 0 for it in decided.labels))):  # precision needs a decided row
        assert [row[1] for row in plot.values.rows].count("decided") == points
        assert len(plot.draw().axes) == 10
    first = recalls.draw().axes[0].lines[0]
    share = (evaluate("ten labels").rows["target"] == 0).mean()
    assert np.asarray(first.get_ydata(), dtype=float).tolist() == [share, share]
