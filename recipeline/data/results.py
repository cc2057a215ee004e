"""Types of the column profile and the leak audit.

No library is imported to read one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recipeline.data.kinds.described import DescribedValues


@dataclass(frozen=True, kw_only=True)
class DescribedColumn(DescribedValues):
    """The profile of a column."""

    type: str
    unit: str
    missing: int


@dataclass(frozen=True)
class Correlations:
    """Spearman's rank correlations of pairs of columns; None for a constant one."""

    columns: tuple[str, ...]
    spearman: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class ColumnProfile:
    """The profile of a table, as in column_profile.json."""

    rows: int
    distinct_rows: int
    correlations: Correlations
    columns: Mapping[str, DescribedColumn]


@dataclass(frozen=True)
class Twins:
    """Rows of a split, and the numbers of test rows with a twin and near twin."""

    train_rows: int
    test_rows: int
    leaked_rows: int
    leaked_share: float
    near_rows: int


@dataclass(frozen=True)
class Memory:
    """R2 of a model that memorises rows: all test rows, with a twin, without."""

    r2: float
    r2_with_twin: float
    r2_without_twin: float


@dataclass(frozen=True)
class ColumnDistance:
    """The Kolmogorov-Smirnov distance of a column's training and test rows.

    `limit` is the distance that one column in 20 reaches by chance; means are of numbers, else None.
    """

    column: str
    ks: float
    limit: float
    p: float
    train_mean: float | None
    test_mean: float | None


@dataclass(frozen=True)
class LeakAudit(Twins):
    """The audit of a split, as in leak_audit.json.

    `random_split` is the audit of a plain random one. `memory` is None where too few test rows have a twin.
    """

    method: str
    random_split: Twins
    memory: Memory | None
    columns: tuple[ColumnDistance, ...]
    warnings: tuple[str, ...]
