"""Types of the column profile and the leak audit.

No library is imported to read one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recipeline.data.kinds.described import DescribedValues
from recipeline.records import LEFT_OUT


@dataclass(frozen=True, kw_only=True)
class DescribedColumn(DescribedValues):
    """The profile of a column."""

    type: str
    unit: str
    missing: int


#: So many columns are named.
_NAMED = 5


def _of_sample(what: str, rows: int | None) -> str:
    return "" if rows is None else f"{what} are from a sample of {rows:,} rows; everything else is of all rows."


@dataclass(frozen=True)
class Correlations:
    """Spearman's rank correlations of pairs of columns; None for a constant one.

    A table with more than 300 columns of numbers has those of the target and of the columns with the strongest ones.
    """

    columns: tuple[str, ...]
    spearman: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class ColumnProfile:
    """The profile of a table, as in column_profile.json.

    `matched` are the names of all columns, in order, where patterns of the recipe stand for some. `left_out` counts the rows
    of the table that are not in it, by reason; `empty` are features without any value. Where `sampled_rows` is a number,
    quantiles, histograms, counts by value and correlations are those of a uniform sample of so many rows.
    """

    rows: int
    distinct_rows: int
    correlations: Correlations
    columns: Mapping[str, DescribedColumn]
    matched: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    left_out: Mapping[str, int] = field(default_factory=dict, metadata=LEFT_OUT)
    empty: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    sampled_rows: int | None = field(default=None, metadata=LEFT_OUT)

    @property
    def sampled(self) -> str:
        """A sentence on the sample; empty if all rows were used."""
        return _of_sample("Quantiles, histograms and correlations", self.sampled_rows)

    @property
    def sample_note(self) -> str:
        """The same as one of the `notes`."""
        return self.sampled and f"note: {self.sampled[:1].lower()}{self.sampled[1:-1]}"

    @property
    def notes(self) -> list[str]:
        """Notes on rows that are left out, on a sample, and on empty columns."""
        found = [f"note: {count} {reason}" for reason, count in self.left_out.items()]
        found += [self.sample_note] if self.sampled else []
        if self.empty:
            more = f" and {len(self.empty) - _NAMED} others" if len(self.empty) > _NAMED else ""
            found.append(
                f"warning: no row has a value of {', '.join(self.empty[:_NAMED])}{more}: set role: ignore for such columns"
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Twins:
    """Rows of a split, and the numbers of test rows with a twin and near twin.

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
    """R2 of a model that memorises rows: all test rows, with a twin, without.

    Classes have the Brier skill in its place.
    """

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


@dataclass(frozen=True, kw_only=True)
class LeakAudit(Twins):
    """The audit of a split, as in leak_audit.json.

    `random_split` is the audit of a plain random one. `memory` is None where too few test rows have a twin.
    `columns_of_split` are those that the recipe names, by key (group, time); `embargo_rows` lie between training and test
    rows, by `embargo`, and are on neither side. Where `sampled_rows` is a number, `near_rows`, `memory` and `columns` are known
    from a uniform sample of so many rows; `near_rows` is then about the number of all test rows.
    """

    method: str
    random_split: Twins
    memory: Memory | None
    columns: tuple[ColumnDistance, ...]
    warnings: tuple[str, ...]
    columns_of_split: Mapping[str, str] = field(default_factory=dict, metadata=LEFT_OUT)
    embargo: float = field(default=0.0, metadata=LEFT_OUT)
    embargo_rows: int = field(default=0, metadata=LEFT_OUT)
    sampled_rows: int | None = field(default=None, metadata=LEFT_OUT)

    @property
    def sampled(self) -> str:
        """A sentence on the sample; empty if all rows were used."""
        return _of_sample("Near twins, the effect of twins and the distances of columns", self.sampled_rows)


@dataclass(frozen=True)
class FittedRows:
    """The rows that models were fitted to: `rows` of all `available` ones.

    `limit` is engine.max_train_rows of the profile.
    """

    rows: int
    available: int
    limit: int

    def __str__(self) -> str:
        return f"{self.rows:,} of {self.available:,}"
