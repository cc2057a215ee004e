"""The split into training and test rows, and into folds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from recipeline.config.import_path import import_function
from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import count_distinct, value_keys
from recipeline.data.relating.relations import FOLD, Relations, relate_rows
from recipeline.data.target_codes import TargetCodes, fit_target
from recipeline.data.tasks.every import TASKS
from recipeline.errors import DataError, UsageError
from recipeline.metrics.catalogue import skill_of

#: So many rows have their keys as Python objects at a time.
_TOGETHER = 65_536
Fold = tuple[np.ndarray, np.ndarray]


def split_rows(table: pd.DataFrame, recipe: Recipe, method: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and test rows of `table`, with index and order kept.

    grouped: a row is a test row if a hash of its features and the seed is below `test_size`, so equal rows stay
    together, the share is `test_size` up to chance, and a row keeps its side when others are added, removed or reordered (with
    `split.tolerance`, if they join no groups).
    With `split.group`, groups are test rows in the order of such hashes until they hold about `test_size` of the rows: there
    may be too few of them to leave it to chance.
    With `split.time`, the test rows are those from an instant on, such that they are about `test_size` of the rows; training
    rows are older than that by more than `split.embargo`, and rows in between are on neither side.
    With `split.custom`, the project's own function chooses the test rows; training rows that it gives numbers of folds have
    these in the column FOLD.
    random: exactly `train_test_split(table, test_size=..., random_state=...)`; copies end up on both sides, in its order.
    A table as `read_keys` makes it is split as its rows are; they are written in the order of the table.

    Raises
    ------
    UsageError : `split.custom` leads nowhere, or what it returns is no choice of rows, or no folds.
    DataError : either side has too few distinct rows for the folds of the recipe, or the target does not vary in a fold.
    """
    if recipe.split.time and method != "random":
        train, test = _split_by_time(table, recipe)
    elif method == "random":
        train, test = split_plainly(table, recipe)
    elif recipe.split.custom is not None:
        is_test, folds = _ask_custom(table, recipe)
        train, test = table[~is_test], table[is_test]
        if folds is not None:
            train = train.assign(**{FOLD: folds[~is_test]})
    else:
        is_test = _is_test(relate_rows(table, recipe), recipe)
        train, test = table[~is_test], table[is_test]
    need, unit, found = _count_evidence(train, recipe, method)
    if found < need or test[recipe.target].nunique() < 2:
        raise DataError(
            f"The split must leave at least {need} {unit} to train on and 2 different targets to test on.",
            got=f"{found} and {test[recipe.target].nunique()}",
            fix=_correct_rule(recipe)
            or _explain_few(table, recipe, method, need)
            or "Name a larger table, or change split.test_size or cv.folds in the recipe.",
        )
    alone = [way for way in relate_rows(test, recipe).evidence() if way.is_clustered and way.count < 2]
    if alone and method != "random":
        raise DataError(
            f"The test rows must be of at least 2 {alone[0].unit}: a single one does not show how others differ.",
            got=alone[0].count,
            fix=_correct_rule(recipe) or "Raise split.test_size in the recipe, or name a larger table.",
        )
    _require_labels(train, test, TargetCodes.learn(recipe, table), recipe)  # a label may be on the side of the test rows only
    require_folds(train, recipe, method)
    return train, test


def require_folds(train: pd.DataFrame, recipe: Recipe, method: str, of: str = "", *, must_vary: bool = True) -> None:
    """Raise DataError where candidates cannot be compared by the folds of some rows.

    There are none, or one has no rows to fit to, or too few to score, or (if it `must_vary`) one target. `of` says of which
    rows they are.
    """
    target, folds, of = fit_target(train, recipe), list(cv_folds(train, recipe, method)), f"the cross-validation{of}"
    target = np.unique(target, return_inverse=True)[1] if TargetCodes.learn(recipe, train).labels else target
    if not folds:
        unit = f"values of '{recipe.split.time or recipe.split.group}'" if recipe.split.named else "distinct rows"
        fix = "Lower cv.folds in the recipe, or name a larger table." if recipe.split.custom is None else _correct_rule(recipe)
        raise DataError(f"The rows of {of} must have at least 2 different {unit}, to be dealt into folds.", got=1, fix=fix)
    for fold, (seen, unseen) in enumerate(folds):
        if not len(seen):
            raise DataError(
                f"Fold {fold} of {of} has no training rows: "
                f"none is older than its test rows by more than {recipe.split.embargo_words}.",
                fix="Lower split.embargo or cv.folds in the recipe, or name a longer table.",
            )
        if len(unseen) < 2 or (must_vary and not np.ptp(target[unseen])):
            raise DataError(
                f"Fold {fold} of {of} has no {skill_of(recipe.task).label}: its target must vary.",
                got=f"{_as_word(fit_target(train.iloc[unseen[:1]], recipe)[0])} in each of its {len(unseen)} rows",
                fix=f"Correct the folds of {recipe.split.custom.path}."
                if recipe.split.custom is not None and FOLD in train
                else "Lower cv.folds or change random_state in the recipe, or name a larger table.",
            )


def split_plainly(table: pd.DataFrame, recipe: Recipe) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both sides of a plain `train_test_split`.

    Whether a model can be trained on them is not checked: other splits are compared with it.
    """
    train, test = train_test_split(table, test_size=recipe.split.test_size, random_state=recipe.random_state)
    return train, test


def stratify(table: pd.DataFrame, recipe: Recipe) -> np.ndarray | None:
    """Return what folds of the rows are stratified by, (rows,); None for numbers."""
    return TASKS[recipe.task].strata(fit_target(table, recipe))


def _correct_rule(recipe: Recipe) -> str:
    """Return what to do where a function of the project's own chose the rows, else ""."""
    return f"Correct {recipe.split.custom.path}, or name a larger table." if recipe.split.custom is not None else ""


def _explain_few(table: pd.DataFrame, recipe: Recipe, method: str, need: int) -> str:
    """Return what to do where few values, or copies of rows, make few groups.

    It is "" where more rows would help.
    """
    key = "time" if recipe.split.time and method != "random" else "group"
    column = recipe.split.named.get(key)
    if column is None:
        return ""
    named = count_distinct(value_keys(table[column]))
    if named <= need:
        return f"'{column}' has too few different values in all rows ({named}): name another split.{key}, or another table."
    joined = relate_rows(table, recipe).by_group().count
    if recipe.split.time or 2 * joined > named:
        return ""
    return (
        f"Rows of equal features join their groups, which makes {joined} of {named} values of '{column}': "
        "add a feature that tells them apart, or remove the copies of rows."
    )


def _require_labels(train: pd.DataFrame, test: pd.DataFrame, codes: TargetCodes, recipe: Recipe) -> None:
    """Raise DataError where training rows have too few of a label, or lack one."""
    if not codes.labels:
        return
    learned, tested = (fit_target(rows, recipe) for rows in (train, test))
    way = relate_rows(train, recipe).by_group()
    pieces, unit = way.pieces, f"{way.unit} among the training rows" if way.is_clustered else "distinct training rows"
    if recipe.split.time:  # which keeps neither copies nor groups in one fold
        pieces, unit = np.arange(len(train)), "training rows"
    for label in sorted({*np.unique(learned).tolist(), *np.unique(tested).tolist()}, key=str):
        found = count_distinct(pieces[learned == label])
        if found < recipe.cv.folds:
            raise DataError(
                f"Each label of '{recipe.target}' must have at least {recipe.cv.folds} {unit}, one per fold.",
                got=f"{found} of the label {label}",
                fix="Join rare labels into one, leave their rows out, lower cv.folds, or name a larger table.",
            )


def _count_evidence(train: pd.DataFrame, recipe: Recipe, method: str) -> tuple[int, str, int]:
    """Return the pieces that the folds need: number, unit, and number available."""
    if recipe.split.time and method != "random":
        return recipe.cv.folds + 1, f"different values of '{recipe.split.time}'", train[recipe.split.time].nunique()
    if FOLD in train:
        return 2, "rows", len(train)
    found = relate_rows(train, recipe).by_group() if len(train) else None
    return 2 * recipe.cv.folds, found.unit if found else "rows", found.count if found else 0


def _split_by_time(table: pd.DataFrame, recipe: Recipe) -> tuple[pd.DataFrame, pd.DataFrame]:
    times = relate_rows(table, recipe).times
    assert times is not None
    instants, sizes = np.unique(times, return_counts=True)
    newer = np.cumsum(sizes[::-1])[::-1] / len(times)  # the share of the rows from each instant on
    start = instants[1:][np.argmin(np.abs(newer[1:] - recipe.split.test_size))] if len(instants) > 1 else instants[0]
    return table[times < start - recipe.split.gap], table[times >= start]


def find_custom(recipe: Recipe) -> Callable[..., Any] | None:
    """Return the project's own function that chooses test rows; None without one.

    Raises
    ------
    UsageError : its path cannot be imported, is not a function, or is one of other arguments than a table and the params.
    """
    if recipe.split.custom is None:
        return None
    rule, fix = recipe.split.custom, f"Correct it in {recipe.path}."
    where, words = recipe.at("split.custom"), "of a table and params"
    return import_function(rule.path, 1, rule.params, where=where, takes=words, fix=fix)


def _ask_custom(table: pd.DataFrame, recipe: Recipe) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the mask of test rows that the project's own function chooses.

    With it the number of each row's fold, at least 0 for training rows; None where it gives none.
    """
    function, rule = find_custom(recipe), recipe.split.custom
    assert function is not None
    assert rule is not None
    said = function(table.copy(), **rule.params)
    said, numbers = said if isinstance(said, tuple) and len(said) == 2 else (said, None)
    is_test = _as_values(said, "b", f"a boolean for each of the {len(table)} rows, True of test rows", table, recipe)
    if numbers is None:
        _require_whole_groups(table, is_test, "on one side", "on both", recipe)
        return is_test, None
    words = f"the number of a fold, 0 or above, for each of the {len(table)} rows beside the booleans"
    folds = _as_values(numbers, "iuf", words, table, recipe)
    learned = folds[~is_test]
    if odd := int((~(learned >= 0) | (learned % 1 != 0)).sum()):
        raise _no_split(recipe, f"must give every training row {words}.", f"{odd} training rows in no fold")
    if (count := len(np.unique(learned))) < 2:
        raise _no_split(recipe, "must return two folds at least.", f"{count}")
    numbers = np.full(len(table), -1)  # in the order of the function's own, which may be beyond whole numbers of 64 bits
    numbers[~is_test] = np.unique(learned, return_inverse=True)[1]
    _require_whole_groups(table, numbers, "on one side, and in one fold", "in several", recipe)
    return is_test, numbers


def _as_values(said: Any, kinds: str, words: str, table: pd.DataFrame, recipe: Recipe) -> np.ndarray:
    """Return what the function said of the rows.

    Raises
    ------
    UsageError : it is not a value of these kinds for each row.
    """
    try:
        found = np.asarray(said)
    except ValueError:
        raise _no_split(recipe, f"must return {words}.", "values of several lengths") from None
    faults = {
        f"{found.ndim} dimensions": found.ndim != 1,
        f"{found.size} values": found.size != len(table),
        f"the type {found.dtype}": found.dtype.kind not in kinds,
        "another index than the table's": isinstance(said, pd.Series) and not said.index.equals(table.index),
    }
    for got, is_one in faults.items():
        if is_one:
            raise _no_split(recipe, f"must return {words}.", got)
    return found


def _require_whole_groups(table: pd.DataFrame, sides: np.ndarray, rule: str, got: str, recipe: Recipe) -> None:
    if not recipe.split.group:
        return
    groups = table[recipe.split.group]
    torn = pd.Series(sides).groupby(groups.to_numpy()).nunique()
    torn = torn[torn > 1]
    if len(torn):
        raise _no_split(
            recipe,
            f"must leave the rows of a group {rule}.",
            f"{len(torn)} groups {got}, for example {recipe.split.group} {_as_word(torn.index[0])}",
            ", or take split.group out of the recipe",
        )


def _no_split(recipe: Recipe, rule: str, got: str, or_else: str = "") -> UsageError:
    assert recipe.split.custom is not None
    return UsageError(f"{recipe.at('split.custom')} {rule}", got=got, fix=f"Correct {recipe.split.custom.path}{or_else}.")


def _as_word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_test(relations: Relations, recipe: Recipe) -> np.ndarray:
    fractions = _fractions(relations.groups, recipe.random_state)
    if not relations.column:
        return fractions < recipe.split.test_size
    order, sizes = np.unique(fractions, return_counts=True)
    held = np.cumsum(sizes) / len(relations)
    last = int(np.argmin(np.abs(held - recipe.split.test_size)))
    is_test: np.ndarray = fractions <= order[last]
    return is_test


def _fractions(groups: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in [0, 1) per row, a function of its group and the seed alone."""
    fractions = np.empty(len(groups))
    for start in range(0, len(groups), _TOGETHER):
        unique, inverse = np.unique(groups[start : start + _TOGETHER], return_inverse=True)
        digests = (hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest() for key in unique.tolist())
        found = np.fromiter((int.from_bytes(d, "big") / 2**64 for d in digests), float, len(unique))
        fractions[start : start + _TOGETHER] = found[inverse]
    return fractions


def cv_folds(train: pd.DataFrame, recipe: Recipe, method: str, *, is_exact: bool = False) -> Iterator[Fold]:
    """Yield (fit, score) row positions of each fold, grouped as the split `method`.

    Folds of classes have about equal shares of each label. Fewer groups make fewer folds; if `is_exact`, a ValueError.
    """
    n_splits, seed, strata = recipe.cv.folds, recipe.random_state, stratify(train, recipe)
    if method == "random":
        kind = KFold if strata is None else StratifiedKFold
        yield from kind(n_splits, shuffle=True, random_state=seed).split(train, strata)
    else:
        yield from relate_rows(train, recipe).deal(n_splits, seed, strata, is_exact=is_exact)
