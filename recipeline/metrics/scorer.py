"""All metrics of a recipe: those of its task, and those that it asks for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recipeline.errors import UsageError
from recipeline.metrics.bootstrap import percentiles, tail_share
from recipeline.metrics.catalogue import Metric
from recipeline.metrics.tasks.base import Task
from recipeline.metrics.tasks.every import TASKS
from recipeline.metrics.two_labels import HALF

#: At most so many bootstrap samples of a further metric, and about so many rows in all of them, but not fewer than the least.
MOST_DRAWS, _LEAST_DRAWS, _MOST_DRAWN = 200, 50, 20_000_000

#: The names of a parameter that takes the weights of the rows.
_OF_WEIGHTS = ("weights", "sample_weight")


def find_weights(function: Callable[..., Any]) -> inspect.Parameter | None:
    """Return the parameter of a function that takes weights; None: it takes none."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function without a signature
        return None
    return next((parameters[name] for name in _OF_WEIGHTS if name in parameters), None)


@dataclass(frozen=True)
class Measure:
    """A further metric and the function that computes it.

    The function gets true and predicted values as its task's `given` makes them for `needs`, and weights where it has a
    parameter for them and the rows have weights; one that needs weights gets equal ones of rows without. `where` is its place
    in the recipe, for error messages.
    """

    metric: Metric
    function: Callable[..., Any]
    needs: str
    where: str = ""

    @cached_property
    def _weights(self) -> inspect.Parameter | None:
        return find_weights(self.function)

    def __call__(self, true: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None) -> float:
        """Return the value; raise whatever the function raises.

        The function gets copies: what it writes into them must not change other metrics.
        """
        taken: dict[str, np.ndarray] = {}
        if self._weights is not None and (weights is not None or self._weights.default is inspect.Parameter.empty):
            taken = {self._weights.name: np.ones(len(true)) if weights is None else weights.copy()}
        return float(self.function(true.copy(), predicted.copy(), **taken))


@dataclass(frozen=True)
class Scorer:
    """The metrics of a task's predictions, with those of `more`.

    Targets and predictions are codes, as `metrics.tasks` has them; `labels` are what the codes stand for.
    """

    task: str = "regression"
    labels: tuple[Any, ...] = ()
    more: tuple[Measure, ...] = ()

    @property
    def further(self) -> tuple[Metric, ...]:
        """The metrics besides those of the task."""
        return tuple(it.metric for it in self.more)

    @property
    def _task(self) -> Task:
        return TASKS[self.task]

    def score(
        self,
        target: np.ndarray,
        predicted: np.ndarray,
        weights: np.ndarray | None = None,
        threshold: float = HALF,
        *,
        whose: str = "",
    ) -> dict[str, float]:
        """Return all metrics by name; `whose` names the predictions in errors.

        Raises
        ------
        UsageError : a further metric fails or is NaN.
        """
        found = self._task.score(target, predicted, weights, threshold)
        return found | {it.metric.name: self._value(it, target, predicted, weights, threshold, whose) for it in self.more}

    def attempt(
        self, target: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None, threshold: float = HALF
    ) -> dict[str, float]:
        """Return all metrics by name, with NaN for a further metric that fails.

        One that is infinite fails too.
        """
        found = dict(self._task.score(target, predicted, weights, threshold))
        for it in self.more:
            given = self._given(it, target, predicted, threshold)
            found[it.metric.name] = self._attempt(it, it.metric.name, *given, weights, threshold)
        return found

    def value(
        self,
        name: str,
        target: np.ndarray,
        predicted: np.ndarray,
        weights: np.ndarray | None = None,
        threshold: float = HALF,
        *,
        whose: str = "",
    ) -> float:
        """Return the metric `name`. Raises UsageError where it cannot be computed."""
        measure = next((it for it in self.more if it.metric.name == name), None)
        if measure is not None:
            return self._value(measure, target, predicted, weights, threshold, whose)
        value = self._task.score(target, predicted, weights, threshold)[name]
        if math.isnan(value):
            raise UsageError(f"The metric {name}{_of(whose)} is not defined for {len(target)} rows.", fix="Choose another one.")
        return value

    def intervals(
        self,
        target: np.ndarray,
        predicted: np.ndarray,
        groups: np.ndarray,
        *,
        draws: int,
        seed: int,
        is_clustered: bool = False,
        weights: np.ndarray | None = None,
        threshold: float = HALF,
    ) -> dict[str, tuple[float, float]]:
        """Return 95 % bootstrap intervals of all metrics; whole groups are drawn.

        Further metrics are computed of at most MOST_DRAWS samples. One in which a metric fails is left out of it.
        """
        found = dict(
            self._task.intervals(
                *(target, predicted, groups),
                draws=draws,
                seed=seed,
                is_clustered=is_clustered,
                weights=weights,
                threshold=threshold,
            )
        )
        if not self.more:
            return found
        outside = tail_share(0.95, len(np.unique(groups)), is_clustered=is_clustered)
        drawn = {
            it.metric.name: self.resample(
                it.metric.name, target, predicted, groups, draws=draws, seed=seed, weights=weights, threshold=threshold
            )
            for it in self.more
        }
        return found | {name: percentiles(values, outside) for name, values in drawn.items()}

    def resample(
        self,
        name: str,
        target: np.ndarray,
        predicted: np.ndarray,
        groups: np.ndarray,
        *,
        draws: int,
        seed: int,
        weights: np.ndarray | None = None,
        threshold: float = HALF,
    ) -> np.ndarray:
        """Return a metric of bootstrap samples of whole groups, (draws,).

        The same seed and groups give the same samples. NaN where the metric fails. There are at most MOST_DRAWS, and of many
        rows fewer.
        """
        measure = next((it for it in self.more if it.metric.name == name), None)
        _, group = np.unique(groups, return_inverse=True)
        count, rng = int(group.max()) + 1, np.random.default_rng(seed)
        draws = min(draws, MOST_DRAWS, max(_LEAST_DRAWS, _MOST_DRAWN // len(target)))
        true, said = self._given(measure, target, predicted, threshold)
        found = np.full(draws, np.nan)
        for draw in range(draws):
            often = np.bincount(rng.integers(count, size=count), minlength=count)[group]
            rows = np.repeat(np.arange(len(group)), often)
            counted = None if weights is None else weights[rows]
            with np.errstate(all="ignore"):
                found[draw] = self._attempt(measure, name, true[rows], said[rows], counted, threshold)
        return found

    def _given(
        self, measure: Measure | None, target: np.ndarray, predicted: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, np.ndarray]:
        if measure is None:
            return target, predicted
        return self._task.given(measure.needs, target, predicted, threshold, self.labels)

    def _attempt(
        self,
        measure: Measure | None,
        name: str,
        true: np.ndarray,
        said: np.ndarray,
        weights: np.ndarray | None,
        threshold: float,
    ) -> float:
        if measure is None:
            return self._task.score(true, said, weights, threshold)[name]
        try:
            value = measure(true, said, weights)
        except Exception:  # whatever a function of the project's own raises for rows that it cannot score
            return math.nan
        return value if math.isfinite(value) else math.nan

    def _value(
        self,
        measure: Measure,
        target: np.ndarray,
        predicted: np.ndarray,
        weights: np.ndarray | None,
        threshold: float,
        whose: str,
    ) -> float:
        true, said = self._given(measure, target, predicted, threshold)
        try:
            value = measure(true, said, weights)
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": .")
            raise _fault(measure, f"cannot be computed{_of(whose)}: {reason}.") from error
        if not math.isfinite(value):
            raise _fault(measure, f"must be a number{_of(whose)}. Got {value} instead.")
        return value


def _of(whose: str) -> str:
    return f" of {whose}" if whose else ""


def _fault(measure: Measure, problem: str) -> UsageError:
    place = f" in {measure.where}" if measure.where else ""
    return UsageError(f"The metric {measure.metric.name}{place} {problem}", fix="Correct it, or take it out of metrics.more.")
