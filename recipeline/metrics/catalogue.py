"""The metrics of each task by name. No library is imported to read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A metric: its name, its label for people, and whether greater is better.

    `has_unit`: it is in the target's unit; `is_decided`: it depends on decided labels alone; `can_decide`: a threshold can be
    chosen by it, which is not so where one that says the same of all rows is the best; `short` is the label for a narrow
    column.
    """

    name: str
    label: str
    greater_is_better: bool = True
    has_unit: bool = False
    short: str = ""
    is_decided: bool = False
    can_decide: bool = False

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

    def worsening(self, ours: Any, theirs: Any) -> Any:
        """Return by how much `ours` is worse than `theirs`; below 0: better."""
        return theirs - ours if self.greater_is_better else ours - theirs


_OF_CLASSES = (
    Metric("brier_skill", "Brier skill", short="skill"),
    Metric("log_loss", "log loss", greater_is_better=False),
    Metric("roc_auc", "ROC AUC"),
    Metric("average_precision", "average precision"),
    Metric("accuracy", "accuracy", is_decided=True, can_decide=True),
    Metric("balanced_accuracy", "balanced accuracy", is_decided=True, can_decide=True),
    Metric("f1", "F1", is_decided=True, can_decide=True),
    Metric("mcc", "MCC", is_decided=True, can_decide=True),
    Metric("kappa", "kappa", is_decided=True, can_decide=True),
    Metric("precision", "precision", is_decided=True),
    Metric("recall", "recall", is_decided=True),
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

#: What the functions of own metrics are given, by task: what is named first is the default.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "regression": ("numbers",),
    "binary": ("labels", "probabilities"),
    "multiclass": ("labels", "probabilities"),
}

#: Metrics that are scored where a recipe asks for them, by task.
_FURTHER: Mapping[str, tuple[Metric, ...]] = {
    "regression": (
        Metric("rmsle", "RMSLE", greater_is_better=False),
        Metric("median_absolute_error", "median absolute error", greater_is_better=False, has_unit=True, short="median error"),
    ),
    "binary": (),
    "multiclass": (),
}

#: The tasks with losses of predicted quantiles, and examples of their names.
_QUANTILES: Mapping[str, list[str]] = {"regression": ["pinball_0.1", "pinball_0.9"], "binary": [], "multiclass": []}
_PINBALL = re.compile(r"pinball_(0\.\d{1,6})")

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

#: The range that the true value of a row is expected in, by task.
RANGES: Mapping[str, str] = {"regression": "prediction interval", "binary": "prediction set", "multiclass": "prediction set"}

#: So many metrics of a task are shown where there is little room.
MAIN = 3


def describe_scores(task: str, scores: Mapping[str, float]) -> str:
    """Return the main scores of a task in words."""
    return ", ".join(f"{metric.label} {scores[metric.name]:.4f}" for metric in METRICS[task][:MAIN])


def score_keys(task: str) -> list[str]:
    """Return the keys of a candidate's scores that a table of candidates shows."""
    return [*(metric.name for metric in METRICS[task][:MAIN]), "cv_mean_score", "cv_std"]


def score_titles(task: str, cv: str = "") -> list[str]:
    """Return the titles of `score_keys`.

    `cv` is that of the metric that ranks the candidates, empty: the skill's.
    """
    ranked_by = cv or skill_of(task).title
    return [*(f"test {metric.title}" for metric in METRICS[task][:MAIN]), f"CV {ranked_by} mean", f"CV {ranked_by} std"]


def metrics_of(task: str) -> tuple[Metric, ...]:
    """Return the metrics of a task, its skill first."""
    return METRICS[task]


def skill_of(task: str) -> Metric:
    """Return the metric that candidates of a task are compared by."""
    return METRICS[task][0]


def find_metric(task: str, name: str, more: Iterable[Metric] = ()) -> Metric:
    """Return a metric of a task, or one of `more`, by its name. Raises KeyError."""
    return {metric.name: metric for metric in (*METRICS[task], *more)}[name]


def further_metric(task: str, name: str) -> Metric | None:
    """Return a metric that a recipe may ask for by its name; None: there is none.

    Those of every evaluation are among them.
    """
    quantile = quantile_of(name)
    if _QUANTILES[task] and quantile is not None:
        label, short = f"pinball loss at {quantile:g}", f"pinball {quantile:g}"
        return Metric(name, label, greater_is_better=False, has_unit=True, short=short)
    return next((it for it in (*METRICS[task], *_FURTHER[task]) if it.name == name), None)


def quantile_of(name: str) -> float | None:
    """Return the quantile of `pinball_<quantile>`, above 0 and below 1.

    None of any other name.
    """
    found = _PINBALL.fullmatch(name)
    quantile = float(found[1]) if found else 0.0
    return quantile if quantile > 0 else None


def list_further(task: str) -> list[str]:
    """Return the names that a recipe may ask for, for suggestions."""
    return [it.name for it in (*METRICS[task], *_FURTHER[task])] + _QUANTILES[task]
