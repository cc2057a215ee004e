"""Every column kind by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.data.kinds.base import Kind
from recipeline.data.kinds.boolean import Boolean
from recipeline.data.kinds.category import Category
from recipeline.data.kinds.datetime import Datetime
from recipeline.data.kinds.integer import Integer
from recipeline.data.kinds.number import Number

KINDS: Mapping[str, Kind] = {
    "number": Number(),
    "integer": Integer(),
    "boolean": Boolean(),
    "category": Category(),
    "datetime": Datetime(),
}
