"""Every column kind of monitoring by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.monitoring.kinds.base import Kind
from recipeline.monitoring.kinds.boolean import Boolean
from recipeline.monitoring.kinds.category import Category
from recipeline.monitoring.kinds.datetime import Datetime
from recipeline.monitoring.kinds.integer import Integer
from recipeline.monitoring.kinds.number import Number

KINDS: Mapping[str, Kind] = {
    "number": Number(),
    "integer": Integer(),
    "boolean": Boolean(),
    "category": Category(),
    "datetime": Datetime(),
}
