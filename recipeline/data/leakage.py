"""The audit of a split: twins and their effect, and differences of the sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import KDTree
from scipy.stats import ks_2samp
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

from recipeline.config.recipe import Recipe
from recipeline.data.kinds.every import KINDS
from recipeline.data.relating.grouping import COPIES, as_numbers, hash_features, is_among, value_keys
from recipeline.data.relating.near_twins import find_near
from recipeline.data.relating.neighbours import scale_columns
from recipeline.data.relating.relations import relate_rows
from recipeline.data.results import ColumnDistance, LeakAudit, Memory, Twins
from recipeline.data.smells import Columns, find_smells
from recipeline.data.splits import split_plainly
from recipeline.data.stored_rows import SAMPLED, StoredRows, draw_places
from recipeline.data.target_codes import TargetCodes
from recipeline.metrics.skill import skill_score

#: A test row is a near twin where no feature differs by more than so many standard deviations of its column.
NEAR = 1e-4

#: Test rows of no more values of the time than that are warned of.
FEW_INSTANTS = 3


def audit_leaks(train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe, near_rows: int | None = None) -> Twins:
    """Return the numbers of test rows with a twin and a near twin in training.

    A twin is a row with equal features. With `split.group` also the number of test rows of a group that is in training, with
    `split.time` the number of those no newer than the newest training row. `near_rows` is the number of near twins of tables
    without features (`read_keys`).
    """
    leaked, time = has_twin(test, train, recipe), recipe.split.time
    if near_rows is None:
        near_rows = int((has_near_twin(test, train, recipe) & ~leaked).sum())
    return Twins(
        train_rows=len(train),
        test_rows=len(test),
        leaked_rows=int(leaked.sum()),
        leaked_share=float(leaked.mean()),
        near_rows=near_rows,
        known_group_rows=int(of_known_group(test, train, recipe).sum()) if recipe.split.group else None,
        older_rows=int((test[time] <= train[time].max()).sum()) if time else None,
    )


def audit_split(
    table: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe, method: str, rows: StoredRows | None = None
) -> LeakAudit:
    """Return the audit of a split of `table`, and that of a plain random one.

    `method` is that of the split. Where the tables have no features (`read_keys`), `rows` are those of the table: near twins of
    a uniform sample are looked for in all of them, and columns are compared, and memory is measured, in the sample.
    """
    if rows is not None:
        found = _audit_keys(table, train, test, recipe, method, rows)
    else:
        plainly = (train, test) if method == "random" else split_plainly(table, recipe)
        found = _Audited(audit_leaks(train, test, recipe), audit_leaks(*plainly, recipe), (train, test), plainly, table)
    warnings = find_warnings(train, test, recipe, method, found.twins, is_sampled=rows is not None)
    return LeakAudit(
        **vars(found.twins),
        method=method,
        random_split=found.plain,
        memory=measure_memory(*found.plainly, recipe),
        columns=compare_columns(*found.sides, recipe),
        warnings=(*warnings, *find_smells(found.columns, recipe)),
        columns_of_split=recipe.split.named,
        embargo=recipe.split.gap,
        embargo_rows=len(table) - len(train) - len(test),
        sampled_rows=found.sampled,
    )


_Sides = tuple[pd.DataFrame, pd.DataFrame]


@dataclass(frozen=True)
class _Audited:
    """The twins of a split and of a plain random one, and both sides of either.

    The sides are all rows, or those of a sample of `sampled` ones.
    """

    twins: Twins
    plain: Twins
    sides: _Sides
    plainly: _Sides
    columns: Columns | pd.DataFrame
    sampled: int | None = None


def _audit_keys(
    keys: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe, method: str, rows: StoredRows
) -> _Audited:
    """Return the twins of a split of keys, and a sample of the rows of either side."""
    size, seed = len(keys), recipe.random_state
    masks = [_as_masks(size, train.index, test.index)]
    if method != "random":
        masks.append(_as_masks(size, *train_test_split(np.arange(size), test_size=recipe.split.test_size, random_state=seed)))
    places = draw_places(size, SAMPLED // len(rows.columns), seed)
    near = _count_near(rows, keys[COPIES].to_numpy(), places, masks, recipe)
    twins = plain = audit_leaks(train, test, recipe, near[0])
    if method != "random":
        is_train, is_test = masks[1]
        plain = audit_leaks(keys[is_train], keys[is_test], recipe, near[1])
    sample = rows.take(places)
    sides = [(sample[is_train[places]], sample[is_test[places]]) for is_train, is_test in masks]
    return _Audited(twins, plain, sides[0], sides[-1], OneByOne(rows), len(places))


def _as_masks(size: int, *sides: Any) -> tuple[np.ndarray, ...]:
    """Return a mask of so many rows for the positions of each side."""
    masks = tuple(np.zeros(size, dtype=bool) for _ in sides)
    for mask, positions in zip(masks, sides, strict=True):
        mask[positions] = True
    return masks


def _count_near(
    rows: StoredRows, copies: np.ndarray, places: np.ndarray, splits: Sequence[tuple[np.ndarray, ...]], recipe: Recipe
) -> list[int]:
    """Return about how many test rows of each split have a near twin in training.

    Those with a twin do not count. The share is that of the test rows at `places`. `splits` are masks of both sides.
    """
    found, counts = find_near(rows, copies, places, [it[0] for it in splits], recipe.features, NEAR), []
    for (is_train, is_test), near in zip(splits, found, strict=True):
        tested = is_test[places]
        leaked = is_among(copies[places], copies[is_train])
        share = float((near & ~leaked)[tested].mean()) if tested.any() else 0.0
        counts.append(round(share * int(is_test.sum())))
    return counts


class OneByOne:
    """The columns of stored rows, each of which is read when it is asked for."""

    def __init__(self, rows: StoredRows) -> None:
        self._rows = rows

    def __getitem__(self, name: str) -> pd.Series:
        return self._rows.read([name])[name]


def explain_audit(audit: LeakAudit, keys: Mapping[str, str]) -> str:
    """Return the audit of a split as a sentence.

    `keys` are those of the recipe that decided the split besides its method.
    """
    how, plain = "".join(f", {key}: {value}" for key, value in keys.items()), audit.random_split
    if audit.embargo_rows:
        how += f", {audit.embargo_rows} rows between training and test rows left out"
    return (
        f"{audit.method} split{how}: {audit.train_rows} training and {audit.test_rows} test rows; "
        f"{audit.leaked_rows} test rows have a twin in training"
        + ("" if audit.method == "random" else f" (a plain random split: {plain.leaked_rows} of {plain.test_rows})")
        + (f"; {audit.sampled[:1].lower()}{audit.sampled[1:-1]}" if audit.sampled else "")
    )


def find_warnings(
    train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe, method: str, twins: Twins, *, is_sampled: bool = False
) -> list[str]:
    """Return a warning for each property of a split that makes scores optimistic.

    `twins` are those of the split; `is_sampled`: the number of near ones is known from a sample.
    """
    found = []
    near, rows = twins.near_rows, len(train) + len(test)
    if near:
        found.append(
            f"{'About ' * is_sampled}{near} of {len(test)} test rows are near-copies of a training row: "
            f"no feature differs by more than {NEAR:g} standard deviations. "
            "They make scores optimistic; split.tolerance in the recipe joins such rows."
        )
    share, asked = len(test) / rows, recipe.split.test_size
    if abs(share - asked) > asked / 2:
        found.append(
            f"The test rows are {share:.0%} of all rows, where split.test_size is {asked:.0%}: few rows or large groups."
        )
    if recipe.split.time and method != "random":
        return found + _warn_of_time(test, recipe)
    related = relate_rows(train, recipe)
    largest, fold = int(np.unique(related.groups, return_counts=True)[1].max()), len(train) / recipe.cv.folds
    if method != "random" and largest > fold:
        kind = (
            f"group by {related.column}, with those that it has equal rows with," if related.column else "group of equal rows"
        )
        found.append(
            f"The largest {kind} has {largest} of {len(train)} training rows, more than a fold of {fold:.0f}: "
            "the folds are unequal, and the score of its fold is that of this group alone."
        )
    return found


def _warn_of_time(test: pd.DataFrame, recipe: Recipe) -> list[str]:
    related = relate_rows(test, recipe)
    count = len(np.unique(related.times)) if related.times is not None else 0
    if count > FEW_INSTANTS:
        return []
    known = "the intervals of the scores are wide" if count > 1 else "the intervals of the scores leave it out"
    return [
        f"The test rows have {count} different value{'' if count == 1 else 's'} of '{recipe.split.time}': "
        f"how much one differs from another is hardly known, and {known}."
    ]


def measure_memory(train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe) -> Memory | None:
    """Return R2 of an unpruned decision tree on rows with a twin, without, and all.

    The tree memorises its rows; of classes it is fitted to codes, and R2 is the Brier skill. None if there are too few of
    either, or the tree does not accept the rows.
    """
    codes, twins = TargetCodes.learn(recipe, pd.concat([train, test])), has_twin(test, train, recipe)
    target = codes.of(test, recipe)
    if min(twins.sum(), (~twins).sum()) < 10 or min(len(np.unique(target[part], axis=0)) for part in (twins, ~twins)) < 2:
        return None
    features = as_numbers(pd.concat([train, test])[list(recipe.features)])
    try:
        tree = DecisionTreeRegressor(random_state=recipe.random_state).fit(features[: len(train)], codes.of(train, recipe))
        predicted = tree.predict(features[len(train) :])
    except ValueError:  # a value too large for float32
        return None
    return Memory(*(skill_score(target[part], predicted[part]) for part in (np.ones(len(test), dtype=bool), twins, ~twins)))


def compare_columns(train: pd.DataFrame, test: pd.DataFrame, recipe: Recipe) -> tuple[ColumnDistance, ...]:
    """Return the distance between each column's training and test distributions.

    It is the Kolmogorov-Smirnov distance with its p-value; the limit is reached by one column in 20 if both have the same
    distribution: 1.358 sqrt(1/n + 1/m), for many rows (Smirnov 1948). NaN is left out, and so is a column without values.
    """
    left_out = {*recipe.not_features}
    names = [name for name in recipe.columns if name not in left_out]  # sides are to differ in a group or a time
    columns, numbers = [], as_numbers(pd.concat([train, test])[names])
    for name in names:
        column = recipe.columns[name]
        learned, kept = numbers[name][: len(train)].dropna(), numbers[name][len(train) :].dropna()
        if len(learned) and len(kept):
            found = ks_2samp(learned, kept)
            has_mean = KINDS[column.type].is_numeric
            columns.append(
                ColumnDistance(
                    column=name,
                    ks=float(found.statistic),
                    limit=1.358 * float(np.sqrt(1 / len(learned) + 1 / len(kept))),
                    p=float(found.pvalue),
                    train_mean=float(learned.mean()) if has_mean else None,
                    test_mean=float(kept.mean()) if has_mean else None,
                )
            )
    return tuple(columns)


def has_near_twin(rows: pd.DataFrame, others: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return a mask of the `rows` with a near twin in `others`.

    No feature of near twins differs by more than NEAR standard deviations.
    """
    features = list(recipe.features)
    table = as_numbers(pd.concat([rows[features], others[features]]))
    scaled = scale_columns(table, table)
    distance, _ = KDTree(np.unique(scaled[len(rows) :], axis=0)).query(
        scaled[: len(rows)], p=np.inf, distance_upper_bound=np.nextafter(NEAR, 1)
    )
    near: np.ndarray = np.isfinite(distance)
    return near


def of_known_group(rows: pd.DataFrame, others: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return a mask of the `rows` whose `split.group` is also in `others`."""
    return is_among(value_keys(rows[recipe.split.group]), value_keys(others[recipe.split.group]))


def has_twin(rows: pd.DataFrame, others: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return for each of `rows` whether a row with equal features is among `others`."""
    features = list(recipe.features)
    return is_among(hash_features(rows, features), hash_features(others, features))
