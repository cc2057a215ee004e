"""Whole numbers in cards."""

from __future__ import annotations

from recipeline.reports.kinds.number import Number


class Integer(Number):
    """A whole number."""
