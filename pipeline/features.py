"""A column that a model takes, as whoever asks the model must know it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Feature:
    """A column that the model takes: what is possible at all (`min`, `max`), and what the model has seen; None: not known."""

    name: str
    unit: str = ""
    type: str = "number"
    nullable: bool = False
    min: float | None = None
    max: float | None = None
    train_min: float | None = None
    train_max: float | None = None

    @classmethod
    def from_info(cls, values: Mapping[str, Any]) -> Self:
        """Return the feature that an entry of `features` in model_info.json describes; what it says besides is ignored.

        Raises
        ------
        KeyError : it has no name.
        """
        known = {item.name: values[item.name] for item in fields(cls) if item.name in values}
        return cls(**{"name": values["name"]} | known)

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers."""
        return self.type == "integer"

    @property
    def low(self) -> float:
        """The least value of the training rows; minus infinity where it is not known."""
        return -math.inf if self.train_min is None else self.train_min

    @property
    def high(self) -> float:
        """The greatest value of the training rows; infinity where it is not known."""
        return math.inf if self.train_max is None else self.train_max

    @property
    def trained_on(self) -> str:
        """The rule that a value outside of the training rows breaks."""
        return f"trained on {self.low:g} to {self.high:g}{f' {self.unit}' if self.unit else ''}"

    def is_possible(self, value: float) -> bool:
        """Whether the recipe allows a value at all."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)
