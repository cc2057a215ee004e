"""Two classes in the service: labels, decided by the version's threshold."""

from __future__ import annotations

from recipeline.serving.tasks.multiclass import Multiclass


class Binary(Multiclass):
    """One of two labels: the positive one from the model's threshold on."""
