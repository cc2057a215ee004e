from __future__ import annotations

from typing import Any

import pytest

from recipeline.artifacts import LEAK_AUDIT
from recipeline.reports.blocks import Card, Note, Plot
from recipeline.reports.cards.split import make_card
from tests.reports.cards.helpers import Saved, notes, table

COLUMN = {"column": "pH", "ks": 0.1, "limit": 0.2, "p": 0.3, "train_mean": 3.2, "test_mean": 3.3}
AUDIT: dict[str, Any] = {
    "method": "grouped",
    "train_rows": 1300,
    "test_rows": 300,
    "leaked_rows": 0,
    "near_rows": 0,
    "warnings": [],
    "random_split": {"leaked_rows": 64, "test_rows": 320},
    "memory": {"r2": 0.3, "r2_with_twin": 1.0, "r2_without_twin": 0.1},
    "columns": [COLUMN],
}


def card(**changes: Any) -> Card:
    return make_card(Saved({LEAK_AUDIT: AUDIT | changes}))


def test_a_split_without_twins_is_good_and_one_with_twins_a_warning() -> None:
    assert card().verdict == "1,300 training rows and 300 test rows; none of these has a twin in training."
    assert card().tone == "good"
    leaking = card(leaked_rows=5)
    assert leaking.verdict.endswith("5 of these have a twin in training, which makes scores optimistic.")
    assert leaking.tone == "warning"


@pytest.mark.parametrize(("method", "splits"), [("grouped", 2), ("random", 1)])
def test_the_split_stands_beside_a_plain_random_one_unless_it_is_one(method: str, splits: int) -> None:
    rows = table(card(method=method), "Twins in training and test")
    assert len(rows) == splits
    assert rows[0] == {"split": "a plain random split", "test rows with a twin in training": 64, "test rows": 320}


def test_too_few_twins_to_tell_what_they_are_worth_are_said_to_be() -> None:
    assert notes(card(memory=None)) == ["Too few test rows have a twin to measure their effect."]
    assert notes(card()) == []


@pytest.mark.parametrize(("task", "label"), [("regression", "R2"), ("multiclass", "Brier skill")])
def test_what_twins_are_worth_is_told_by_the_skill_of_the_task(task: str, label: str) -> None:
    results = Saved({LEAK_AUDIT: AUDIT})
    results.recipe = results.recipe.model_copy(update={"task": task})
    (plot,) = (it for it in make_card(results).sections[1].blocks if isinstance(it, Plot) and it.name == "memory")
    assert plot.shows.startswith(f"Effect of twins: {label} of")
    assert plot.values.columns == ["test rows", label]
    assert plot.draw().axes[0].get_xlabel().startswith(f"{label} (1 is perfect")


def test_columns_that_are_apart_are_listed_with_what_chance_reaches() -> None:
    (row,) = table(card(), "Differences between training and test rows")
    assert list(row.values()) == ["pH", 0.1, 0.2, 0.3, 3.2, 3.3]


def test_what_is_wrong_with_the_split_is_on_the_card() -> None:
    warned = card(warnings=["Groups are large."])
    assert warned.tone == "warning"
    assert Note("Groups are large.", "warning") in warned.sections[0].blocks


def test_a_sample_is_told() -> None:
    assert [*card().notes] == []
    (note,) = card(sampled_rows=1234).notes
    assert note.text.startswith("Near twins, the effect of twins and the distances of columns are from a sample of 1,234 rows;")
