"""Whole numbers, as float64: 7.0 is one."""

from __future__ import annotations

from recipeline.data.kinds.number import Number


class Integer(Number):
    """A whole number with a unit and limits."""

    is_whole = True
