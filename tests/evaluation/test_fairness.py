from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recipeline.evaluation.fairness import MOST_VALUES, compare_groups
from recipeline.evaluation.tasks.results import Disparity
from recipeline.inference.columns import Columns
from tests.conftest import as_recipe, small_recipe

REGIONS = [f"region {place:02}" for place in range(MOST_VALUES + 3)]


def table(rows: int = 600) -> pd.DataFrame:
    """Return rows of people: half of them members, of many regions."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sex": rng.choice(["man", "woman"], rows),
            "member": rng.integers(2, size=rows).astype(float),
            "region": rng.choice(REGIONS, rows),
            "age": rng.integers(18, 80, rows).astype(float),
            "faith": rng.choice(["a", "b"], rows),
            "y": rng.choice(["no", "yes"], rows),
        }
    )


def columns_of(rows: pd.DataFrame) -> Columns:
    content = small_recipe() | {
        "task": "binary",
        "target": {"column": "y", "positive": "yes"},
        "columns": {
            "sex": {"type": "category"},
            "member": {"type": "boolean"},
            "region": {"type": "category"},
            "age": {},
            "faith": {"type": "category", "role": "sensitive"},
            "y": {"type": "category"},
        },
        "candidates": {"Tree": {"alias": "dt", "estimator": "sklearn.tree.DecisionTreeClassifier"}},
        "gates": {},
        "promotion": {},
        "monitoring": {},
    }
    return Columns.learn(as_recipe(content), rows)


def compare(rows: pd.DataFrame, said: np.ndarray, groups: np.ndarray | None = None) -> dict[tuple[str, str], Disparity]:
    columns, truth = columns_of(rows), (rows["y"] == "yes").to_numpy().astype(int)
    own = np.arange(len(rows)) if groups is None else groups
    found = compare_groups(columns.matrix(rows), columns, truth, said, [(1, "yes")], own, seed=0)
    return {(it.feature, it.measure): it for it in found}


def test_categories_and_booleans_are_compared_and_no_number_and_nothing_sensitive() -> None:
    found = compare(table(), np.ones(600, dtype=int))
    assert {feature for feature, _ in found} == {"sex", "member", "region"}
    assert {measure for _, measure in found} == {"recall", "false positive rate"}
    assert len(found["region", "recall"].groups) == MOST_VALUES
    assert {it.value for it in found["member", "recall"].groups} == {False, True}


def test_shares_are_of_the_rows_that_have_the_label_or_have_it_not() -> None:
    rows = table()
    said = np.random.default_rng(1).integers(2, size=600)
    found = compare(rows, said)
    for measure, label in (("recall", "yes"), ("false positive rate", "no")):
        for group in found["sex", measure].groups:
            among = (rows["y"] == label) & (rows["sex"] == group.value)
            assert group.rows == among.sum()
            assert group.rate == pytest.approx(said[among.to_numpy()].mean())


def test_a_model_that_finds_men_only_has_the_gap_of_women_to_men() -> None:
    rows = table()
    said = ((rows["y"] == "yes") & ((rows["sex"] == "man") | (rows["age"] > 60))).to_numpy().astype(int)
    gap = compare(rows, said)["sex", "recall"].gap
    assert gap is not None
    assert (gap.least, gap.greatest) == ("woman", "man")
    assert gap.interval_95[0] > 0.4
    assert compare(rows, said)["sex", "false positive rate"].gap == compare(rows, said)["sex", "false positive rate"].gap
    none = compare(rows, said)["member", "recall"].gap
    assert none is not None
    assert none.interval_95[0] < 0 < none.interval_95[1]


def test_whole_groups_are_drawn() -> None:
    rows = pd.concat([table(150)] * 8, ignore_index=True)
    said = ((rows["y"] == "yes") & (rows["age"] > 40)).to_numpy().astype(int)
    copies = compare(rows, said, np.tile(np.arange(150), 8))["sex", "recall"].gap
    as_rows = compare(rows, said)["sex", "recall"].gap
    assert copies is not None
    assert as_rows is not None
    assert copies.difference == as_rows.difference
    assert np.ptp(copies.interval_95) > 1.8 * np.ptp(as_rows.interval_95)


def test_a_label_that_no_row_has_is_compared_by_its_false_positives_alone() -> None:
    rows = table().assign(y="no")
    found = compare(rows, np.zeros(600, dtype=int))
    assert {it.rate for it in found["sex", "recall"].groups} == {None}
    assert found["sex", "recall"].gap is None
    assert {it.rate for it in found["sex", "false positive rate"].groups} == {0}


def test_a_column_with_one_value_has_nobody_to_be_compared_with() -> None:
    assert ("sex", "recall") not in compare(table().assign(sex="man"), np.ones(600, dtype=int))
