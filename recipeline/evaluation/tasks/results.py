"""Types of what is measured of classes on test rows.

No library is imported to read one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recipeline.records import LEFT_OUT

Label = str | int | bool


def word_of(value: str | float | bool) -> str:
    """Return a label or a value of a feature as people read it: true, not True."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Band:
    """A curve by `x` with 95 % bootstrap limits, empty where there is one group."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class LabelCurves:
    """The curves of one label against all others.

    `roc` is recall by false positive rate, `precision_recall` precision by recall.
    """

    label: Label
    rows: int
    roc: Band
    precision_recall: Band


@dataclass(frozen=True)
class ThresholdCurve:
    """The measure that a decision between two labels is chosen by, by threshold.

    `measure` names it; `out_of_fold` are its values on the training rows, which choose the threshold, `test` those on the test
    rows.
    """

    measure: str
    thresholds: tuple[float, ...]
    out_of_fold: tuple[float, ...]
    test: tuple[float, ...]


@dataclass(frozen=True)
class GroupRate:
    """A share of the rows of one value of a feature; None where there are no rows."""

    value: str | float | bool
    rows: int
    rate: float | None
    interval_95: tuple[float, float] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Gap:
    """The greatest difference between two values of a feature.

    The 95 % interval holds for all pairs of values together.
    """

    least: str | float | bool
    greatest: str | float | bool
    difference: float
    interval_95: tuple[float, float]


@dataclass(frozen=True)
class Disparity:
    """A share by value of a feature: a label's recall, or false positive rate.

    `gap` is None where fewer than two values have enough rows.
    """

    feature: str
    label: Label
    measure: str
    groups: tuple[GroupRate, ...]
    gap: Gap | None = None


@dataclass(frozen=True)
class LabelSets:
    """Prediction sets of the rows of one label: how many have it, and mean size."""

    label: Label
    rows: int
    coverage: float
    mean_size: float
    interval_95: tuple[float, float] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class LabelScores:
    """The decisions on test rows about one label.

    `rows` have it, and it is said of `said` rows. Precision is None where it is said of none, recall where no row has it.
    """

    label: Label
    rows: int
    said: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class Decisions:
    """The decided labels on the test rows.

    `confusion` has the numbers of rows, a list for each true label, in the order of `labels`. The positive one of two labels,
    the last, is said from the probability `threshold` on; `rule` says how that is chosen. `measure` names what the decision is
    judged by, with its `value` on the test rows.
    """

    labels: tuple[LabelScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    threshold: float | None = field(default=None, metadata=LEFT_OUT)
    rule: str = field(default="", metadata=LEFT_OUT)
    measure: str = field(default="", metadata=LEFT_OUT)
    value: float | None = field(default=None, metadata=LEFT_OUT)

    @property
    def figures(self) -> dict[str, float | None]:
        """The threshold, if there is one, and what the decision is judged by."""
        threshold: dict[str, float | None] = {} if self.threshold is None else {"Threshold": self.threshold}
        return {**threshold, f"{self.measure[:1].upper()}{self.measure[1:]}": self.value} if self.measure else threshold
