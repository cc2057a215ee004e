"""Every task by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.training.tasks.base import Task
from recipeline.training.tasks.binary import Binary
from recipeline.training.tasks.multiclass import Multiclass
from recipeline.training.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
