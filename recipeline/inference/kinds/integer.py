"""Whole numbers in a model; it takes what lies between them as well."""

from __future__ import annotations

from recipeline.inference.kinds.number import Number


class Integer(Number):
    """A whole number."""

    whole = "must be a whole number"
