"""Every task by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.metrics.tasks.base import Task
from recipeline.metrics.tasks.binary import Binary
from recipeline.metrics.tasks.multiclass import Multiclass
from recipeline.metrics.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
