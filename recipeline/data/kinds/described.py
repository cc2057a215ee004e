"""Types of what is known of a column's values. No library is imported to read one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recipeline.records import LEFT_OUT


@dataclass(frozen=True)
class Histogram:
    """How many values are in each of the bins between `edges`, one less than these."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class DescribedValues:
    """What is known of a column's values, as its kind describes them (`recipeline.data.kinds`), missing ones left out.

    None: there is no such value. `quantiles` are by their share, `counts` by value, the most frequent first; `first` and `last`
    are dates.
    """

    distinct: int
    mean: float | None = field(default=None, metadata=LEFT_OUT)
    std: float | None = field(default=None, metadata=LEFT_OUT)
    quantiles: Mapping[str, float | None] = field(default_factory=dict, metadata=LEFT_OUT)
    counts: Mapping[str, int] = field(default_factory=dict, metadata=LEFT_OUT)
    first: str | None = field(default=None, metadata=LEFT_OUT)
    last: str | None = field(default=None, metadata=LEFT_OUT)
    histogram: Histogram | None = field(default=None, metadata=LEFT_OUT)
