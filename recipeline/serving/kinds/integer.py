"""Whole numbers in the service."""

from __future__ import annotations

from recipeline.serving.kinds.number import Number


class Integer(Number):
    """A whole number."""

    json_type = "integer"
