"""Types of the results of monitoring: baseline and drift report.

No library is imported to read one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from recipeline.records import LEFT_OUT, was

#: The verdict on a window of rows.
WindowVerdict = Literal["ok", "warn", "drift", "too small"]


@dataclass(frozen=True)
class Described:
    """The distribution of values: `counts` by bin, missing ones, and statistics.

    Numbers have the `edges` of the bins, moments and `quantiles` (0 to 100 %), None where no value is known. Others have the
    `names` of the bins; of categories the bin of each code; of dates whether they have times.
    """

    rows: int
    missing: int
    counts: tuple[int, ...]
    edges: tuple[float, ...] | None = field(default=None, metadata=LEFT_OUT)
    names: tuple[str, ...] | None = field(default=None, metadata=LEFT_OUT)
    bins: tuple[int, ...] | None = field(default=None, metadata=LEFT_OUT)
    has_times: bool | None = field(default=None, metadata=LEFT_OUT)
    quantiles: tuple[float, ...] | None = field(default=None, metadata=LEFT_OUT)
    mean: float | None = field(default=None, metadata=LEFT_OUT)
    std: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class ErrorsOfSlice:
    """Errors of the rows of a slice of the recipe; `bias` is predicted minus true.

    The bias is None of more than two labels.
    """

    rows: int
    error: float = field(metadata=was("mae"))
    bias: float | None


@dataclass(frozen=True)
class Calibration:
    """The observed share of a label in rows, beside the mean of its probabilities.

    `std` is the standard deviation of 1 or 0, whether a row has the label, minus its probability.
    """

    observed: float
    predicted: float
    std: float


@dataclass(frozen=True)
class Coverage:
    """The number of labelled rows, and of those that interval or set covers.

    `level` is the share that is intended, `on_test_rows` that of the test rows.
    """

    level: float
    rows: int
    covered: int
    on_test_rows: float | None = None

    @property
    def share(self) -> float:
        """The share of the rows that is covered."""
        return self.covered / self.rows


@dataclass(frozen=True)
class Errors:
    """The errors of a model on labelled rows, with its scores by metric.

    `error` is the mean of the rows' errors: absolute ones, of classes their Brier scores; `error_std` is their standard
    deviation. A score is None where it is not defined, as R2 of a constant target. `interval_95` are bootstrap limits by
    metric.
    """

    rows: int
    scores: Mapping[str, float | None]
    error: float = field(metadata=was("mae"))
    error_std: float = field(metadata=was("absolute_error_std"))
    slices: Mapping[str, ErrorsOfSlice]
    interval_95: Mapping[str, tuple[float, float]] | None = field(default=None, metadata=LEFT_OUT)
    calibration: Mapping[str, Calibration] | None = field(default=None, metadata=LEFT_OUT)
    coverage: Coverage | None = field(default=None, metadata=LEFT_OUT)

    @staticmethod
    def from_earlier(values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of version 0.3.0 and earlier, with scores beside the rest."""
        if "scores" in values:
            return values
        return {**values, "scores": {name: values[name] for name in ("r2", "rmse", "mae") if name in values}}


@dataclass(frozen=True)
class Baseline:
    """The baseline that later rows are compared with, as in baseline.json.

    Predictions and errors are out of fold. `prediction` is the number or the probability, of several labels the greatest one;
    `said` are the shares of predicted labels, None of numbers.
    """

    features: Mapping[str, Described]
    prediction: Described
    target: Described
    errors: Errors
    said: Described | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Spread:
    """The difference of live values from the reference's; None: not measured.

    `counts` are those in the baseline's bins, `missing` and `unseen` shares of the rows (features only), the rest moments.
    """

    counts: tuple[int, ...]
    psi: float | None = None
    ks: float | None = None
    p_value: float | None = None
    wasserstein: float | None = None
    mean: float | None = field(default=None, metadata=LEFT_OUT)
    std: float | None = field(default=None, metadata=LEFT_OUT)
    quantiles: tuple[float, ...] | None = field(default=None, metadata=LEFT_OUT)
    missing: float | None = field(default=None, metadata=LEFT_OUT)
    unseen: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Domain:
    """The classifier of live rows against training rows: its AUC and p-value.

    `strongest` is the index of the most important feature.
    """

    auc: float
    p_value: float
    strongest: int


@dataclass(frozen=True)
class WarnAndDrift:
    """From where on an effect is a warning, and drift."""

    warn: float
    drift: float


@dataclass(frozen=True)
class Finding:
    """The result of one rule for a feature, the prediction, all features or labels.

    `value` is the effect that the rule limits, `p_value` (None: the rule has no test) is corrected for the number of tests
    (Benjamini and Hochberg 1995).
    """

    rule: str
    subject: str
    value: float
    limits: WarnAndDrift
    verdict: WindowVerdict
    p_value: float | None


@dataclass(frozen=True)
class Compared:
    """The drift of a window of rows; `verdict` is the worst of the findings.

    `kept` rows were compared one by one, `observations` of them count in tests; `known_share` of them are training rows.
    `said` is the drift of predicted labels, None of numbers.
    """

    rows: int
    kept: int
    observations: int
    known_share: float
    verdict: WindowVerdict
    findings: tuple[Finding, ...]
    rules: int
    features: Mapping[str, Spread]
    prediction: Spread | None
    domain: Domain | None
    performance: Errors | None
    is_judged: bool = False
    said: Spread | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class WindowSummary:
    """The summary of an earlier window; `time` is that of its newest row.

    It is in seconds since 1970.
    """

    time: float | None
    rows: int
    verdict: WindowVerdict
    findings: tuple[Finding, ...]
    psi: Mapping[str, float | None]
    prediction_psi: float | None
    domain_auc: float | None
    error: float | None = field(metadata=was("mae"))
    is_complete: bool = True


@dataclass(frozen=True)
class Monitored:
    """The version that rows are compared for: task, and number of training rows."""

    name: str
    version: str
    trained_on: int
    task: str = field(default="regression", metadata=LEFT_OUT)


@dataclass(frozen=True)
class LabelCounts:
    """The numbers of labels given, and of labels joined to rows of the log."""

    given: int
    joined: int


@dataclass(frozen=True)
class ShadowErrors:
    """The errors of champion and challenger on the same labelled rows.

    Errors are means of the rows' errors: absolute ones, of classes their Brier scores. `gain` is the champion's minus the
    challenger's, with its 95 % bootstrap limits over the `distinct` pieces of evidence (None of a single one), whose name is
    `unit`. `known` further rows are training rows of one of the two and are left out.
    """

    rows: int
    known: int
    distinct: int
    unit: str
    champion: float
    challenger: float
    gain: float
    interval_95: tuple[float, float] | None


@dataclass(frozen=True)
class ShadowCompared:
    """The challenger in shadow compared with the champion on logged rows.

    `missed` are rows without the challenger's prediction, by reason. `differences` are means of challenger minus champion: of
    the number, or of the probability of each label. `absolute` is the mean absolute difference, of labels half the sum over
    probabilities; `quantiles` are its median, its 90 % and 99 % quantiles and its maximum. `agreed` is the share of rows with
    the same decided label, None of numbers. `run_id` is the run of monitor, where a decision has it.
    """

    champion: str
    challenger: str
    rows: int
    missed: Mapping[str, int]
    absolute: float
    differences: Mapping[str, float]
    quantiles: tuple[float, ...]
    agreed: float | None
    labelled: ShadowErrors | None
    run_id: str = field(default="", metadata=LEFT_OUT)


@dataclass(frozen=True)
class DrawnRows:
    """The rows that those of a log stand for, of which only some were logged.

    `effective` are the rows, all of one weight, that means weighted by one over the probability are as exact as.
    """

    rows: int
    effective: int


@dataclass(frozen=True)
class DriftReport:
    """The report of monitoring, as in drift.json.

    It has all of the newest deciding window, and a summary of each. `filtered` rows are none that the model was trained on, by
    the recipe's `rows.filter`, and are in no window. `drawn` is there where the log has a draw of the requests only.
    """

    model: Monitored
    origin: str
    rows: int
    left_out: int
    labels: LabelCounts | None
    worst: WindowVerdict
    windows: tuple[WindowSummary, ...]
    newest: Compared
    window_rows: int = 0
    repeated: int = 0
    filtered: int = field(default=0, metadata=LEFT_OUT)
    shadow: ShadowCompared | None = field(default=None, metadata=LEFT_OUT)
    drawn: DrawnRows | None = field(default=None, metadata=LEFT_OUT)
