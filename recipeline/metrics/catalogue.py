"""The metrics of each task by name. No library is imported to read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric: its name, its label for people, and whether greater is better.

    `has_unit`: it is in the target's unit; `is_decided`: it depends on decided labels alone; `short` is the label for a narrow
    column.
    """

    name: str
    label: str
    greater_is_better: bool = True
    has_unit: bool = False
    short: str = ""
    is_decided: bool = False

    @property
    def title(self) -> str:
        """The label for a narrow column."""
        return self.short or self.label

    @property
    def rule(self) -> str:
        """The rule of a threshold: at least, or at most."""
        return "at least" if self.greater_is_better else "at most"

    def reaches(self, value: float, threshold: float) -> bool:
        """Whether a value reaches a threshold; NaN does not."""
        return value >= threshold if self.greater_is_better else value <= threshold

    def worsening(self, ours: float, theirs: float) -> float:
        """Return by how much `ours` is worse than `theirs`; below 0: better."""
        return theirs - ours if self.greater_is_better else ours - theirs


_OF_CLASSES = (
    Metric("brier_skill", "Brier skill", short="skill"),
    Metric("log_loss", "log loss", greater_is_better=False),
    Metric("roc_auc", "ROC AUC"),
    Metric("average_precision", "average precision"),
    Metric("accuracy", "accuracy", is_decided=True),
    Metric("balanced_accuracy", "balanced accuracy", is_decided=True),
    Metric("f1", "F1", is_decided=True),
    Metric("mcc", "MCC", is_decided=True),
    Metric("kappa", "kappa", is_decided=True),
)

#: The metrics of each task, the one that candidates are compared by first: the skill of their predictions.
METRICS: Mapping[str, tuple[Metric, ...]] = {
    "regression": (
        Metric("r2", "R2"),
        Metric("rmse", "RMSE", greater_is_better=False, has_unit=True),
        Metric("mae", "MAE", greater_is_better=False, has_unit=True),
    ),
    "binary": _OF_CLASSES,
    "multiclass": _OF_CLASSES,
}


#: The metric by which a model must beat the mean predictor.
REFERENCE_METRICS: Mapping[str, str] = {"regression": "rmse", "binary": "brier_skill", "multiclass": "brier_skill"}

#: The error of a row by task, for people: its name, and in a sentence; and the metric whose change every promotion reports.
ROW_ERRORS: Mapping[str, str] = {"regression": "MAE", "binary": "Brier score", "multiclass": "Brier score"}
ERROR_WORDS: Mapping[str, str] = {
    "regression": "off by {:.2f} on average",
    "binary": "a Brier score of {:.2f}",
    "multiclass": "a Brier score of {:.2f}",
}
REPORTED: Mapping[str, str] = {"regression": "mae", "binary": "log_loss", "multiclass": "log_loss"}

#: So many metrics of a task are shown where there is little room.
MAIN = 3


def describe_scores(task: str, scores: Mapping[str, float]) -> str:
    """Return the main scores of a task in words."""
    return ", ".join(f"{metric.label} {scores[metric.name]:.4f}" for metric in METRICS[task][:MAIN])


def score_keys(task: str) -> list[str]:
    """Return the keys of a candidate's scores that a table of candidates shows."""
    return [*(metric.name for metric in METRICS[task][:MAIN]), "cv_mean_score", "cv_std"]


def score_titles(task: str) -> list[str]:
    """Return the titles of `score_keys`."""
    skill = skill_of(task).title
    return [*(f"test {metric.title}" for metric in METRICS[task][:MAIN]), f"CV {skill} mean", f"CV {skill} std"]


def metrics_of(task: str) -> tuple[Metric, ...]:
    """Return the metrics of a task, its skill first."""
    return METRICS[task]


def skill_of(task: str) -> Metric:
    """Return the metric that candidates of a task are compared by."""
    return METRICS[task][0]


def find_metric(task: str, name: str) -> Metric:
    """Return a metric of a task by its name. Raises KeyError where there is none."""
    return {metric.name: metric for metric in METRICS[task]}[name]
