"""The absolute gates: what a model must reach on the test rows to be registered at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recipeline.config.rules import Gates

VALIDATED = "VALIDATED"

REJECTED = "REJECTED"


def judge(scores: dict[str, float], mean_predictor: dict[str, float], gates: Gates) -> dict[str, Any]:
    """Return the verdict: VALIDATED where every criterion of `gates` holds, else REJECTED, with each criterion's value.

    Parameters
    ----------
    scores, mean_predictor : r2, rmse and mae on the test rows of the model, and of always predicting the training mean.
    """
    criteria = [_criterion(c.metric, scores[c.metric], c.threshold) for c in gates.validation_criteria]
    if gates.beats_mean_predictor:
        beaten = {
            "criterion": "beats the mean predictor",
            "metric": "rmse",
            "value": scores["rmse"],
            "rule": "below",
            "threshold": mean_predictor["rmse"],
            "passed": scores["rmse"] < mean_predictor["rmse"],
        }
        criteria.append(beaten)
    verdict = VALIDATED if all(criterion["passed"] for criterion in criteria) else REJECTED
    return {"verdict": verdict, "criteria": criteria}


def _criterion(metric: str, value: float, threshold: float) -> dict[str, Any]:
    rule, passed = ("at least", value >= threshold) if metric == "r2" else ("at most", value <= threshold)
    return {
        "criterion": f"{metric} {rule} {threshold:g}",
        "metric": metric,
        "value": value,
        "rule": rule,
        "threshold": threshold,
        "passed": bool(passed),
    }


def failures(verdict: Mapping[str, Any]) -> list[str]:
    """Return a line for each criterion that does not hold: what it asks, and what was measured."""
    return [
        f"{c['metric']} must be {c['rule']} {c['threshold']:.4g}. Got {c['value']:.4g} instead."
        for c in verdict["criteria"]
        if not c["passed"]
    ]
