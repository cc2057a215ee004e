"""A fitted regressor as a function of an array: the same answers, without what scikit-learn does around them for every call.

Nothing here is to be believed unseen: who compiles a model asks `differences`, which holds the answers against the model's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, count
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, is_regressor
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model._base import LinearModel
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVR, NuSVR
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

# Not part of scikit-learn's promise: where one is gone, its models are of no known kind, and the caller asks them as ever.
try:
    from sklearn.ensemble._gradient_boosting import predict_stages
    from sklearn.tree._tree import Tree
except ImportError:
    predict_stages = Tree = None
try:
    from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data as predict_histogram_tree
except ImportError:
    predict_histogram_tree = None

Predict = Callable[[np.ndarray], np.ndarray]
#: What a transformer does to an array: `array = ufunc(array, operand)`, one after the other.
Operations = tuple[tuple[np.ufunc, np.ndarray], ...]

#: Relative error that answers may have where `exact` is not promised.
TOLERANCE = 1e-6
# Up to so many rows all trees are walked in one call, each row once for each tree; from there on tree by tree is faster.
FEW_ROWS, FEW_ROWS_HISTOGRAM = 8, 32
# So few trees are walked faster one by one.
FEW_TREES = 16
# From so many rows on, boosted trees of so few splits are faster not walked at all: all splits are asked, the answers looked
# up. So many rows at a time, which stay in the cache.
MANY_ROWS, FEW_SPLITS, BLOCK_ROWS = 1_024, 8, 65_536
# Bytes of the rows repeated for each tree.
MOST_BYTES = 8_000_000
# Entries of a kernel matrix and multiplications for it, at a time: it stays in the cache, and BLAS below its limit for threads.
KERNEL_ENTRIES, KERNEL_PRODUCTS = 100_000, 250_000


@dataclass(frozen=True)
class Compiled:
    """A fitted regressor as a function.

    Parameters
    ----------
    kind : what it computes, for people: "linear", "trees", "boosted trees", "kernel", or "mean of" several of these.
    exact : its answers are the model's, bit for bit; else within 1e-6 of them.
    predict : from float64, C-contiguous, (rows, features), to float64, (rows,). There must be no NaN, and for trees nothing too
        large for float32. It may be called by many threads at once, starts none, and leaves its input as it is.
    is_light : many rows are so little work for it that to share them among threads takes longer.
    """

    kind: str
    exact: bool
    predict: Predict
    is_light: bool = False


def compile_model(model: BaseEstimator, feature_names: Sequence[str]) -> Compiled | None:
    """Return `model`, fitted to the columns `feature_names` in this order, as a function; None where it is of no known kind.

    A subclass from elsewhere, several targets, categories, a link function, a clipped scale: none is of a known kind, and
    neither is what has such a part. Trees behind a projection (PCA) are not either: its last bit depends on how many rows BLAS
    is given, and decides on which side of a split a row is.
    """
    width = len(feature_names)
    try:
        _check_names(model, list(feature_names))
        compiled = _compile(model, width, ())
        for rows in (1, FEW_ROWS_HISTOGRAM + 1):  # each of the ways to walk trees
            if compiled.predict(np.zeros((rows, width))).shape != (rows,):
                return None
    except (_UnknownKindError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
    return compiled


def as_function(model: BaseEstimator, feature_names: Sequence[str]) -> Predict:
    """Return `model`, asked as ever, as a function of an array; NaN is for the model to take or to refuse."""
    names = list(feature_names)
    return lambda rows: np.asarray(model.predict(pd.DataFrame(rows, columns=names)), dtype=np.float64)


def fastest(model: BaseEstimator, rows: pd.DataFrame) -> Predict:
    """Return `model` as a function of an array: compiled where that answers some of `rows` as it does, and none has a NaN."""
    names = list(rows.columns)
    compiled = None if rows.isna().to_numpy().any() else compile_model(model, names)
    return as_function(model, names) if compiled is None or differences(compiled, model, rows.head(20)) else compiled.predict


def differences(compiled: Compiled, model: BaseEstimator, rows: pd.DataFrame) -> str:
    """Return "" where `compiled` answers `rows` as `model` does, at once and one by one; else a sentence with the worst row.

    As `model` does: equal bit for bit where `compiled.exact`, else within 1e-6 relative. Near zero, where sums cancel out, an
    error of 1e-12 of the largest answer is none.

    Parameters
    ----------
    rows : the model's features as its columns, in its order, at least one row, no NaN.
    """
    values = np.array(rows, dtype=np.float64, order="C")
    expected = np.asarray(model.predict(rows), dtype=np.float64)
    answers = {
        "at once": compiled.predict(values),
        "one by one": np.concatenate([compiled.predict(values[[row]]) for row in range(len(values))]),
    }
    allowed = 0.0 if compiled.exact else TOLERANCE * np.abs(expected) + 1e-12 * np.abs(expected).max()
    for how, answer in answers.items():
        error = np.abs(answer - expected)
        wrong = ~(error <= allowed)  # a NaN is wrong, too
        if wrong.any():
            worst = int(np.argmax(error - allowed))
            return (
                f"{wrong.sum()} of {len(values)} rows, asked {how}, are answered otherwise than by the model; "
                f"the worst is row {worst}: {float(answer[worst])!r} instead of {float(expected[worst])!r}."
            )
    return ""


def random_rows(low: np.ndarray, high: np.ndarray, names: Sequence[str], *, rows: int, seed: int) -> pd.DataFrame:
    """Return `rows` rows to ask a model, with `names` as their columns: a third of each of three sorts.

    Within [low, high]; beyond it by up to 20 % of the range on either side; and rounded to 1 to 4 decimals, because trees split
    between values that were rounded, and a row that lies on the split itself is where a small error shows.

    Parameters
    ----------
    low, high : (features,), finite.
    """
    rng = np.random.default_rng(seed)
    share = rng.random((rows, len(names)))
    share[1::3] = 1.4 * share[1::3] - 0.2
    values = low + share * (np.asarray(high) - low)
    decimals = rng.integers(1, 5, size=values.shape)
    decimals[np.arange(rows) % 3 != 2] = 0
    for number in range(1, 5):
        values = np.where(decimals == number, np.round(values, number), values)
    return pd.DataFrame(values, columns=list(names))


class _UnknownKindError(Exception):
    """The model, or a part of it, is of no known kind."""


def _check_names(model: BaseEstimator, names: list[str]) -> None:
    if isinstance(model, VotingRegressor):
        for member in model.estimators_:
            _check_names(member, names)
    elif isinstance(model, Pipeline):
        _check_names(_parts(model)[0], names)
    elif list(getattr(model, "feature_names_in_", names)) != names:
        raise _UnknownKindError


def _parts(model: Pipeline) -> list[BaseEstimator]:
    *transformers, (_, final) = model.steps
    return [part for _, part in transformers if part is not None and part != "passthrough"] + [final]


def _compile(model: BaseEstimator, width: int, operations: Operations) -> Compiled:
    """Return `model` as a function of the `width` columns that are there before `operations`."""
    if type(model) is Pipeline:
        *transformers, final = _parts(model)
        for transformer in transformers:
            _check_width(transformer, width, operations)
            operations += _operations(transformer)
        return _compile(final, width, operations)
    if type(model) is VotingRegressor:
        return _compile_mean(model, [_compile(member, width, operations) for member in model.estimators_])
    inside = _check_width(model, width, operations)
    if type(model) in (SVR, NuSVR):
        return _compile_kernel(model, operations)
    if isinstance(model, LinearModel) and is_regressor(model) and type(model).__module__.startswith("sklearn."):
        return _linear(model.coef_, model.intercept_, operations)
    if any(operation is np.matmul for operation, _ in operations):
        raise _UnknownKindError
    return _after(operations, _compile_trees(model, inside))


def _check_width(part: BaseEstimator, width: int, operations: Operations) -> int:
    """Return how many columns `part` gets: `width`, or what the last projection leaves of them.

    Trees look up columns without a check of their own: a part that was fitted to more would read what is not there.
    """
    for operation, operand in operations:
        width = operand.shape[1] if operation is np.matmul else width
    if part.n_features_in_ != width:
        raise _UnknownKindError
    return width


def _operations(transformer: BaseEstimator) -> Operations:
    """Return what `transformer` does, as scikit-learn does it: the same operations in the same order, so the same bits."""
    kind = type(transformer)
    found: list[tuple[np.ufunc, Any]]
    if kind is StandardScaler:
        found = [(np.subtract, transformer.mean_)] if transformer.with_mean else []
        found += [(np.divide, transformer.scale_)] if transformer.with_std else []
    elif kind is RobustScaler:
        found = [(np.subtract, transformer.center_)] if transformer.with_centering else []
        found += [(np.divide, transformer.scale_)] if transformer.with_scaling else []
    elif kind is MinMaxScaler and not transformer.clip:
        found = [(np.multiply, transformer.scale_), (np.add, transformer.min_)]
    elif kind is MaxAbsScaler and not getattr(transformer, "clip", False):
        found = [(np.divide, transformer.scale_)]
    elif kind is PCA:
        found = _projection(transformer)
    else:
        raise _UnknownKindError
    return tuple((operation, np.asarray(operand, dtype=np.float64)) for operation, operand in found)


def _projection(transformer: PCA) -> list[tuple[np.ufunc, Any]]:
    axes = np.asarray(transformer.components_, dtype=np.float64).T
    found = [(np.matmul, axes), (np.subtract, transformer.mean_ @ axes)]
    if transformer.whiten:
        # An axis along which nothing varies is divided by the smallest number that scikit-learn divides by.
        smallest = np.finfo(transformer.explained_variance_.dtype).eps
        found.append((np.divide, np.maximum(np.sqrt(transformer.explained_variance_), smallest)))
    return found


def _after(operations: Operations, compiled: Compiled) -> Compiled:
    if not operations:
        return compiled

    def predict(rows: np.ndarray) -> np.ndarray:
        for operation, operand in operations:
            rows = operation(rows, operand)
        return compiled.predict(rows)

    return replace(compiled, predict=predict)


def _compile_mean(model: VotingRegressor, members: list[Compiled]) -> Compiled:
    asked = [member.predict for member in members]
    kept = [not (isinstance(member, str) and member == "drop") for _, member in model.estimators]
    weights = None if model.weights is None else np.asarray(model.weights)[None, kept]
    total = len(members) if weights is None else weights.sum()
    if not total or (weights is not None and weights.shape[1] != len(members)):
        raise _UnknownKindError

    def predict(rows: np.ndarray) -> np.ndarray:
        answers: np.ndarray = np.array([ask(rows) for ask in asked]).T
        weighted: np.ndarray = answers if weights is None else answers * weights
        mean: np.ndarray = weighted.sum(axis=1) / total
        return mean

    kinds = dict.fromkeys(member.kind for member in members)
    # From eight members on numpy adds up one row in another order than many: the model itself has two answers for a row then.
    exact = len(members) < 8 and all(member.exact for member in members)
    return Compiled("mean of " + ", ".join(kinds), exact, predict, is_light=all(member.is_light for member in members))


def _linear(coefficients: Any, intercept: Any, operations: Operations) -> Compiled:
    """Return `coefficients` and `intercept` after `operations` as one product, by going through the operations backwards."""
    slope = np.array(coefficients, dtype=np.float64)
    offset = float(np.asarray(intercept).reshape(()))
    if slope.ndim != 1:
        raise _UnknownKindError
    for operation, operand in reversed(operations):
        if operation is np.matmul:
            slope = operand @ slope
        elif operation is np.add:
            offset += float(operand @ slope)
        elif operation is np.subtract:
            offset -= float(operand @ slope)
        else:
            slope = operation(slope, operand)

    def predict(rows: np.ndarray) -> np.ndarray:
        answer: np.ndarray = rows @ slope + offset
        return answer

    return Compiled("linear", False, predict, is_light=True)


def _compile_kernel(model: SVR, operations: Operations) -> Compiled:
    if model._sparse or model.kernel not in ("linear", "poly", "rbf"):
        raise _UnknownKindError
    vectors, weights = np.asarray(model.support_vectors_), np.array(model.dual_coef_[0])
    intercept = float(model.intercept_[0])
    if model.kernel == "linear":
        return _linear(weights @ vectors, [intercept], operations)
    if model.kernel == "rbf":
        # Squared distances are differences of squares: around the origin these are small, and so is what rounding does to them.
        centre = vectors.sum(axis=0) / max(len(vectors), 1)
        operations = (*operations, (np.subtract, centre))
        kernel = _gaussian_kernel(vectors - centre, float(model._gamma))
    else:
        kernel = _polynomial_kernel(vectors, float(model._gamma), float(model.coef0), int(model.degree))
    block = max(1, min(KERNEL_ENTRIES // max(len(vectors), 1), KERNEL_PRODUCTS // max(vectors.size, 1)))

    def predict(rows: np.ndarray) -> np.ndarray:
        if len(rows) <= block:
            answer: np.ndarray = kernel(rows) @ weights + intercept
            return answer
        return np.concatenate([predict(rows[start : start + block]) for start in range(0, len(rows), block)])

    return _after(operations, Compiled("kernel", False, predict))


def _gaussian_kernel(vectors: np.ndarray, gamma: float) -> Predict:
    """Return a function from (rows, features) to (rows, vectors): exp(-gamma |row - vector|²), the square multiplied out."""
    columns = np.ascontiguousarray(2 * gamma * vectors.T)
    squares = gamma * np.square(vectors).sum(axis=1)

    def kernel(rows: np.ndarray) -> np.ndarray:
        exponent: np.ndarray = rows @ columns
        exponent -= squares
        exponent -= gamma * np.einsum("ij,ij->i", rows, rows)[:, None]
        np.exp(exponent, out=exponent)
        return exponent

    return kernel


def _polynomial_kernel(vectors: np.ndarray, gamma: float, constant: float, degree: int) -> Predict:
    """Return a function from (rows, features) to (rows, vectors): (gamma row·vector + constant) to the power of degree."""
    columns = np.ascontiguousarray(gamma * vectors.T)

    def kernel(rows: np.ndarray) -> np.ndarray:
        base: np.ndarray = rows @ columns
        base += constant
        power = np.ones_like(base)
        for _ in range(degree):  # for the degrees that there are, faster than `pow`
            power *= base
        return power

    return kernel


def _compile_trees(model: BaseEstimator, width: int) -> Compiled:
    kind = type(model)
    if kind is HistGradientBoostingRegressor:
        return _histogram_trees(model, width)
    if getattr(model, "n_outputs_", 1) != 1:
        raise _UnknownKindError
    if kind in (DecisionTreeRegressor, ExtraTreeRegressor):
        return Compiled("trees", True, _sum_of_trees([model.tree_], width))
    if kind in (RandomForestRegressor, ExtraTreesRegressor):
        trees = [estimator.tree_ for estimator in model.estimators_]
        return Compiled("trees", True, _sum_of_trees(trees, width, divisor=len(trees)))
    if kind is GradientBoostingRegressor:
        trees = [estimator.tree_ for estimator in model.estimators_[:, 0]]
        start, rate = _first_guess(model, width), float(model.learning_rate)
        return Compiled("boosted trees", True, _sum_of_trees(trees, width, start=start, scale=rate))
    raise _UnknownKindError


def _first_guess(model: GradientBoostingRegressor, width: int) -> float:
    if isinstance(model.init_, str) and model.init_ == "zero":
        return 0.0
    if type(model.init_) is not DummyRegressor:
        raise _UnknownKindError
    return float(model.init_.predict(np.zeros((1, width)))[0])


@dataclass(slots=True)
class _Stage:
    """What scikit-learn's loop over boosted trees wants of an estimator."""

    tree_: Any


def _sum_of_trees(trees: list[Any], width: int, *, start: float = 0.0, scale: float = 1.0, divisor: int = 1) -> Predict:
    """Return (start + scale * tree 1 + scale * tree 2 + ...) / divisor, added up in this order, as a function.

    Where a compiler makes one operation of a product and a sum (it may on ARM), the two ways differ by a last bit as soon as
    `scale` is not 1: then it is `differences` that keeps such a model out.
    """
    tree, values = _graft_trees(trees, width)
    terms_of_leaves = scale * values
    numbers = np.arange(len(trees), dtype=np.float32)[:, None]
    stages = np.array([[_Stage(one)] for one in trees], dtype=object)

    def predict_few(rows: np.ndarray) -> np.ndarray:
        leaves = tree.apply(_repeat(rows, numbers)).reshape(len(numbers), len(rows))
        return _add_up(start, terms_of_leaves.take(leaves)) / divisor

    def predict_many(rows: np.ndarray) -> np.ndarray:
        total = np.full((len(rows), 1), start)
        predict_stages(stages, rows.astype(np.float32, order="C"), scale, total)
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
    """Return start + terms[0] + terms[1] + ..., added up in this order, which `sum` would not keep to."""
    sums = np.empty((len(terms) + 1, terms.shape[1]))
    sums[0], sums[1:] = start, terms
    total: np.ndarray = np.add.accumulate(sums, axis=0)[-1]
    return total


def _repeat(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return every row once for each of `numbers`, (trees, 1), which is its last column; the rows of one number together.

    Column by column in memory: a row is written much faster as a few long columns than as many short rows.
    """
    width = rows.shape[1]
    columns = np.empty((width + 1, len(numbers), len(rows)), dtype=numbers.dtype)
    columns[:width] = rows.T[:, None, :]
    columns[width] = numbers
    return columns.reshape(width + 1, len(numbers) * len(rows)).T


@dataclass(frozen=True)
class _Fields:
    """What a tree's array of nodes calls them."""

    left: str
    right: str
    feature: str
    threshold: str


_TREE = _Fields("left_child", "right_child", "feature", "threshold")
_HISTOGRAM = _Fields("left", "right", "feature_idx", "num_threshold")


def _graft(trees: Sequence[np.ndarray], inner: Iterable[np.ndarray], fields: _Fields, column: int) -> np.ndarray:
    """Return the nodes of one tree that has all `trees` in it: the number in `column` leads from its root to theirs.

    Parameters
    ----------
    trees : nodes, each tree's root first.
    inner : for each tree which of its nodes have children.
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
    """Return all `trees` as one, which expects a tree's number as column `width`, and the values of its nodes."""
    states = [tree.__getstate__() for tree in trees]
    nodes = [state["nodes"] for state in states]
    if any(state["values"].shape[1:] != (1, 1) or tree.n_features != width for state, tree in zip(states, trees, strict=True)):
        raise _UnknownKindError
    grafted = _graft(nodes, [part[_TREE.left] >= 0 for part in nodes], _TREE, width)
    values = np.concatenate([np.zeros(len(trees) - 1), *(state["values"][:, 0, 0] for state in states)])
    grafted, values = _share_leaves(grafted, values)
    one = Tree(width + 1, np.array([1], dtype=np.intp), 1)
    depth = max(state["max_depth"] for state in states) + len(trees).bit_length()
    state = {"max_depth": depth, "node_count": len(grafted), "nodes": grafted, "values": values.reshape(-1, 1, 1)}
    one.__setstate__(state)
    return one, values


def _share_leaves(nodes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and values with one leaf for each value there is: of all that have it, the first.

    Half of all nodes are leaves, and few of their values differ: what must be in the cache becomes half as much.
    """
    leaves = np.flatnonzero(nodes[_TREE.left] < 0)
    _, first, which = np.unique(values[leaves], return_index=True, return_inverse=True)
    stands_for_itself = np.ones(len(nodes), dtype=bool)
    stands_for_itself[leaves] = False
    stands_for_itself[leaves[first]] = True
    place = np.cumsum(stands_for_itself) - 1
    place[leaves] = place[leaves[first]][which]
    shared = nodes[stands_for_itself]
    inner = shared[_TREE.left] >= 0
    for child in (_TREE.left, _TREE.right):
        shared[child][inner] = place[shared[child][inner]]
    return shared, values[stands_for_itself]


def _histogram_trees(model: HistGradientBoostingRegressor, width: int) -> Compiled:
    """Return the baseline + tree 1 + tree 2 + ..., added up in this order, as a function."""
    trees = _histogram_nodes(model, width)
    grafted = _graft(trees, [nodes["is_leaf"] == 0 for nodes in trees], _HISTOGRAM, width)
    baseline = float(model._baseline_prediction.reshape(()))
    numbers = np.arange(len(trees), dtype=np.float64)[:, None]
    no_categories, no_places = np.zeros((0, 8), dtype=np.uint32), np.zeros(width + 1, dtype=np.uint32)
    is_light = max(map(len, trees)) <= 2 * FEW_SPLITS + 1
    splits = [_Splits.of(nodes) for nodes in trees] if is_light else []

    def walk(nodes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        answers = np.empty(len(rows))
        predict_histogram_tree(nodes, rows, no_categories, no_categories, no_places, 1, answers)  # 1 thread
        return answers

    def predict_few(rows: np.ndarray) -> np.ndarray:
        return _add_up(baseline, walk(grafted, _repeat(rows, numbers)).reshape(len(numbers), len(rows)))

    def predict_many(rows: np.ndarray) -> np.ndarray:
        if is_light and len(rows) >= MANY_ROWS:
            return np.concatenate([look_up(rows[start : start + BLOCK_ROWS]) for start in range(0, len(rows), BLOCK_ROWS)])
        total = np.full(len(rows), baseline)
        for nodes in trees:
            total += walk(nodes, rows)
        return total

    def look_up(rows: np.ndarray) -> np.ndarray:
        columns, total = np.ascontiguousarray(rows.T), np.full(len(rows), baseline)
        for tree in splits:
            total += tree.answer(columns)
        return total

    few = min(FEW_ROWS_HISTOGRAM, MOST_BYTES // (numbers.nbytes * (width + 1)))
    return Compiled("boosted trees", True, _by_number_of_rows(predict_few, predict_many, few, width), is_light)


@dataclass(frozen=True)
class _Splits:
    """A tree as all of its splits, each a column and a threshold, and the value for each way in which they can be answered.

    Of a walk, the processor guesses every turn, and half of the guesses are wrong; there are no turns here.
    """

    splits: tuple[tuple[int, float], ...]
    values: np.ndarray

    @classmethod
    def of(cls, nodes: np.ndarray) -> _Splits:
        """Return a tree of at most 8 splits; the answer to the last one is the lowest bit of a place in `values`."""
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        bits = {int(node): len(inner) - 1 - place for place, node in enumerate(inner)}

        def walk(answers: int) -> float:
            node = 0
            while node in bits:
                node = int(nodes[_HISTOGRAM.right if answers >> bits[node] & 1 else _HISTOGRAM.left][node])
            return float(nodes["value"][node])

        splits = tuple((int(nodes[_HISTOGRAM.feature][node]), float(nodes[_HISTOGRAM.threshold][node])) for node in inner)
        return cls(splits, np.array([walk(answers) for answers in range(2 ** len(inner))]))

    def answer(self, columns: np.ndarray) -> np.ndarray:
        """Return the values, (rows,), of columns, (features, rows)."""
        answers = np.zeros(columns.shape[1], dtype=np.uint8)
        for column, threshold in self.splits:
            np.left_shift(answers, 1, out=answers)
            np.bitwise_or(answers, (columns[column] > threshold).view(np.uint8), out=answers)
        return self.values.take(answers)


def _histogram_nodes(model: HistGradientBoostingRegressor, width: int) -> list[np.ndarray]:
    trees = [tree.nodes for (tree,) in model._predictors]
    if model.loss not in ("squared_error", "absolute_error", "quantile") or model.is_categorical_ is not None:
        raise _UnknownKindError
    if any(nodes["is_categorical"].any() or nodes["feature_idx"].max() >= width for nodes in trees):
        raise _UnknownKindError
    return trees
