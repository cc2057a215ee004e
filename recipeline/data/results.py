"""Types of what is known of the rows: column profile and leak audit. No library is imported to read one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recipeline.data.kinds.described import DescribedValues
from recipeline.records import LEFT_OUT


@dataclass(frozen=True, kw_only=True)
class DescribedColumn(DescribedValues):
    """What is known of a column."""

    type: str
    unit: str
    missing: int


@dataclass(frozen=True)
class Correlations:
    """Spearman's rank correlation of each pair of columns; None where one of them does not vary."""

    columns: tuple[str, ...]
    spearman: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of a table, as column_profile.json has it."""

    rows: int
    distinct_rows: int
    correlations: Correlations
    columns: Mapping[str, DescribedColumn]


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Rows of a split, and how many test rows have a twin among the training rows: equal features, or nearly so.

    Where the recipe names a group, `known_group_rows` are of one that is in training too; where it names a time, `older_rows`
    are no newer than the newest training row.
    """

    train_rows: int
    test_rows: int
    leaked_rows: int
    leaked_share: float
    near_rows: int
    known_group_rows: int | None = field(default=None, metadata=LEFT_OUT)
    older_rows: int | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Memory:
    """R2 of a model that learns rows by heart: of all test rows, of those with a twin in training, and of the others."""

    r2: float
    r2_with_twin: float
    r2_without_twin: float


@dataclass(frozen=True)
class ColumnDistance:
    """How far a column's distributions in training and test rows are apart (Kolmogorov-Smirnov, with its p).

    `limit` is the distance that one column in 20 reaches by chance; means are of numbers, else None.
    """

    column: str
    ks: float
    limit: float
    p: float
    train_mean: float | None
    test_mean: float | None


@dataclass(frozen=True, kw_only=True)
class LeakAudit(Twins):
    """What a split does to the figures, as leak_audit.json has it; `random_split` is what a plain random one would do.

    `memory` is None where too few test rows have a twin to tell. `columns_of_split` are those that the recipe names, by key
    (group, time); `embargo_rows` lie between training and test rows, by `embargo`, and are on neither side.
    """

    method: str
    random_split: Twins
    memory: Memory | None
    columns: tuple[ColumnDistance, ...]
    warnings: tuple[str, ...]
    columns_of_split: Mapping[str, str] = field(default_factory=dict, metadata=LEFT_OUT)
    embargo: float = field(default=0.0, metadata=LEFT_OUT)
    embargo_rows: int = field(default=0, metadata=LEFT_OUT)
