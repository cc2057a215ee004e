"""Trees and forests as functions of an array, in scikit-learn's own tree walkers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, count
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from recipeline.inference import _compat
from recipeline.inference._compat import HISTOGRAM, IS_CATEGORICAL, IS_LEAF, TREE, Fields
from recipeline.inference.compiled.form import Compiled, Predict, UnknownKindError
from recipeline.inference.compiled.small_trees import FEW_SPLITS, MANY_ROWS, SmallTrees

# Up to so many rows all trees are walked in one call, each row once for each tree; from there on tree by tree is faster.
FEW_ROWS, FEW_ROWS_HISTOGRAM = 8, 32

# So few trees are walked faster one by one.
FEW_TREES = 16

# Bytes of the rows repeated for each tree.
MOST_BYTES = 8_000_000


def compile_trees(model: BaseEstimator, width: int) -> Compiled:
    kind = type(model)
    if kind is HistGradientBoostingRegressor:
        if model.loss not in ("squared_error", "absolute_error", "quantile"):
            raise UnknownKindError
        return histogram_trees(model, width)
    if getattr(model, "n_outputs_", 1) != 1:
        raise UnknownKindError
    if kind in (DecisionTreeRegressor, ExtraTreeRegressor):
        return forest([model.tree_], width)
    if kind in (RandomForestRegressor, ExtraTreesRegressor):
        return forest([estimator.tree_ for estimator in model.estimators_], width)
    if kind is GradientBoostingRegressor:
        trees = [estimator.tree_ for estimator in model.estimators_[:, 0]]
        return boosted_trees(trees, width, start=_first_guess(model, width), scale=float(model.learning_rate))
    raise UnknownKindError


def _first_guess(model: GradientBoostingRegressor, width: int) -> float:
    if isinstance(model.init_, str) and model.init_ == "zero":
        return 0.0
    if type(model.init_) is not DummyRegressor:
        raise UnknownKindError
    return float(model.init_.predict(np.zeros((1, width)))[0])


def forest(trees: Sequence[Any], width: int, place: int = 0) -> Compiled:
    """Return the mean of trees as a function, for classes that of the one at `place`."""
    return Compiled("trees", True, _sum_of_trees(_one_output(trees, place), width, divisor=len(trees)))


def forest_of_classes(trees: Sequence[Any], width: int) -> Compiled:
    """Return the means of trees as a function: a column for each class."""
    tree, values = _graft_trees(trees, width)
    numbers = np.arange(len(trees), dtype=np.float32)[:, None]

    def predict_few(rows: np.ndarray) -> np.ndarray:
        leaves = tree.apply(_repeat(rows, numbers)).reshape(len(numbers), len(rows))
        return _add_up(0.0, values.take(leaves, axis=0)) / len(trees)

    def predict_many(rows: np.ndarray) -> np.ndarray:
        total, narrow = np.zeros((len(rows), values.shape[1])), rows.astype(np.float32, order="C")
        for one in trees:
            total += one.predict(narrow)
        return total / len(trees)

    few = min(FEW_ROWS, MOST_BYTES // (numbers.nbytes * (width + 1))) if len(trees) > FEW_TREES else 0
    return Compiled("trees", True, _by_number_of_rows(predict_few, predict_many, few, width))


def boosted_trees(trees: Sequence[Any], width: int, *, start: float, scale: float) -> Compiled:
    """Return start + scale * tree 1 + scale * tree 2 + ... as a function."""
    return Compiled("boosted trees", True, _sum_of_trees(trees, width, start=start, scale=scale))


def _one_output(trees: Sequence[Any], place: int) -> Sequence[Any]:
    """Return trees whose values are those of the class at `place`.

    Trees of one value are returned as they are.
    """
    if all(tree.value.shape[2] == 1 for tree in trees):
        return trees
    made = []
    for tree in trees:
        nodes, values, depth = _compat.tree_parts(tree)
        made.append(_compat.make_tree(tree.n_features, nodes, np.ascontiguousarray(values[:, 0, place]), depth))
    return made


def _sum_of_trees(trees: Sequence[Any], width: int, *, start: float = 0.0, scale: float = 1.0, divisor: int = 1) -> Predict:
    """Return (start + scale * tree 1 + scale * tree 2 + ...) / divisor as a function.

    It is summed in this order. Where a compiler fuses a product and a sum (it may on ARM), the two ways differ by a last bit as
    soon as `scale` is not 1: `differences` refuses such a model.
    """
    tree, values = _graft_trees(trees, width)
    if values.shape[1] != 1:
        raise UnknownKindError
    terms_of_leaves = scale * values[:, 0]
    numbers = np.arange(len(trees), dtype=np.float32)[:, None]
    stages = np.array([[_compat.Stage(one)] for one in trees], dtype=object)

    def predict_few(rows: np.ndarray) -> np.ndarray:
        leaves = tree.apply(_repeat(rows, numbers)).reshape(len(numbers), len(rows))
        return _add_up(start, terms_of_leaves.take(leaves)) / divisor

    def predict_many(rows: np.ndarray) -> np.ndarray:
        total = np.full((len(rows), 1), start)
        _compat.predict_stages(stages, rows.astype(np.float32, order="C"), scale, total)
        return total[:, 0] / divisor

    few = min(FEW_ROWS, MOST_BYTES // (numbers.nbytes * (width + 1))) if len(trees) > FEW_TREES else 0
    return _by_number_of_rows(predict_few, predict_many, few, width)


def _by_number_of_rows(predict_few: Predict, predict_many: Predict, few: int, width: int) -> Predict:
    def predict(rows: np.ndarray) -> np.ndarray:
        if rows.shape[1] != width:
            raise ValueError(f"There must be {width} columns. Got {rows.shape[1]} instead.")
        return predict_few(rows) if len(rows) <= few else predict_many(rows)

    return predict


def _add_up(start: float, terms: np.ndarray) -> np.ndarray:
    """Return start + terms[0] + terms[1] + ..., summed in this order.

    `sum` would not keep the order.
    """
    sums = np.empty((len(terms) + 1, *terms.shape[1:]))
    sums[0], sums[1:] = start, terms
    total: np.ndarray = np.add.accumulate(sums, axis=0)[-1]
    return total


def _repeat(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return every row once for each of `numbers`, (trees, 1), its last column.

    Rows of one number are together. Memory is column by column: a row is written much faster as a few long columns than as many
    short rows.
    """
    width = rows.shape[1]
    columns = np.empty((width + 1, len(numbers), len(rows)), dtype=numbers.dtype)
    columns[:width] = rows.T[:, None, :]
    columns[width] = numbers
    return columns.reshape(width + 1, len(numbers) * len(rows)).T


def _graft(trees: Sequence[np.ndarray], inner: Iterable[np.ndarray], fields: Fields, column: int) -> np.ndarray:
    """Return one tree of all `trees`; its root selects by the number in `column`.

    Parameters
    ----------
    trees : nodes, each tree's root first.
    inner : for each tree the nodes that have children.
    """
    roots = list(accumulate((len(nodes) for nodes in trees), initial=len(trees) - 1))
    grafted = np.zeros(roots[-1], dtype=trees[0].dtype)
    for root, nodes, mask in zip(roots[:-1], trees, inner, strict=True):
        grafted[root : root + len(nodes)] = nodes
        for child in (fields.left, fields.right):
            grafted[child][root : root + len(nodes)][mask] += root
    free = count()

    def branch(low: int, high: int) -> int:
        if high - low == 1:
            return roots[low]
        node, middle = next(free), (low + high) // 2
        grafted[fields.feature][node], grafted[fields.threshold][node] = column, middle - 0.5
        grafted[fields.left][node], grafted[fields.right][node] = branch(low, middle), branch(middle, high)
        return node

    branch(0, len(trees))
    return grafted


def _graft_trees(trees: Sequence[Any], width: int) -> tuple[Any, np.ndarray]:
    """Return `trees` as one tree and its values, (nodes, classes or 1).

    The column `width` selects a tree. The values inside of the tree are those of the first class.
    """
    nodes, answers, depths = zip(*(_compat.tree_parts(tree) for tree in trees), strict=True)
    if any(
        part.shape[1] != 1 or part.shape[2] != answers[0].shape[2] or tree.n_features != width
        for part, tree in zip(answers, trees, strict=True)
    ):
        raise UnknownKindError
    grafted = _graft(nodes, [part[TREE.left] >= 0 for part in nodes], TREE, width)
    values = np.concatenate([np.zeros((len(trees) - 1, answers[0].shape[2])), *(part[:, 0] for part in answers)])
    grafted, values = _share_leaves(grafted, values)
    made = _compat.make_tree(width + 1, grafted, np.ascontiguousarray(values[:, 0]), max(depths) + len(trees).bit_length())
    return made, values


def _share_leaves(nodes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and values with one leaf for each distinct value.

    The first of equal leaves is kept. Half of all nodes are leaves with few distinct values: the data in the cache is halved.
    """
    leaves = np.flatnonzero(nodes[TREE.left] < 0)
    told = values[leaves, 0] if values.shape[1] == 1 else values[leaves]
    _, first, which = np.unique(told, return_index=True, return_inverse=True, axis=0)
    stands_for_itself = np.ones(len(nodes), dtype=bool)
    stands_for_itself[leaves] = False
    stands_for_itself[leaves[first]] = True
    place = np.cumsum(stands_for_itself) - 1
    place[leaves] = place[leaves[first]][which.reshape(-1)]
    shared = nodes[stands_for_itself]
    inner = shared[TREE.left] >= 0
    for child in (TREE.left, TREE.right):
        shared[child][inner] = place[shared[child][inner]]
    return shared, values[stands_for_itself]


def histogram_trees(model: BaseEstimator, width: int, place: int = 0) -> Compiled:
    """Return baseline + tree 1 + ..., summed in this order, of the output at `place`."""
    trees = _histogram_nodes(model, width, place)
    grafted = _graft(trees, [nodes[IS_LEAF] == 0 for nodes in trees], HISTOGRAM, width)
    baseline = _compat.histogram_baseline(model, place)
    numbers = np.arange(len(trees), dtype=np.float64)[:, None]
    no_categories, no_places = np.zeros((0, 8), dtype=np.uint32), np.zeros(width + 1, dtype=np.uint32)
    is_light = max(map(len, trees)) <= 2 * FEW_SPLITS + 1
    table = SmallTrees.of(trees) if is_light else None

    def walk(nodes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        answers = np.empty(len(rows))
        _compat.predict_histogram_tree(nodes, rows, no_categories, no_categories, no_places, 1, answers)  # 1 thread
        return answers

    def predict_few(rows: np.ndarray) -> np.ndarray:
        return _add_up(baseline, walk(grafted, _repeat(rows, numbers)).reshape(len(numbers), len(rows)))

    def predict_many(rows: np.ndarray) -> np.ndarray:
        if table and len(rows) >= MANY_ROWS:
            return table.add_up(rows, [baseline])[:, 0]
        total = np.full(len(rows), baseline)
        for nodes in trees:
            total += walk(nodes, rows)
        return total

    few = min(FEW_ROWS_HISTOGRAM, MOST_BYTES // (numbers.nbytes * (width + 1)))
    return Compiled("boosted trees", True, _by_number_of_rows(predict_few, predict_many, few, width), is_light)


def small_sums(models: Sequence[BaseEstimator], width: int) -> Predict | None:
    """Return small boosted trees of several models as one function, (rows, models).

    It is for many rows. None: a model is of another kind, or they are not small enough.
    """
    if any(type(model) is not HistGradientBoostingRegressor for model in models):
        return None
    try:
        table = SmallTrees.of(*(_histogram_nodes(model, width, 0) for model in models))
    except UnknownKindError:
        return None
    if table is None:
        return None
    baselines = [_compat.histogram_baseline(model, 0) for model in models]
    return lambda rows: table.add_up(rows, baselines)


def _histogram_nodes(model: BaseEstimator, width: int, place: int) -> list[np.ndarray]:
    trees = _compat.histogram_nodes(model, place)
    if model.is_categorical_ is not None:
        raise UnknownKindError
    if any(nodes[IS_CATEGORICAL].any() or nodes[HISTOGRAM.feature].max() >= width for nodes in trees):
        raise UnknownKindError
    return trees
