"""The sentences of a model card on classes: labels, threshold, sets, calibration."""

from __future__ import annotations

from recipeline.evaluation.results import Diagnosis, MeasuredInterval, Metrics
from recipeline.evaluation.tasks.results import Decisions, Disparity, word_of
from recipeline.metrics.catalogue import METRICS

#: So many labels are listed.
_LISTED = 12

# Fewer test rows than this tell nothing.
_FEW_ROWS = 5


def describe_labels(metrics: Metrics, decisions: Decisions) -> tuple[str, ...]:
    """Return the shares of the labels, the decision, and its metrics with intervals."""
    rows = max(1, sum(it.rows for it in decisions.labels))
    shares = [f"{word_of(it.label)} {100 * it.rows / rows:.1f} %" for it in decisions.labels[:_LISTED]]
    more = [f"{len(decisions.labels) - _LISTED} more"] if len(decisions.labels) > _LISTED else []
    decided = [it for it in METRICS[metrics.task] if it.is_decided]
    limits = metrics.best.interval_95
    figures = [
        f"{it.label} {metrics.scores[it.name]:.3f} ({limits[it.name][0]:.3f} to {limits[it.name][1]:.3f})" for it in decided
    ]
    return (
        f"Labels of the test rows: {', '.join([*shares, *more])}.",
        *_describe_threshold(decisions),
        f"Decided labels, with 95 % intervals: {', '.join(figures)}.",
    )


def _describe_threshold(decisions: Decisions) -> tuple[str, ...]:
    positive = decisions.labels[-1]
    if decisions.threshold is None:
        return ("The likeliest label is decided.",)
    named = [("precision", positive.precision), ("recall", positive.recall), (decisions.measure, decisions.value)]
    found = {name: f"{name} {value:.3f}" for name, value in named if value is not None}
    return (
        f"The label {word_of(positive.label)} is decided from a probability of {decisions.threshold:.3g} on; it is "
        f"{decisions.rule}. On the test rows: {', '.join(found.values())}.",
    )


def describe_sets(found: MeasuredInterval) -> str:
    """Return the coverage and the size of the prediction sets."""
    return (
        f"Its {100 * found.level:g} % prediction set has the label of {100 * found.coverage:.1f} % of the test rows; it has "
        f"{found.mean_width:.2f} labels on average."
    )


def describe_class_limits(diagnosis: Diagnosis | None) -> tuple[str, ...]:
    """Return where sets, probabilities and groups of rows are worst."""
    if diagnosis is None:
        return ()
    least = [
        f"Prediction sets miss the label {word_of(it.label)} the most: {100 * it.coverage:.0f} % of its "
        f"{it.rows} test rows have it."
        for it in sorted(diagnosis.sets, key=lambda it: it.coverage)[:1]
    ]
    return (*least, *_describe_calibration(diagnosis), *_describe_gaps(diagnosis.fairness))


def _describe_calibration(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Return the calibration error, and the worst range that is not chance.

    The error is the mean distance of shares and probabilities over ranges (Naeini, Cooper and Hauskrecht 2015).
    """
    ranges = diagnosis.by_predicted
    error = sum(it.rows * abs(it.mean_true - it.mean_predicted) for it in ranges) / max(1, sum(it.rows for it in ranges))
    beyond = [
        it
        for it in ranges
        if it.rows >= _FEW_ROWS
        and it.true_interval_95 is not None
        and not it.true_interval_95[0] <= it.mean_predicted <= it.true_interval_95[1]
    ]
    first = f"Calibration: probabilities are {error:.3f} off on average, over {len(ranges)} ranges"
    if not beyond:
        return (f"{first}; no range is off beyond its 95 % interval.",)
    worst = max(beyond, key=lambda it: abs(it.mean_true - it.mean_predicted))
    return (
        f"{first}; those of {worst.from_:.2f} to {worst.to:.2f} are {worst.mean_predicted:.2f} on average, and "
        f"{worst.mean_true:.2f} of the {worst.rows} test rows have the label.",
    )


def _describe_gaps(fairness: tuple[Disparity, ...]) -> tuple[str, ...]:
    """Return the greatest difference between groups whose interval is above 0."""
    sure = [(it, it.gap) for it in fairness if it.gap is not None and it.gap.interval_95[0] > 0]
    if not sure:
        return ("No difference between groups of rows is beyond its 95 % interval.",) * bool(fairness)
    it, gap = max(sure, key=lambda pair: pair[1].difference)
    low, high = gap.interval_95
    rates = {group.value: group.rate for group in it.groups}
    return (
        f"Groups differ: the {it.measure} of {word_of(it.label)} is {rates[gap.least]:.2f} where {it.feature} is "
        f"{word_of(gap.least)} and {rates[gap.greatest]:.2f} where it is {word_of(gap.greatest)} (difference, 95 % interval: "
        f"{low:.2f} to {high:.2f}).",
    )
