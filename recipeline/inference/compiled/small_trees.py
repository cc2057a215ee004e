"""Small boosted trees for many rows: splits are asked, and answers looked up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recipeline.inference._compat import HISTOGRAM, IS_LEAF, VALUE

# From so many rows on, boosted trees of so few splits are faster not walked at all: all splits are asked, the answers looked
# up. So many rows at a time, which stay in the cache.
MANY_ROWS, FEW_SPLITS, BLOCK_ROWS = 1_024, 8, 32_768

#: Bytes of the answers to the splits.
MOST_BYTES = 8_000_000


@dataclass(frozen=True)
class SmallTrees:
    """Small trees as all of their splits, and a value for each combination of answers.

    A split is a column and a threshold; trees share many of them. A walk through a tree has branches, half of which the
    processor mispredicts; this form has none. `trees` has for each tree the places of its splits, and its values.
    """

    splits: Sequence[tuple[int, float]]
    trees: Sequence[tuple[Sequence[int], pa.DoubleArray]]

    @classmethod
    def of(cls, trees: Sequence[np.ndarray]) -> SmallTrees:
        """Return trees of at most 8 splits.

        The answer to a tree's last split is the lowest bit of an index into its values.
        """
        places: dict[tuple[int, float], int] = {}
        found = []
        for nodes in trees:
            inner = np.flatnonzero(nodes[IS_LEAF] == 0)
            splits = [(int(nodes[HISTOGRAM.feature][node]), float(nodes[HISTOGRAM.threshold][node])) for node in inner]
            values = pa.array([_walk(nodes, inner, answers) for answers in range(2 ** len(inner))], pa.float64())
            found.append(([places.setdefault(split, len(places)) for split in splits], values))
        return cls(list(places), found)

    def add_up(self, rows: np.ndarray, baseline: float) -> np.ndarray:
        """Return baseline + tree 1 + tree 2 + ..., summed in this order, (rows,)."""
        size = max(MANY_ROWS, min(BLOCK_ROWS, MOST_BYTES // max(len(self.splits), 1)))
        return np.concatenate([self._add_up(rows[start : start + size], baseline) for start in range(0, len(rows), size)])

    def _add_up(self, rows: np.ndarray, baseline: float) -> np.ndarray:
        columns, count = np.ascontiguousarray(rows.T), len(rows)
        is_right = np.empty((len(self.splits), count), dtype=bool)
        for (column, threshold), found in zip(self.splits, is_right, strict=True):
            np.greater(columns[column], threshold, out=found)
        bits = is_right.view(np.uint8)
        total, answers = np.full(count, baseline), np.empty(count, dtype=np.uint8)
        seen_by_arrow = pa.Array.from_buffers(pa.uint8(), count, [None, pa.py_buffer(answers)])
        for places, values in self.trees:
            answers.fill(0)
            for place in places:
                np.add(answers, answers, out=answers)  # a shift to the left, six times as fast as one
                np.bitwise_or(answers, bits[place], out=answers)
            # numpy would make indices of 8 bytes first, which takes half as long again.
            total += pc.take(values, seen_by_arrow, boundscheck=False).to_numpy()
        return total


def _walk(nodes: np.ndarray, inner: np.ndarray, answers: int) -> float:
    """Return the value of a tree for answers to the splits at its `inner` nodes."""
    bits = {int(node): len(inner) - 1 - place for place, node in enumerate(inner)}
    node = 0
    while node in bits:
        node = int(nodes[HISTOGRAM.right if answers >> bits[node] & 1 else HISTOGRAM.left][node])
    return float(nodes[VALUE][node])
