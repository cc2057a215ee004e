"""The format of the service's prediction log, recorded in each line.

Lines are split, joined and shipped without their file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recipeline._version import __version__
from recipeline.errors import UnavailableError
from recipeline.records import LEFT_OUT

#: The format of a line. It grows where a reader of the one before would misread a line; a key that is added needs none.
#: Lines that say none are of version 0.2.0 and have format 1. Every released format is read: `tests/stores/`.
FORMAT = 1

#: The keys of a line that tell its format, and which version of the library wrote it.
FORMAT_KEY, WRITER_KEY = "format", "recipeline"

#: The keys of a line with the values of features, and those of other columns, where a request had some that may be logged.
FEATURES, OTHERS = "features", "others"

#: The key of a line with what the challenger in shadow predicted for the row, and that of the challenger's version.
SHADOW, VERSION_KEY = "shadow", "version"

#: In the place of a prediction, the reason why there is none: the budget was used up, the challenger does not take the row,
#: or failed on it.
REASON, DROPPED, REFUSED, FAILED = "reason", "dropped", "refused", "failed"

#: The key of a line of a request that was drawn: the probability with which it was to be logged.
DRAWN = "drawn"

#: The beginning of every line, as JSON without the closing brace.
STAMP = f'{{"{FORMAT_KEY}":{FORMAT},"{WRITER_KEY}":"{__version__}",'.encode()

#: A single value of JSON; a decided label.
Value = str | float | bool | None
Label = str | int | bool


@dataclass(frozen=True)
class LoggedShadow:
    """The challenger's prediction in a line, or the `reason` why there is none.

    A prediction is as the champion's is; `reason` is dropped, refused or failed.
    """

    version: str
    prediction: float | None = field(default=None, metadata=LEFT_OUT)
    label: Label | None = field(default=None, metadata=LEFT_OUT)
    probabilities: Mapping[str, float | None] | None = field(default=None, metadata=LEFT_OUT)
    reason: str | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class LoggedRow:
    """A line of the prediction log: a row of a request and its answer.

    `time` is in seconds since 1970, `version` the one that answered, `row` the row's place in the request, from 0. Numbers have
    a `prediction`, classes the decided `label` and the `probabilities` by label. `features` are the columns of the model, null
    where a value is missing; `others` further columns of the request; `shadow` is there where a challenger is in shadow.
    `drawn` is the probability with which the request was to be logged, if that is less than 1. Lines of 0.2.0 say neither
    `format` nor the version of `recipeline` that wrote them.
    """

    time: float
    request_id: str
    version: str
    row: int
    features: Mapping[str, Value]
    format: int = 1
    recipeline: str = ""
    prediction: float | None = field(default=None, metadata=LEFT_OUT)
    label: Label | None = field(default=None, metadata=LEFT_OUT)
    probabilities: Mapping[str, float | None] | None = field(default=None, metadata=LEFT_OUT)
    others: Mapping[str, Value] | None = field(default=None, metadata=LEFT_OUT)
    shadow: LoggedShadow | None = field(default=None, metadata=LEFT_OUT)
    drawn: float | None = field(default=None, metadata=LEFT_OUT)


_VERSION = re.compile(r"\d+(\.\w+)+")


def is_share(value: object) -> bool:
    """Whether a value of a line is a probability above 0."""
    return type(value) in (int, float) and 1e-12 < value <= 1  # type: ignore[operator]


def is_readable(line: Mapping[str, Any], file: str) -> bool:
    """Whether a line of `file` has a format that this version reads.

    A line whose format is not a number has none.

    Raises
    ------
    UnavailableError : it has the format of a later version.
    """
    found = line.get(FORMAT_KEY, FORMAT)
    if type(found) is not int or found < 1:
        return False
    if found > FORMAT:
        said = str(line.get(WRITER_KEY))
        known = said if _VERSION.fullmatch(said) and len(said) < 40 else ""
        writer = f"recipeline {known}" if known else "a later version"
        raise UnavailableError(
            f"The log {file} has lines of format {found}, written by {writer}; this is recipeline "
            f"{__version__}, which reads up to {FORMAT}.",
            fix=f"Upgrade recipeline to {known}, or a later version." if known else "Upgrade recipeline.",
        )
    return True
