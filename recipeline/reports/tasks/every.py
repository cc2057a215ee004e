"""Every task by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.reports.tasks.base import Task
from recipeline.reports.tasks.binary import Binary
from recipeline.reports.tasks.multiclass import Multiclass
from recipeline.reports.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
