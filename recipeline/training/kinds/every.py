"""Every column kind of training by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.training.kinds.base import Kind
from recipeline.training.kinds.category import Category
from recipeline.training.kinds.datetime import Datetime
from recipeline.training.kinds.number import Number

_NUMBER = Number()

KINDS: Mapping[str, Kind] = {
    "number": _NUMBER,
    "integer": _NUMBER,
    "boolean": _NUMBER,
    "category": Category(),
    "datetime": Datetime(),
}
