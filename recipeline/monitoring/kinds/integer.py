"""Whole numbers in monitoring: compared as numbers."""

from __future__ import annotations

from recipeline.monitoring.kinds.number import Number


class Integer(Number):
    """A whole number."""
