"""Every column kind of the service by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.serving.kinds.base import Kind
from recipeline.serving.kinds.boolean import Boolean
from recipeline.serving.kinds.category import Category
from recipeline.serving.kinds.datetime import Datetime
from recipeline.serving.kinds.integer import Integer
from recipeline.serving.kinds.number import Number

KINDS: Mapping[str, Kind] = {
    "number": Number(),
    "integer": Integer(),
    "boolean": Boolean(),
    "category": Category(),
    "datetime": Datetime(),
}
