"""Small boosted trees for many rows: splits are asked, and answers looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.inference._compat import HISTOGRAM, IS_LEAF, VALUE

# From so many rows on, boosted trees of so few splits are faster not walked at all: all splits are asked, the answers looked
# up. So many rows at a time, which stay in the cache. An answer to so many splits is a byte.
MANY_ROWS, FEW_SPLITS, BLOCK_ROWS = 1_024, 8, 32_768

#: Bytes of the answers to the splits.
MOST_BYTES = 8_000_000


#: A split: a column and a threshold.
Split = tuple[int, float]


@dataclass(frozen=True)
class SmallTrees:
    """Small trees as all of their splits, and values for each combination of answers.

    Trees share many splits. A walk through a tree has branches, half of which the processor mispredicts; this form has none.
    `trees` has for each tree the places of its splits and its values, 8 bytes each. Trees of several models that are asked the
    same rows are looked up together, one of each model: that takes as long as for one.
    """

    splits: Sequence[Split]
    trees: Sequence[tuple[Sequence[int], pa.FixedSizeBinaryArray]]
    models: int

    @classmethod
    def of(cls, *models: Sequence[np.ndarray]) -> SmallTrees | None:
        """Return the trees of models; None where trees together have too many splits.

        The answer to the last split of trees is the lowest bit of an index into their values.
        """
        places: dict[Split, int] = {}
        found = []
        for together in zip_longest(*models):  # where a model has fewer trees, a term of 0 is added to it
            inner = [{} if nodes is None else _inner(nodes) for nodes in together]
            splits = list(dict.fromkeys(split for of_tree in inner for split in of_tree.values()))
            if len(splits) > FEW_SPLITS:
                return None
            bits = {split: len(splits) - 1 - place for place, split in enumerate(splits)}
            values = [
                [
                    0.0 if nodes is None else _walk(nodes, of_tree, bits, answers)
                    for nodes, of_tree in zip(together, inner, strict=True)
                ]
                for answers in range(2 ** len(splits))
            ]
            table = pa.py_buffer(np.array(values))
            width = pa.binary(8 * len(models))
            values_of = pa.FixedSizeBinaryArray.from_buffers(width, len(values), [None, table])
            found.append(([places.setdefault(split, len(places)) for split in splits], values_of))
        return cls(list(places), found, len(models))

    def add_up(self, rows: np.ndarray, baselines: Sequence[float]) -> np.ndarray:
        """Return baseline + tree 1 + tree 2 + ..., in this order, (rows, models)."""
        size = max(MANY_ROWS, min(BLOCK_ROWS, MOST_BYTES // max(len(self.splits), 1)))
        return np.concatenate([self._add_up(rows[start : start + size], baselines) for start in range(0, len(rows), size)])

    def _add_up(self, rows: np.ndarray, baselines: Sequence[float]) -> np.ndarray:
        columns, count = np.ascontiguousarray(rows.T), len(rows)
        is_right = np.empty((len(self.splits), count), dtype=bool)
        for (column, threshold), found in zip(self.splits, is_right, strict=True):
            np.greater(columns[column], threshold, out=found)
        bits = is_right.view(np.uint8)
        totals, answers = np.tile(baselines, count), np.empty(count, dtype=np.uint8)
        seen_by_arrow = pa.Array.from_buffers(pa.uint8(), count, [None, pa.py_buffer(answers)])
        for places, values in self.trees:
            answers.fill(0)
            for place in places:
                np.add(answers, answers, out=answers)  # a shift to the left, six times as fast as one
                np.bitwise_or(answers, bits[place], out=answers)
            # numpy would make indices of 8 bytes first, which takes half as long again.
            terms = pc.take(values, seen_by_arrow, boundscheck=False).buffers()[1]
            np.add(totals, np.frombuffer(terms, count=len(totals)), out=totals)
        return totals.reshape(count, self.models)


def _inner(nodes: np.ndarray) -> dict[int, Split]:
    """Return the split of each node of a tree that is no leaf."""
    places = np.flatnonzero(nodes[IS_LEAF] == 0)
    return {int(node): (int(nodes[HISTOGRAM.feature][node]), float(nodes[HISTOGRAM.threshold][node])) for node in places}


def _walk(nodes: np.ndarray, inner: Mapping[int, Split], bits: Mapping[Split, int], answers: int) -> float:
    """Return the value of a tree with the splits `inner` for answers, a bit each."""
    node = 0
    while node in inner:
        is_right = answers >> bits[inner[node]] & 1
        node = int(nodes[HISTOGRAM.right if is_right else HISTOGRAM.left][node])
    return float(nodes[VALUE][node])
