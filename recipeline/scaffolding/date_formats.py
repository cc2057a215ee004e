"""The formats of a column's dates that are not ISO 8601."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa

from recipeline.data.checking.numbers import read_words
from recipeline.data.kinds.datetime import parse

_DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")

#: The formats that a column is tried as. Two digits of a year between points would be a version: 1.10.12.
FORMATS = tuple(f"{day}{time}" for day, time in product(_DAYS, _TIMES))

#: How a date of any of the formats begins; to try all formats on a number would take longer than to read a column of them.
_BEGINNING = re.compile(r"\d{1,4}[/.-]\d{1,2}[/.-]\d|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d|[A-Za-z]{3,9} \d{1,2}, \d")


@dataclass
class DateFormats:
    """The formats by which all dates of a column so far are read, besides ISO 8601.

    `example` is the first date that is not ISO 8601; empty: there is none yet.
    """

    possible: tuple[str, ...] = FORMATS
    example: str = ""

    def add(self, texts: pa.Array, na: Sequence[str]) -> None:
        """Keep the formats that read further values.

        None of these is ISO 8601 or missing.
        """
        if not self.possible or not len(texts):
            return
        words = read_words(texts, na)[0].to_pandas()
        self.example = self.example or words[0]
        if not _BEGINNING.match(words[0]):
            self.possible = ()
        for few in (words[:1], words):  # most formats do not fit the first
            self.possible = tuple(form for form in self.possible if not np.isnat(parse(few, form)).any())

    @property
    def known(self) -> tuple[str, ...]:
        """The formats that fit: two or more if the day or the month may come first.

        May is both a name and its abbreviation, which is one format.
        """
        fit = self.possible if self.example else ()
        return tuple(form for form in fit if "%b" not in form or form.replace("%b", "%B") not in fit)
