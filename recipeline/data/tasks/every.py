"""Every task by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.data.tasks.base import Task
from recipeline.data.tasks.binary import Binary
from recipeline.data.tasks.multiclass import Multiclass
from recipeline.data.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
