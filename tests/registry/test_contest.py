from __future__ import annotations

import pytest

from recipeline.errors import UnavailableError
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
