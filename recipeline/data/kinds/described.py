"""Types of what is known of a column's values. No library is imported to read one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from recipeline.records import LEFT_OUT


@dataclass(frozen=True)
class Histogram:
    """The counts of values in the bins between `edges`, one fewer than these."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class DescribedValues:
    """The description of a column's values by its kind, without missing ones.

    Kinds are in `recipeline.data.kinds`. None: no such value. `quantiles` are by their share, `counts` by value, the most
    frequent first; `first` and `last` are dates.
    """

    distinct: int
    mean: float | None = field(default=None, metadata=LEFT_OUT)
    std: float | None = field(default=None, metadata=LEFT_OUT)
    quantiles: Mapping[str, float | None] = field(default_factory=dict, metadata=LEFT_OUT)
    counts: Mapping[str, int] = field(default_factory=dict, metadata=LEFT_OUT)
    first: str | None = field(default=None, metadata=LEFT_OUT)
    last: str | None = field(default=None, metadata=LEFT_OUT)
    histogram: Histogram | None = field(default=None, metadata=LEFT_OUT)


#: A description of values, or that of a column, which has more fields.
Described = TypeVar("Described", bound=DescribedValues)
