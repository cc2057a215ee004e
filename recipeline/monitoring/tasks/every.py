"""Every task by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.monitoring.tasks.base import Task
from recipeline.monitoring.tasks.binary import Binary
from recipeline.monitoring.tasks.multiclass import Multiclass
from recipeline.monitoring.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
