"""Types of the results of evaluation: metrics, verdict, diagnosis, inspection.

No library is imported to read one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recipeline.evaluation.described import FurtherMetric, NestedEstimate
from recipeline.evaluation.tasks.results import Decisions, Disparity, LabelCurves, LabelSets, ThresholdCurve
from recipeline.metrics.catalogue import metrics_of, skill_of
from recipeline.records import LEFT_OUT, was


@dataclass(frozen=True)
class MeasuredInterval:
    """The interval on the test rows: level, coverage, and mean width.

    The width is in the target's unit; of a set of labels it is their number. Where rows are clustered, `coverage_std_error` is
    of the coverage, over so many `clusters`; None of a single one.
    """

    level: float
    coverage: float
    mean_width: float
    rows: int
    clusters: int | None = field(default=None, metadata=LEFT_OUT)
    coverage_std_error: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class GradeErrors:
    """Errors of the test rows of one true grade; `bias` is predicted minus true."""

    grade: int
    rows: int
    mae: float
    bias: float


@dataclass(frozen=True)
class Grades:
    """Grade metrics: weighted kappa of rounded predictions, errors per grade."""

    quadratic_kappa: float
    per_grade: tuple[GradeErrors, ...]


@dataclass(frozen=True)
class Best:
    """The measurements of the best candidate, besides its scores.

    `interval_95` are bootstrap limits by metric, without one that is defined in no sample; `accuracy_within` the share of rows
    by tolerance of the target; `interval_90` the interval, or the set of labels, around predictions. `grades` is None where the
    target is no whole number, `decisions` where it has no labels.
    """

    candidate: str
    interval_95: Mapping[str, tuple[float, float]]
    interval_90: MeasuredInterval
    accuracy_within: Mapping[str, float] = field(default_factory=dict, metadata=LEFT_OUT)
    grades: Grades | None = field(default=None, metadata=LEFT_OUT)
    decisions: Decisions | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Leaks:
    """Effect of twins: R2 by candidate on test rows with a twin, and without.

    For classes it is that of probabilities, the Brier skill. None: not defined.
    """

    leaked_rows: int
    r2_with_twin: Mapping[str, float | None]
    r2_without_twin: Mapping[str, float | None]


@dataclass(frozen=True)
class Metrics:
    """Figures of an evaluation, as metrics.json has them.

    `candidates` has the scores of each by the name of the metric, `cv_mean_score` and `cv_std` among them; `mean_predictor`
    those of always predicting the mean of the training rows, of classes their shares. `leaks` is None where no test row has a
    twin in training; `random_split_r2`, by candidate, where the split is random, or a random one would leak nothing.
    `rows_out_of_fold` are the training rows with an out-of-fold prediction; None: all. `more` are the metrics besides those of
    the task, and `ranked_by` is the metric that `cv_mean_score` and `cv_std` are of; empty: the skill.
    """

    best: Best
    test_rows: int
    candidates: Mapping[str, Mapping[str, float]]
    mean_predictor: Mapping[str, float]
    leaks: Leaks | None
    random_split_r2: Mapping[str, float] | None
    rows_out_of_fold: int | None = field(default=None, metadata=LEFT_OUT)
    task: str = field(default="regression", metadata=LEFT_OUT)
    more: tuple[FurtherMetric, ...] = field(default=(), metadata=LEFT_OUT)
    ranked_by: str = field(default="", metadata=LEFT_OUT)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all metrics by name, for people."""
        return {it.name: it.label for it in metrics_of(self.task)} | {it.name: it.label for it in self.more}

    @property
    def is_greatest_best(self) -> bool:
        """Whether the candidate with the greatest `cv_mean_score` is the best one."""
        greater = {it.name: it.greater_is_better for it in metrics_of(self.task)}
        greater |= {it.name: it.greater_is_better for it in self.more}
        return greater[self.ranked_by or skill_of(self.task).name]

    @property
    def cv_label(self) -> str:
        """The label of the metric of `cv_mean_score`."""
        return self.labels[self.ranked_by or skill_of(self.task).name]

    @property
    def cv_title(self) -> str:
        """The label of the metric of `cv_mean_score` for a narrow column."""
        return self.cv_label if self.ranked_by else skill_of(self.task).title

    @property
    def scores(self) -> Mapping[str, float]:
        """The scores of the best candidate."""
        return self.candidates[self.best.candidate]


@dataclass(frozen=True)
class Criterion:
    """A gate and its value: `value` must be `rule` `threshold`.

    The rule is at least, at most, below or above.
    """

    criterion: str
    metric: str
    value: float
    rule: str
    threshold: float
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """The verdict on the best candidate, its run and model, and each criterion.

    VALIDATED or REJECTED by the recipe's gates.
    """

    candidate: str
    run_id: str
    model_id: str
    verdict: str
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class RegisteredVersion(Verdict):
    """The registered version, as in version.json.

    `new`: it was created by this run. Tags are without prefix.
    """

    name: str
    version: str
    new: bool
    tags: Mapping[str, str | float]


@dataclass(frozen=True)
class RangeErrors:
    """Errors and coverage of test rows with similar predictions.

    For two labels a prediction is the probability of the positive one, for more that of the likeliest, and what is true is the
    share of rows that have it, with its 95 % interval.
    """

    from_: float
    to: float
    rows: int
    mean_predicted: float
    mean_true: float
    error: float = field(metadata=was("mae"))
    interval_coverage: float
    true_interval_95: tuple[float, float] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class SliceErrors:
    """Errors of a slice of the test rows; `bias` is predicted minus true.

    The error is the mean absolute one, of classes the mean Brier score. The bias is None of more than two labels.
    """

    slice: str
    rows: int
    error: float = field(metadata=was("mae"))
    bias: float | None
    interval_95: tuple[float, float] | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class FeatureCoverage:
    """Coverage of test rows whose feature is in a range or has one value."""

    feature: str
    from_: str | float | bool
    to: str | float | bool
    rows: int
    coverage: float


@dataclass(frozen=True)
class WorstRow:
    """A test row by its index in the data set, its prediction and its values.

    The first row is 0; None: missing. For classes `probability` is the one that the model gave the true label.
    """

    row: int
    predicted: str | float | bool
    values: Mapping[str, str | float | None]
    probability: float | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Importance:
    """The permutation importance of a feature: mean and standard deviation.

    It is the drop of R2 when the feature's values are shuffled.
    """

    feature: str
    mean: float
    std: float


@dataclass(frozen=True)
class Diagnosis:
    """The errors of the best candidate and its feature importance: diagnosis.json.

    For classes also curves, the choice of a threshold, differences between groups of rows, and prediction sets by label;
    `set_sizes` are the numbers of rows by the number of labels in their set, from 1.
    """

    by_predicted: tuple[RangeErrors, ...]
    slices: tuple[SliceErrors, ...]
    coverage: tuple[FeatureCoverage, ...]
    worst_rows: tuple[WorstRow, ...]
    importance: tuple[Importance, ...]
    curves: tuple[LabelCurves, ...] = field(default=(), metadata=LEFT_OUT)
    thresholds: ThresholdCurve | None = field(default=None, metadata=LEFT_OUT)
    fairness: tuple[Disparity, ...] = field(default=(), metadata=LEFT_OUT)
    sets: tuple[LabelSets, ...] = field(default=(), metadata=LEFT_OUT)
    set_sizes: tuple[int, ...] = field(default=(), metadata=LEFT_OUT)


@dataclass(frozen=True)
class LearningCurve:
    """R2 by number of training rows, one list by fold for each.

    `train`: on these rows; `test`: on the fold's held-out rows.
    """

    rows: tuple[int, ...]
    train: tuple[tuple[float, ...], ...]
    test: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class FoldScores:
    """R2 by fold, and the mean."""

    folds: tuple[float, ...]
    mean: float


@dataclass(frozen=True)
class FileOrder:
    """R2 over blocks of rows in the file's order, and over shuffled rows."""

    in_order: FoldScores
    shuffled: FoldScores


@dataclass(frozen=True)
class Dependence:
    """The mean prediction of all rows if one column has each of some values.

    For more than two labels `by_label` has the mean probability of each, and `mean` that of the first.
    """

    values: tuple[str | float | bool, ...]
    mean: tuple[float, ...]
    by_label: Mapping[str, tuple[float, ...]] = field(default_factory=dict, metadata=LEFT_OUT)


@dataclass(frozen=True)
class Inspection:
    """The detailed inspection of the best candidate, as in inspection.json.

    `dependence` is by feature; `nested` is None where it was not asked for.
    """

    split_method: str
    learning_curve: LearningCurve
    file_order: FileOrder | None
    dependence: Mapping[str, Dependence]
    nested: NestedEstimate | None = field(default=None, metadata=LEFT_OUT)
