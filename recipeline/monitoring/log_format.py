"""The format of the service's prediction log, recorded in each line.

Lines are split, joined and shipped without their file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from recipeline._version import __version__
from recipeline.errors import UnavailableError

#: The format of a line. It grows where a reader of the one before would misread a line; a key that is added needs none.
#: Lines that say none are of version 0.2.0 and have format 1. Every released format is read: `tests/stores/`.
FORMAT = 1

#: The keys of a line that tell its format, and which version of the library wrote it.
FORMAT_KEY, WRITER_KEY = "format", "recipeline"

#: The keys of a line with the values of features, and those of other columns, where a request had some that may be logged.
FEATURES, OTHERS = "features", "others"

#: The beginning of every line, as JSON without the closing brace.
STAMP = f'{{"{FORMAT_KEY}":{FORMAT},"{WRITER_KEY}":"{__version__}",'.encode()

_VERSION = re.compile(r"\d+(\.\w+)+")


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
