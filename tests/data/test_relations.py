from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recipeline.data.grouping import value_keys
from recipeline.data.leakage import audit_leaks
from recipeline.data.relations import Relations, group_rows, join_groups, relate_rows
from recipeline.data.splits import cv_folds, split_rows
from tests.panels import PEOPLE, YEARS, draw_panel, panel_recipe

PANEL, RECIPE = draw_panel(), panel_recipe()
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)
labels = st.lists(st.integers(0, 12), min_size=1, max_size=40)


@few
@given(seeds, st.floats(0.1, 0.5))
def test_a_group_is_on_one_side_of_split_and_folds_and_about_as_many_rows_as_asked_for_are_for_testing(
    seed: int, share: float
) -> None:
    recipe = RECIPE.model_copy(update={"random_state": seed, "split": RECIPE.split.model_copy(update={"test_size": share})})
    rows = PANEL.sample(frac=1, random_state=seed)
    train, test = split_rows(rows, recipe, "grouped")
    assert not set(train["person"]) & set(test["person"])
    assert abs(len(test) / len(rows) - share) <= 0.5 / PEOPLE + 1e-9
    for seen, unseen in cv_folds(train, recipe, "grouped"):
        assert not set(train["person"].iloc[seen]) & set(train["person"].iloc[unseen])
    assert audit_leaks(train, test, recipe)["known_group_rows"] == 0


def test_of_a_random_split_all_rows_are_of_a_known_group() -> None:
    train, test = split_rows(PANEL, RECIPE, "random")
    assert audit_leaks(train, test, RECIPE)["known_group_rows"] == len(test)


@few
@given(labels, st.data())
def test_rows_are_joined_by_equal_keys_and_equal_others_and_by_nothing_else(keys: list[int], data: st.DataObject) -> None:
    others = data.draw(st.lists(st.integers(0, 12), min_size=len(keys), max_size=len(keys)))
    found = join_groups(np.array(keys), np.array(others))
    parent = list(range(len(keys)))
    for _ in keys:  # as often as a name could have to travel
        for one in range(len(keys)):
            for two in range(len(keys)):
                if keys[one] == keys[two] or others[one] == others[two]:
                    parent[one] = parent[two] = min(parent[one], parent[two])
    for one in range(len(keys)):
        for two in range(len(keys)):
            assert (found[one] == found[two]) == (parent[one] == parent[two])
    assert set(found) <= set(keys)


def test_two_people_with_an_equal_row_are_one_group_and_stay_one_when_rows_are_added() -> None:
    twins = PANEL.copy()
    twins.loc[YEARS, ["skill", "home", "hours"]] = twins.loc[0, ["skill", "home", "hours"]]
    groups = group_rows(twins, RECIPE)
    assert len(np.unique(groups)) == PEOPLE - 1
    assert groups[0] == groups[YEARS]
    more = pd.concat([twins, draw_panel(5, seed=1).assign(person=lambda rows: rows["person"] + 500)])
    np.testing.assert_array_equal(group_rows(more, RECIPE)[: len(twins)], groups)


def test_without_a_group_copies_are_one_piece_of_evidence_and_nothing_is_clustered() -> None:
    plain = panel_recipe(method="grouped")
    relations = relate_rows(pd.concat([PANEL, PANEL.head(7)]), plain)
    assert len(np.unique(relations.clusters())) == len(PANEL)
    assert (relations.unit, relations.is_clustered) == ("distinct rows", False)
    assert relate_rows(PANEL, RECIPE).unit == "groups by person"


def test_some_rows_keep_their_relations() -> None:
    relations = Relations(np.arange(10), "a")
    assert relations.take(np.arange(10) > 6).groups.tolist() == [7, 8, 9]
    assert relations.take(np.array([1])).column == "a"
    assert len(relations) == 10


@few
@given(st.lists(st.integers(-(2**52), 2**52), min_size=1, max_size=20))
def test_a_key_is_that_of_the_value_whatever_its_type_and_the_rows_beside_it(values: list[int]) -> None:
    keys = value_keys(pd.Series(values))
    np.testing.assert_array_equal(keys, value_keys(pd.Series(values, dtype=float)))
    np.testing.assert_array_equal(keys, value_keys(pd.Series([str(value) for value in values])))
    np.testing.assert_array_equal(keys[-1:], value_keys(pd.Series(values[-1:])))
    assert len(np.unique(keys)) == len(set(values))


def test_a_text_that_only_looks_like_a_number_is_another_value() -> None:
    assert len(np.unique(value_keys(pd.Series(["007", "7", "7.0", "b", None])))) == 5
