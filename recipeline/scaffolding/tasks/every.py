"""Every task by its name; one fits a target."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.scaffolding.tasks.base import Task
from recipeline.scaffolding.tasks.binary import Binary
from recipeline.scaffolding.tasks.multiclass import Multiclass
from recipeline.scaffolding.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
