"""Every task by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.inference.tasks.base import Task
from recipeline.inference.tasks.binary import Binary
from recipeline.inference.tasks.multiclass import Multiclass
from recipeline.inference.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
