"""The absolute gates: test scores that a model must reach to be registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recipeline.config.rules import Gates
from recipeline.evaluation.results import Criterion, Verdict
from recipeline.metrics.catalogue import REFERENCE_METRICS, Metric, find_metric

VALIDATED = "VALIDATED"

REJECTED = "REJECTED"


def judge(
    scores: Mapping[str, float],
    mean_predictor: Mapping[str, float],
    gates: Gates,
    task: str = "regression",
    more: Sequence[Metric] = (),
) -> tuple[str, tuple[Criterion, ...]]:
    """Return the verdict, VALIDATED or REJECTED, with each criterion's value.

    VALIDATED requires all criteria of `gates`.

    Parameters
    ----------
    scores, mean_predictor : the metrics of the task on the test rows, of the model and of predicting the training mean.
    more : the metrics besides those of the task, which the model's scores have too.
    """
    criteria = [
        _criterion(find_metric(task, it.metric, more), scores[it.metric], it.threshold) for it in gates.validation_criteria
    ]
    if gates.beats_mean_predictor:
        metric = REFERENCE_METRICS[task]
        ours, theirs = scores[metric], mean_predictor[metric]
        beaten = find_metric(task, metric).worsening(ours, theirs) < 0
        rule = "above" if find_metric(task, metric).greater_is_better else "below"
        criteria.append(Criterion("beats the mean predictor", metric, ours, rule, theirs, beaten))
    return VALIDATED if all(criterion.passed for criterion in criteria) else REJECTED, tuple(criteria)


def _criterion(metric: Metric, value: float, threshold: float) -> Criterion:
    passed = bool(metric.reaches(value, threshold))
    return Criterion(f"{metric.name} {metric.rule} {threshold:g}", metric.name, value, metric.rule, threshold, passed)


def failures(verdict: Verdict) -> list[str]:
    """Return a line for each failed criterion: the requirement and the value."""
    return [
        f"{c.metric} must be {c.rule} {c.threshold:.4g}. Got {c.value:.4g} instead." for c in verdict.criteria if not c.passed
    ]
