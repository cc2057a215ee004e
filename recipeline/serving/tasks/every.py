"""Every task of the service by its name."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.serving.tasks.base import Task
from recipeline.serving.tasks.binary import Binary
from recipeline.serving.tasks.multiclass import Multiclass
from recipeline.serving.tasks.regression import Regression

TASKS: Mapping[str, Task] = {"regression": Regression(), "binary": Binary(), "multiclass": Multiclass()}
