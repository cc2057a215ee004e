"""The absolute gates: test scores that a model must reach to be registered."""

from __future__ import annotations

from recipeline.config.rules import Gates
from recipeline.evaluation.results import Criterion, Scores, Verdict

VALIDATED = "VALIDATED"

REJECTED = "REJECTED"


def judge(scores: Scores, mean_predictor: Scores, gates: Gates) -> tuple[str, tuple[Criterion, ...]]:
    """Return the verdict, VALIDATED or REJECTED, with each criterion's value.

    VALIDATED requires all criteria of `gates`.

    Parameters
    ----------
    scores, mean_predictor : r2, rmse and mae on the test rows of the model, and of predicting the training mean.
    """
    criteria = [_criterion(c.metric, getattr(scores, c.metric), c.threshold) for c in gates.validation_criteria]
    if gates.beats_mean_predictor:
        beaten = scores.rmse < mean_predictor.rmse
        criteria.append(Criterion("beats the mean predictor", "rmse", scores.rmse, "below", mean_predictor.rmse, beaten))
    return VALIDATED if all(criterion.passed for criterion in criteria) else REJECTED, tuple(criteria)


def _criterion(metric: str, value: float, threshold: float) -> Criterion:
    rule, passed = ("at least", value >= threshold) if metric == "r2" else ("at most", value <= threshold)
    return Criterion(f"{metric} {rule} {threshold:g}", metric, value, rule, threshold, bool(passed))


def failures(verdict: Verdict) -> list[str]:
    """Return a line for each failed criterion: the requirement and the value."""
    return [
        f"{c.metric} must be {c.rule} {c.threshold:.4g}. Got {c.value:.4g} instead." for c in verdict.criteria if not c.passed
    ]
