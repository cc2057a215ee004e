from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recipeline.artifacts import DATASET
from recipeline.data.results import FittedRows
from recipeline.errors import UnavailableError
from recipeline.tracking.runs import open_run
from recipeline.training.scaling import Kind
from tests.conftest import as_recipe, small_recipe
from tests.large import holding
from tests.registry.helpers import NAME, Arena


def test_the_same_recipe_on_more_rows_is_measured_on_the_rows_that_neither_model_saw(arena: Arena) -> None:
    champion, _ = arena.enter(slice(0, 30))
    challenger, model = arena.enter(slice(0, 60))
    evidence = arena.meet(challenger, champion).measure("refresh", model)
    assert evidence.rows == 60
    assert (evidence.unseen_rows, evidence.candidates, evidence.attempt) == (60, 1, 1)
    assert {rail.name for rail in evidence.guard_rails} >= {"MAE change", "single-row latency in ms"}


def test_models_that_have_seen_every_row_cannot_be_compared_on_later_ones(arena: Arena) -> None:
    version, model = arena.enter(slice(0, 120))
    with pytest.raises(UnavailableError, match=r"that neither model has seen must have different targets\. Got 0 rows instead"):
        arena.meet(version, version).measure("refresh", model)


def test_a_champion_that_takes_another_column_is_not_held_against_the_table(arena: Arena) -> None:
    arena.table["c"] = arena.table["a"]
    champion, _ = arena.enter(slice(0, 60), ("c",))
    challenger, model = arena.enter(slice(0, 60))
    with pytest.raises(UnavailableError, match=rf"models:/{NAME}/1 must accept the rows of the data set\. Got no column 'c'"):
        arena.meet(challenger, champion).measure("recipe", model)


def test_another_recipe_is_cross_validated_on_all_rows_each_on_its_own_columns(arena: Arena) -> None:
    champion, _ = arena.enter(slice(0, 60), ("b",))
    challenger, model = arena.enter(slice(0, 60))
    evidence = arena.meet(challenger, champion).measure("recipe", model)
    assert (evidence.rows, evidence.folds, evidence.candidates) == (120, 3, 3)
    assert evidence.lower > 0


def test_both_recipes_are_fitted_to_no_more_rows_than_train_was(arena: Arena) -> None:
    champion, _ = arena.enter(slice(0, 60), ("b",))
    challenger, model = arena.enter(slice(0, 60))
    evidence = replace(arena.meet(challenger, champion), max_rows=50).measure("recipe", model)
    assert evidence.rows == 50
    assert evidence.limited == FittedRows(50, 120, 50)
    with pytest.raises(UnavailableError, match=r"engine\.max_train_rows leaves too few groups for the folds"):
        replace(arena.meet(challenger, champion), max_rows=2).measure("recipe", model)


def test_a_model_that_does_not_scale_is_not_fitted_to_many_rows(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipeline.training.scaling.KINDS", (Kind(("LinearRegression",), 100, "it is a test"),))
    champion, _ = arena.enter(slice(0, 60), ("b",))
    challenger, model = arena.enter(slice(0, 60))
    words = r"models:/.* would be fitted to 120 rows: LinearRegression takes 100 at most, because it is a test\. Set engine"
    with pytest.raises(UnavailableError, match=words):
        arena.meet(challenger, champion).measure("recipe", model)
    assert replace(arena.meet(challenger, champion), max_rows=90).measure("recipe", model).rows == 90


def with_split(arena: Arena, **split: Any) -> Arena:
    """Return the arena with rows of 12 sites, at 30 hours, and a split by them."""
    arena.table["site"], arena.table["hour"] = np.arange(120) % 12, np.arange(120) // 4
    with open_run(arena.store.client, "ingest", arena.store.experiment("toy"), {}) as ingest:
        ingest.save(DATASET, arena.table)
    arena.run.set_lineage({"ingest": ingest.id})
    columns = {"a": {}, "b": {}, "y": {}, "site": {"role": "ignore"}, "hour": {"role": "ignore"}}
    columns |= {name: {} for key, name in split.items() if key != "embargo"}
    arena.recipe = as_recipe(small_recipe() | {"target": "y", "columns": columns, "split": split})
    return arena


def test_new_rows_of_a_known_group_are_no_evidence(arena: Arena) -> None:
    arena = with_split(arena, group="site")
    champion, _ = arena.enter(slice(0, 60, 6))  # rows of two sites
    challenger, model = arena.enter(slice(1, 60, 6))  # of two others
    gain = arena.meet(challenger, champion).measure("refresh", model)
    assert (gain.rows, gain.distinct_rows, gain.unit) == (80, 8, "groups by site")


def test_one_group_that_neither_model_knows_is_too_few(arena: Arena) -> None:
    arena = with_split(arena, group="site")
    champion, _ = arena.enter(slice(0, 11))
    challenger, model = arena.enter(slice(0, 11))
    with pytest.raises(UnavailableError, match="Got 10 rows of a single one of the groups by site"):
        arena.meet(challenger, champion).measure("refresh", model)


def test_over_time_rows_are_evidence_that_are_newer_than_all_that_either_model_learned_from(arena: Arena) -> None:
    arena = with_split(arena, time="hour", embargo=2)
    champion, _ = arena.enter(slice(0, 20))
    challenger, model = arena.enter(slice(24, 61, 3))  # of the hours 6 to 15, and not all of them
    gain = arena.meet(challenger, champion).measure("refresh", model)
    assert gain.rows == (30 - 18) * 4
    assert gain.blocks == 6


def test_no_row_later_than_those_that_both_models_know_is_too_few(arena: Arena) -> None:
    arena = with_split(arena, time="hour")
    champion, _ = arena.enter(slice(0, 120))
    challenger, model = arena.enter(slice(60, 120))
    with pytest.raises(UnavailableError, match=r"that neither model has seen must have different targets\. Got 0 rows instead"):
        arena.meet(challenger, champion).measure("refresh", model)


def test_groups_of_which_no_two_are_few_rows_are_all_asked(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipeline.registry.contest.MOST_UNSEEN", 5)
    arena = with_split(arena, group="site")
    champion, _ = arena.enter(slice(0, 60, 6))
    challenger, model = arena.enter(slice(1, 60, 6))
    evidence = arena.meet(challenger, champion).measure("refresh", model)
    assert (evidence.rows, evidence.unseen_rows, evidence.distinct_rows) == (80, 80, 8)
    monkeypatch.setattr("recipeline.registry.contest.MOST_UNSEEN", 39)
    evidence = arena.meet(challenger, champion).measure("refresh", model)
    assert (evidence.rows, evidence.unseen_rows, evidence.distinct_rows) == (30, 80, 3)


@pytest.mark.parametrize(
    "split",
    [
        {},
        pytest.param({"group": "site"}, marks=pytest.mark.full),
        pytest.param({"time": "hour"}, marks=pytest.mark.full),
        {"group": "site", "time": "hour"},
    ],
)
def test_a_large_table_is_measured_as_it_is_in_memory(arena: Arena, split: dict[str, str]) -> None:
    arena = with_split(arena, **split)
    champion, _ = arena.enter(slice(0, 60, 6), ("b",))
    challenger, model = arena.enter(slice(1, 60, 6))
    found = []
    for cells in (10**6, 40):
        with holding(cells):
            evidence = [
                replace(arena.meet(challenger, champion), max_rows=50).measure(rule, model) for rule in ("recipe", "refresh")
            ]
        found.append(
            [replace(it, guard_rails=tuple(rail for rail in it.guard_rails if "latency" not in rail.name)) for it in evidence]
        )
    assert found[0] == found[1]
