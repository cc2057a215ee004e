from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold

from recipeline.config.recipe import Recipe
from recipeline.data.leakage import audit_leaks
from recipeline.data.relating.grouping import value_keys
from recipeline.data.relating.relations import (
    Relations,
    block_times,
    chain_folds,
    deal_folds,
    group_rows,
    join_groups,
    read_keys,
    relate_rows,
)
from recipeline.data.splits import cv_folds, split_rows
from recipeline.errors import DataError
from tests.conftest import as_recipe, small_recipe
from tests.large import holding, store
from tests.panels import PEOPLE, YEARS, draw_panel, draw_series, panel_recipe, series_recipe

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
    assert audit_leaks(train, test, recipe).known_group_rows == 0


def test_of_a_random_split_all_rows_are_of_a_known_group() -> None:
    train, test = split_rows(PANEL, RECIPE, "random")
    assert audit_leaks(train, test, RECIPE).known_group_rows == len(test)


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
    (evidence,) = relations.evidence()
    assert (evidence.count, evidence.unit, evidence.is_clustered) == (len(PANEL), "distinct rows", False)
    (grouped,) = relate_rows(PANEL, RECIPE).evidence()
    assert (grouped.count, grouped.unit, grouped.is_clustered) == (PEOPLE, "groups by person", True)


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


# --- time -----------------------------------------------------------------------------------------------------------------

moments = st.lists(st.integers(0, 60), min_size=8, max_size=120).filter(lambda values: len(set(values)) > 1)


@few
@given(moments, st.integers(2, 6), st.integers(0, 5))
def test_folds_over_time_learn_from_what_is_older_by_more_than_the_embargo(times: list[int], folds: int, embargo: int) -> None:
    moment = np.array(times, dtype=float)
    dealt = list(chain_folds(moment, folds, embargo))
    assert len(dealt) == min(folds, len(set(times)) - 1)
    for seen, unseen in dealt:
        start = moment[unseen].min()
        assert (np.sort(seen) == np.flatnonzero(moment < start - embargo)).all()
    scored = np.concatenate([unseen for _, unseen in dealt])
    assert len(scored) == len(set(scored))
    # All rows but those of the earliest block, and all rows of one instant in one block.
    assert sorted(scored) == np.flatnonzero(moment >= moment[dealt[0][1]].min()).tolist()
    assert sum(len(set(moment[unseen])) for _, unseen in dealt) == len(set(moment[scored]))


def test_folds_over_time_are_about_equal_and_do_not_depend_on_the_order_of_the_rows() -> None:
    moment = np.random.default_rng(0).permutation(np.repeat(np.arange(60.0), 3))
    assert [len(unseen) for _, unseen in chain_folds(moment, 5, 0)] == [30] * 5
    order = np.argsort(moment, kind="stable")
    for (seen, unseen), (early, late) in zip(chain_folds(moment, 5, 2), chain_folds(moment[order], 5, 2), strict=True):
        assert (set(seen), set(unseen)) == (set(order[early]), set(order[late]))


@few
@given(seeds, st.floats(0.1, 0.5), st.integers(0, 4))
def test_the_test_rows_are_the_newest_and_the_embargo_is_on_neither_side(seed: int, share: float, embargo: int) -> None:
    recipe = series_recipe(time="moment", embargo=embargo, test_size=share)
    rows = draw_series(120).sample(frac=1, random_state=seed)
    train, test = split_rows(rows, recipe, "grouped")
    assert train["moment"].max() < test["moment"].min() - embargo
    assert len(train) + len(test) == len(rows) - embargo
    assert test["moment"].max() == rows["moment"].max()
    assert abs(len(test) / len(rows) - share) <= 0.5 / len(rows) + 1e-9
    assert (audit_leaks(train, test, recipe).older_rows, list(test.index)) == (
        0,
        [it for it in rows.index if it in test.index],
    )
    assert audit_leaks(*split_rows(rows, recipe, "random"), recipe).older_rows > 0


def test_all_rows_of_one_instant_are_on_one_side_and_a_group_may_be_on_both() -> None:
    recipe = panel_recipe(group="person", time="year")
    train, test = split_rows(draw_panel(years=10), recipe, "grouped")
    assert not set(train["year"]) & set(test["year"])
    assert (sorted(set(test["year"])), len(test)) == ([1988, 1989], 2 * PEOPLE)
    assert audit_leaks(train, test, recipe).known_group_rows == len(test)
    blocks, groups = relate_rows(train, recipe).evidence()
    assert (blocks.unit, blocks.count, blocks.is_clustered) == ("blocks by year", 4, True)
    assert (groups.unit, groups.count) == ("groups by person", PEOPLE)


@pytest.mark.parametrize(("instants", "blocks"), [(1, 1), (2, 2), (7, 7), (8, 4), (27, 9), (30, 10), (1000, 100)])
def test_blocks_hold_about_the_third_root_of_the_instants_each_in_one(instants: int, blocks: int) -> None:
    times = np.random.default_rng(0).permutation(np.repeat(np.arange(instants) * 0.5, 2))
    found = block_times(times)
    assert sorted(set(found)) == list(range(blocks))
    order = np.argsort(times, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert len({(time, block) for time, block in zip(times, found, strict=True)}) == instants


def test_rows_of_one_instant_have_no_blocks() -> None:
    (evidence,) = Relations(np.arange(4), times=np.zeros(4), time_column="t").evidence()
    assert (evidence.count, evidence.is_clustered) == (4, False)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (series_recipe(time="moment", embargo=1e6), "at least 4 different values of 'moment' to train on"),
        (series_recipe(time="moment", embargo=60), "Fold 0 of the cross-validation has no training rows"),
        (panel_recipe(time="year"), "at least 4 different values of 'year'.*Got 2 and"),
    ],
    ids=["nothing left", "no fold", "few years"],
)
def test_too_little_time_is_refused(recipe: Recipe, words: str) -> None:
    rows = draw_panel(years=3) if "year" in recipe.columns else draw_series()
    with pytest.raises(DataError, match=words):
        split_rows(rows, recipe, "grouped")


@given(
    st.lists(st.integers(1, 40), min_size=5, max_size=60),
    st.lists(st.integers(0, 4), max_size=3),
    st.integers(2, 5),
    st.integers(0, 3),
)
@settings(deadline=None)
def test_folds_are_those_that_scikit_learn_deals(sizes: list[int], small: list[int], n_splits: int, seed: int) -> None:
    # Few sizes too, so that groups of one size are many beside a fold that is far ahead.
    sizes = [*sizes, *(small * 30)]
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)) * 7, sizes))
    unique, group = np.unique(groups, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(unique))[group]
    expected = GroupKFold(n_splits).split(shuffled, groups=shuffled)
    for (fit, score), (fit_on, score_on) in zip(deal_folds(groups, n_splits, seed), expected, strict=True):
        assert (fit.tolist(), score.tolist()) == (fit_on.tolist(), score_on.tolist())


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="3 folds of 2 groups"):
        next(deal_folds(np.array([1, 1, 2]), 3, 0))


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"tolerance": 0.1}, r"split\.tolerance needs all rows in memory: at most 20 rows of 12 columns\. Got 400"),
        ({"custom": "tests.toys.ROWS"}, r"split\.custom needs all rows in memory"),
    ],
)
def test_a_split_that_needs_all_rows_at_once_is_refused_of_a_large_table(
    wines: pd.DataFrame, tmp_path: Path, split: dict[str, object], words: str
) -> None:
    recipe = as_recipe(small_recipe() | {"split": split})
    with holding(240), pytest.raises(DataError, match=words):
        read_keys(store(wines, tmp_path), recipe)


def test_keys_relate_rows_as_their_features_do(tmp_path: Path) -> None:
    table, recipe = draw_panel(), panel_recipe()
    with holding(60):
        keys = read_keys(store(table, tmp_path), recipe)
    known, found = relate_rows(table, recipe), relate_rows(keys, recipe)
    assert found.groups.tolist() == known.groups.tolist()
    assert (found.times is None) == (known.times is None)
    assert not {*recipe.features} & {*keys.columns} - {recipe.split.group, recipe.split.time}


def test_there_are_fewer_folds_of_fewer_groups_and_none_of_a_single_one() -> None:
    groups, strata = np.repeat(np.arange(3), 20), np.arange(60) % 2
    for some in (None, strata):
        folds = list(Relations(groups).deal(5, 0, some))
        assert sorted(groups[unseen][0] for _, unseen in folds) == [0, 1, 2]
        assert list(Relations(groups * 0).deal(5, 0, some)) == []
