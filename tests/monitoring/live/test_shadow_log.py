"""Champion and challenger on the rows of the log."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline.data.relating.grouping import row_groups
from recipeline.inference.columns import Columns
from recipeline.monitoring.live.labels import Labels
from recipeline.monitoring.live.log_format import SHADOW
from recipeline.monitoring.live.prediction_log import PredictionLog
from recipeline.monitoring.live.shadow_log import ShadowRows
from recipeline.monitoring.results import ShadowCompared
from recipeline.records import to_plain
from tests.conftest import as_recipe, small_recipe
from tests.monitoring.helpers import FEATURES, entry, log

RECIPE = as_recipe(small_recipe())


def line(number: int, said: Any = None, version: str = "2", **more: Any) -> str:
    """Return a line of the log; with `said`, what it says of the challenger."""
    content = json.loads(entry(number, str(number), version=version, alcohol=float(number))) | more
    return json.dumps(content | ({} if said is None else {SHADOW: said}))


def read(
    lines: list[str], labels: Labels | None = None, learned: np.ndarray | None = None, **more: Any
) -> ShadowCompared | None:
    """Return the comparison of the versions 2 and 3 on the lines of a log."""
    with tempfile.TemporaryDirectory() as folder:
        rows = ShadowRows("2", "3", FEATURES, more.pop("codes", PredictionLog.codes), more.pop("recipe", RECIPE), **more)
        live = PredictionLog(log(Path(folder), one=lines), FEATURES, "2", labels, rows.codes, shadow=rows)
        assert sum(len(piece.values) for piece in live.pieces()) == len(lines)
    return rows.report(learned)


def test_a_log_without_the_challenger_says_nothing_of_it() -> None:
    assert read([line(1), line(2, {"version": "4", "prediction": 5.0}), line(3, {"version": "3"}, version="1")]) is None


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=30))
def test_rows_of_both_versions_are_compared_and_all_others_are_left_out(pairs: list[tuple[float, float]]) -> None:
    lines = [line(number, {"version": "3", "prediction": b}, prediction=a) for number, (a, b) in enumerate(pairs)]
    others = [
        line(100),
        line(101, {"version": "4", "prediction": 0.0}),
        line(102, {"version": "3", "prediction": 0.0}, version="1"),
    ]
    found = read(lines + others)
    assert found
    differences = np.array([b - a for a, b in pairs])
    assert (found.rows, found.missed, found.agreed, found.labelled) == (len(pairs), {}, None, None)
    assert found.differences["prediction"] == pytest.approx(differences.mean(), abs=1e-9)
    assert found.absolute == pytest.approx(np.abs(differences).mean())
    assert found.quantiles[0] == pytest.approx(np.median(np.abs(differences)))
    assert found.quantiles[-1] == np.abs(differences).max()


ODD: list[Any] = [3, "3", [], True, {"version": 3}, {"version": "3"}, {"version": "3", "prediction": "5"}, 1e300, None]


@given(st.sampled_from(ODD), st.sampled_from(["version", "prediction", "reason", SHADOW]))
@example(1e308, "prediction")
@example("x" * 99, "reason")
def test_whatever_a_line_says_of_the_challenger_is_read_or_counted_and_the_row_itself_stays(odd: Any, name: str) -> None:
    said = odd if name == SHADOW else {"version": "3", "prediction": 5.0} | {name: odd}
    found = read([line(1, {"version": "3", "prediction": 6.0}), line(2, said)])
    assert found
    assert 1 <= found.rows + sum(found.missed.values()) <= 2
    json.dumps(to_plain(found), allow_nan=False)


def test_rows_without_a_prediction_are_counted_by_their_reason() -> None:
    reasons = ["dropped", "refused", "dropped", "failed"]
    found = read([line(number, {"version": "3", "reason": reason}) for number, reason in enumerate(reasons)])
    assert found
    assert (found.rows, found.missed) == (0, {"dropped": 2, "failed": 1, "refused": 1})


def labelled(count: int, recipe: Any = RECIPE, learned: np.ndarray | None = None, **more: Any) -> ShadowCompared:
    """Return the comparison on rows labelled 7, the challenger nearer by 0.1."""
    rng = np.random.default_rng(0)
    nearer = 0.1 + rng.normal(0, 0.05, count)
    said = [{"version": "3", "prediction": 6.0 + float(it)} for it in nearer]
    lines = [line(number, said[number], prediction=6.0, **more) for number in range(count)]
    found = read(lines, Labels({(str(number), 0): 7.0 for number in range(count)}), learned, recipe=recipe)
    assert found
    return found


def test_late_labels_tell_which_of_the_two_errs_less() -> None:
    errors = labelled(60).labelled
    assert errors
    assert (errors.rows, errors.distinct, errors.unit, errors.known) == (60, 60, "distinct rows", 0)
    assert errors.champion == 1.0
    assert errors.gain == pytest.approx(errors.champion - errors.challenger)
    assert errors.interval_95
    low, high = errors.interval_95
    assert 0.07 < low < errors.gain < high < 0.13


def test_the_interval_is_over_distinct_rows_and_a_single_one_has_none() -> None:
    copies = [line(1, {"version": "3", "prediction": 6.5}, prediction=6.0, request_id=str(it), time=it) for it in range(9)]
    found = read(copies, Labels({(str(it), 0): 7.0 for it in range(9)}))
    assert found
    assert found.labelled
    assert (found.labelled.rows, found.labelled.distinct, found.labelled.interval_95) == (9, 1, None)


def test_the_interval_is_over_groups_where_the_recipe_has_some() -> None:
    content = small_recipe()
    content["columns"] = {**content["columns"], "person": {"type": "category", "role": "group"}}
    content["split"] = {"method": "grouped", "group": "person"}
    recipe = as_recipe(content)
    few = [line(it, {"version": "3", "prediction": 6.5}, prediction=6.0, others={"person": it % 4}) for it in range(40)]
    found = read(few, Labels({(str(it), 0): 7.0 for it in range(40)}), recipe=recipe)
    assert found
    assert found.labelled
    assert (found.labelled.distinct, found.labelled.unit) == (4, "groups by person")


def test_labels_of_rows_that_either_version_learned_from_do_not_count() -> None:
    values = np.array([[float(number), 3.3] for number in range(25)])
    learned = row_groups(Columns(FEATURES).frame(values))
    errors = labelled(60, learned=learned).labelled
    assert errors
    assert (errors.rows, errors.known) == (35, 25)


def test_memory_is_bounded_and_the_comparison_of_a_draw_is_that_of_all() -> None:
    said = {"version": "3", "prediction": 6.5}
    lines = [line(number, said, prediction=6.0) for number in range(500)]
    found = read(lines, Labels({(str(number), 0): 7.0 for number in range(500)}), most=50)
    assert found
    assert (found.rows, found.absolute) == (500, 0.5)
    assert found.labelled
    assert (found.labelled.rows, found.labelled.gain) == (50, 0.5)
