"""Types of what `predict` prints with ``--json``.

No library is imported to read one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def say_rejected(rows: int, place: str) -> str:
    """Return the sentence on bad rows that are kept at a place."""
    return f"{rows:,} bad row{'s' if rows != 1 else ''} set aside: {place}"


@dataclass(frozen=True)
class SampleAnswer:
    """The model's sample row and the answer to it, by column; None: missing."""

    row: Mapping[str, str | float | bool | None]
    answer: Mapping[str, str | float | bool | None]


@dataclass(frozen=True)
class PredictedFile:
    """The file of predictions, that of bad rows (empty: none), and counts of rows.

    `out_of_range` counts predicted rows by feature with values outside of the training range, `filtered` those by column that
    training would have left out.
    """

    output: str
    rejects: str
    rows: int
    predicted: int
    rejected: int
    seconds: float
    out_of_range: Mapping[str, int]
    filtered: Mapping[str, int]


@dataclass(frozen=True)
class PredictedFolder:
    """A folder of predictions: parts and counts of rows.

    This command has `done` so many parts of its `shard`, and `reused` others; `missing` are those that no machine has
    done. Rows are those of the shard, `new_rows` those of this command. `out_of_range` and `filtered` are as those
    of a file.
    """

    output: str
    shard: str
    parts: int
    done: int
    reused: int
    missing: int
    rows: int
    predicted: int
    rejected: int
    new_rows: int
    seconds: float
    out_of_range: Mapping[str, int]
    filtered: Mapping[str, int]


@dataclass(frozen=True)
class PredictValues:
    """A prediction: the model, and a file, a folder or, without input, the sample row."""

    model_name: str
    model_version: str
    candidate: str
    data_source: str
    file: PredictedFile | None = None
    sample: SampleAnswer | None = None
    folder: PredictedFolder | None = None
