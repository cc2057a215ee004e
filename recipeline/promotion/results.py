"""Types of a promotion decision and its evidence.

No library is imported to read one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recipeline.data.results import FittedRows
from recipeline.monitoring.results import ShadowCompared
from recipeline.records import LEFT_OUT

#: The two sides of a comparison.
CHALLENGER, CHAMPION = "challenger", "champion"
#: The opponent of the very first version.
MEAN_PREDICTOR = "mean predictor"


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The gain in R2 of the challenger over the champion on the same rows.

    `lower` is the one-sided confidence limit at `level`, `interval_90` a two-sided one of 90 % for display. `std_error` is
    the larger of `bootstrap_std_error` and, for a cross-validation, `corrected_std_error`. `r2` is by arm, of classes that of
    probabilities, the Brier skill; `scores` has all metrics of the task by name and arm.
    `distinct_rows` counts distinct rows, or groups if the recipe has these; `unit` is their name. Over time, `blocks` is the
    number of blocks in time that the bootstrap draws, and `left_out` that of the earliest rows, which no fold predicts.
    """

    gain: float
    lower: float
    level: float
    interval_90: tuple[float, float]
    std_error: float
    bootstrap_std_error: float
    corrected_std_error: float | None
    r2: Mapping[str, float]
    scores: Mapping[str, Mapping[str, float]]
    rows: int
    distinct_rows: int
    repeats: int
    folds: int
    seed: int
    unit: str = field(default="distinct rows", metadata=LEFT_OUT)
    blocks: int | None = field(default=None, metadata=LEFT_OUT)
    left_out: int = field(default=0, metadata=LEFT_OUT)

    @staticmethod
    def from_earlier(values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of version 0.3.0 and earlier, which had R2 and MAE alone."""
        if "scores" in values:
            return values
        return {**values, "scores": {name: values[name] for name in ("r2", "mae") if name in values}}


@dataclass(frozen=True, kw_only=True)
class CumulativeGain(Gain):
    """The gain over the last champion promoted by its recipe, after refreshes."""

    champion: str


@dataclass(frozen=True)
class Rail:
    """A guard rail: its measure, value, limit and result.

    A limit of None: it decides nothing.
    """

    name: str
    value: float | None
    limit: float | None
    passed: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Evidence(Gain):
    """The evidence of a decision: the gain over `champion`, and the guard rails.

    `champion` is a version or the mean predictor. `lower` must be above `needed`. `candidates` were compared before the
    challenger was chosen, and it is the `attempt`-th at this champion, on the rows of `data_digest`. `shadow` is what monitor
    last said of the two on live rows; it decides nothing. `limited` says how many of the rows were taken, where
    engine.max_train_rows limits them; None: all.
    """

    champion: str
    needed: float
    candidates: int
    attempt: int
    guard_rails: tuple[Rail, ...]
    data_digest: str = ""
    cumulative: CumulativeGain | None = field(default=None, metadata=LEFT_OUT)
    unseen_rows: int | None = field(default=None, metadata=LEFT_OUT)
    r2_linear_regression: float | None = field(default=None, metadata=LEFT_OUT)
    shadow: ShadowCompared | None = field(default=None, metadata=LEFT_OUT)
    limited: FittedRows | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Decision:
    """The outcome for the challenger (`promoted` or `kept`), rule, reason, evidence.

    `passed`: the gate passed, also if the policy requires approval. Evidence is None if no measurement was needed.
    """

    outcome: Literal["promoted", "kept"]
    rule: str
    reason: str
    passed: bool
    evidence: Evidence | None = field(default=None, metadata=LEFT_OUT)

    @property
    def promoted(self) -> bool:
        """Whether the challenger goes into Production."""
        return self.outcome == "promoted"


@dataclass(frozen=True, kw_only=True)
class RecordedDecision(Decision):
    """A decision as decision.json has it: on which version, under which policy."""

    policy: str
    version: str
