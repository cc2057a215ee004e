"""The absolute gates: test scores that a model must reach to be registered."""

from __future__ import annotations

from collections.abc import Mapping

from recipeline.config.rules import Gates
from recipeline.evaluation.results import Criterion, Verdict
from recipeline.metrics.catalogue import REFERENCE_METRICS, find_metric

VALIDATED = "VALIDATED"

REJECTED = "REJECTED"


def judge(
    scores: Mapping[str, float], mean_predictor: Mapping[str, float], gates: Gates, task: str = "regression"
) -> tuple[str, tuple[Criterion, ...]]:
    """Return the verdict, VALIDATED or REJECTED, with each criterion's value.

    VALIDATED requires all criteria of `gates`.

    Parameters
    ----------
    scores, mean_predictor : the metrics of the task on the test rows, of the model and of predicting the training mean.
    """
    criteria = [_criterion(task, c.metric, scores[c.metric], c.threshold) for c in gates.validation_criteria]
    if gates.beats_mean_predictor:
        metric = REFERENCE_METRICS[task]
        ours, theirs = scores[metric], mean_predictor[metric]
        beaten = find_metric(task, metric).worsening(ours, theirs) < 0
        rule = "above" if find_metric(task, metric).greater_is_better else "below"
        criteria.append(Criterion("beats the mean predictor", metric, ours, rule, theirs, beaten))
    return VALIDATED if all(criterion.passed for criterion in criteria) else REJECTED, tuple(criteria)


def _criterion(task: str, name: str, value: float, threshold: float) -> Criterion:
    metric = find_metric(task, name)
    passed = bool(metric.reaches(value, threshold))
    return Criterion(f"{name} {metric.rule} {threshold:g}", name, value, metric.rule, threshold, passed)


def failures(verdict: Verdict) -> list[str]:
    """Return a line for each failed criterion: the requirement and the value."""
    return [
        f"{c.metric} must be {c.rule} {c.threshold:.4g}. Got {c.value:.4g} instead." for c in verdict.criteria if not c.passed
    ]
