"""Every column kind of cards by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.reports.kinds.base import Kind
from recipeline.reports.kinds.boolean import Boolean
from recipeline.reports.kinds.category import Category
from recipeline.reports.kinds.datetime import Datetime
from recipeline.reports.kinds.integer import Integer
from recipeline.reports.kinds.number import Number

KINDS: Mapping[str, Kind] = {
    "number": Number(),
    "integer": Integer(),
    "boolean": Boolean(),
    "category": Category(),
    "datetime": Datetime(),
}
