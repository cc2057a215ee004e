"""Every task by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.evaluation.tasks.base import Task
from recipeline.evaluation.tasks.binary import Binary
from recipeline.evaluation.tasks.multiclass import Multiclass
from recipeline.evaluation.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
