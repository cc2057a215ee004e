"""Types of what a recipe may ask for in an evaluation: metrics, nested estimate.

No library is imported to read one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recipeline.records import LEFT_OUT


@dataclass(frozen=True)
class FurtherMetric:
    """A metric that the recipe asks for besides those of its task."""

    name: str
    label: str
    greater_is_better: bool


@dataclass(frozen=True)
class NestedEstimate:
    """The score of choosing the best candidate and fitting it, on unseen rows.

    `folds` is `metric` per fold of the training rows, `chosen` the candidate that was the best without it. `selected` is the
    mean over the folds of the candidate that train selected, by which it was selected.
    """

    metric: str
    folds: tuple[float, ...]
    mean: float
    chosen: tuple[str, ...]
    selected: float
    greater_is_better: bool = field(default=True, metadata=LEFT_OUT)

    @property
    def optimism(self) -> float:
        """By how much `selected` is better than `mean`."""
        return self.selected - self.mean if self.greater_is_better else self.mean - self.selected
