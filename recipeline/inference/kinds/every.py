"""Every column kind of a model by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.inference.kinds.base import Kind
from recipeline.inference.kinds.boolean import Boolean
from recipeline.inference.kinds.category import Category
from recipeline.inference.kinds.datetime import Datetime
from recipeline.inference.kinds.integer import Integer
from recipeline.inference.kinds.number import Number

KINDS: Mapping[str, Kind] = {
    "number": Number(),
    "integer": Integer(),
    "boolean": Boolean(),
    "category": Category(),
    "datetime": Datetime(),
}
