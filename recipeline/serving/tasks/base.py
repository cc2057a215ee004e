"""The interface of a task in the service: answers, wishes, and their JSON schemas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self

import numpy as np

from recipeline.inference.interval import Interval
from recipeline.inference.model_info import ModelInfo, Target

Json = dict[str, Any]

#: The description of a model of which nothing is known.
NOTHING = ModelInfo(Target(""), ())


class Task(ABC):
    """A task as far as the service is concerned, of one model or of any.

    Predictions have the shape of the target's codes. `info` is the model's description; by default nothing is known.
    """

    #: What is predicted, in sentences.
    noun: str
    #: What a request may ask for besides predictions, each with its description.
    wishes: Mapping[str, str]

    def __init__(self, info: ModelInfo = NOTHING, interval: Interval | None = None) -> None:
        self.info, self.interval = info, interval

    def of(self, info: ModelInfo, interval: Interval | None) -> Self:
        """Return the task of one model."""
        return type(self)(info, interval)

    @abstractmethod
    def lacks(self, wish: str) -> str:
        """Return why this version does not grant one of `wishes`, as a sentence.

        "" if it does.
        """

    @abstractmethod
    def say(self, predicted: np.ndarray) -> Any:
        """Return what is said of each row, as `mlflow models serve` says it."""

    @abstractmethod
    def answer(self, predicted: np.ndarray) -> Json:
        """Return the fields of every answer: `predictions`, and what belongs to them."""

    @abstractmethod
    def grant(self, wishes: Collection[str], predicted: np.ndarray, values: np.ndarray) -> Json:
        """Return the fields of an answer that are asked for.

        Rows are codes, (rows, features).
        """

    @abstractmethod
    def log(self, predicted: np.ndarray) -> Iterator[Json]:
        """Yield what a line of the prediction log says of each row's prediction."""

    @abstractmethod
    def item(self) -> Json:
        """Return the JSON schema of what is said of a row."""

    @abstractmethod
    def always(self) -> dict[str, Json]:
        """Return the JSON schemas of the fields of every answer besides `predictions`."""

    @abstractmethod
    def asked(self) -> dict[str, Json]:
        """Return the JSON schemas of the fields that are asked for."""

    def components(self) -> dict[str, Json]:
        """Return the JSON schemas that the other ones refer to, by name."""
        return {}

    @property
    def granted(self) -> dict[str, str]:
        """The wishes that this version grants."""
        return {name: text for name, text in self.wishes.items() if not self.lacks(name)}
