"""Findings of monitoring in words."""

from __future__ import annotations

from collections.abc import Sequence

from recipeline.metrics.catalogue import RANGES, ROW_ERRORS
from recipeline.monitoring.results import (
    Compared,
    Coverage,
    DrawnRows,
    DriftReport,
    Errors,
    Finding,
    ShadowCompared,
    WindowSummary,
)
from recipeline.monitoring.verdict import DRIFT, OK, TOO_SMALL

#: From here on a measure has three digits and an exponent.
_LARGE = 1e6
#: From this share on, rows that the model learned from are mentioned.
_MENTIONED = 0.01

_MEASURES = {
    "psi": "PSI {value:.3f}",
    "wasserstein": "Wasserstein distance {measure} standard deviations",
    "domain_auc": "separated from the training rows with an AUC of {value:.3f}",
    "missing": "{value:.1%} more missing than in training",
    "out_of_range": "{value:.1%} more outside of the training range than expected",
    "mae_increase": "MAE {share} higher than out of fold",
    "loss_increase": "Brier score {value:.1%} higher than out of fold",
    "calibration": "observed share {value:.3f} standard deviations further from the mean probability than out of fold",
    "coverage": "interval or prediction set covers {points:.1f} percentage points less than its level",
}


def format_measure(value: float) -> str:
    """Return a measure of drift with three digits after the point.

    The distance of a column that hardly varied may have hundreds of digits: it has three, and an exponent.
    """
    return f"{value:.3f}" if abs(value) < _LARGE else f"{value:.3g}"


def describe_finding(finding: Finding) -> str:
    """Return a finding in a line."""
    rule, subject, limits, verdict = finding.rule, finding.subject, finding.limits, finding.verdict
    if rule == "columns":
        return f"  {verdict}: {subject}: {'the column is missing' if verdict == DRIFT else 'a new column'}"
    value = finding.value
    share = f"{value:.1%}" if abs(value) < _LARGE else f"{100 * value:.3g}%"
    measure = _MEASURES[rule].format(value=value, points=100 * value, measure=format_measure(value), share=share)
    return f"  {verdict}: {subject}: {measure} (warn {limits.warn:g}, drift {limits.drift:g})"


def describe_labelled(errors: Errors, task: str) -> str:
    """Return the error of labelled rows, and how many of them are covered, in a line."""
    covered = f" {describe_coverage(errors.coverage, task)}" if errors.coverage else ""
    return f"Labelled: {ROW_ERRORS[task]} {errors.error:.4f} on {errors.rows:,} rows.{covered}"


def describe_coverage(coverage: Coverage, task: str) -> str:
    """Return a sentence on the coverage of interval or prediction set."""
    return f"{coverage.share:.1%} of {coverage.rows:,} are inside of their {RANGES[task]}, whose level is {coverage.level:.0%}."


def explain_drift(report: DriftReport) -> str:
    """Return one sentence on the newest window of a saved report."""
    newest = report.newest
    whose = f"training rows of version {report.model.version}"
    number = f"{newest.rows:,} rows"
    if not newest.rows:
        return _explain_incomplete(report)
    if newest.verdict == TOO_SMALL:
        copies = "" if newest.observations >= newest.kept else f", {newest.observations:,} without copies,"
        return f"{number}{copies} are too few for a verdict."
    subjects = list(dict.fromkeys(it.subject for it in newest.findings if it.verdict == newest.verdict))
    if newest.verdict == OK:
        return f"{number} are like the {whose}."
    return f"{number} differ from the {whose}: {', '.join(subjects)}."


def _explain_incomplete(report: DriftReport) -> str:
    """Return the text for a report without a complete window.

    Rows have no verdict then; columns of a table have one.
    """
    size = report.window_rows
    why = f"No window of {size:,} rows is full, there are {report.rows:,}" if size else "No complete window has rows"
    columns = ", ".join(finding.subject for finding in report.newest.findings)
    if columns:
        return f"The columns differ: {columns}. {why}: there is no verdict on rows."
    return f"{why}: there is no verdict."


def name_verdict(newest: Compared) -> str:
    """Return the verdict on the window that decides, as the output names it."""
    return "NOT JUDGED" if newest.verdict == TOO_SMALL and not newest.rows else newest.verdict.upper()


def explain_open(windows: Sequence[WindowSummary]) -> str:
    """Return a sentence on an incomplete newest window; empty if it is complete."""
    if not windows or windows[-1].is_complete:
        return ""
    return f"The newest window is incomplete and does not count: {windows[-1].rows:,} rows, {windows[-1].verdict}."


def explain_left_out(report: DriftReport) -> str:
    """Return how many lines and rows are left out and why; empty where none is."""
    lines, rows = report.left_out, report.filtered
    broken = (
        f"{lines:,} lines left out: truncated, with too many or few fields, invalid values or a future time." if lines else ""
    )
    unlike = f"{rows:,} rows left out, as training left out rows like them: rows.filter." if rows else ""
    return " ".join(filter(None, (broken, unlike)))


def explain_drawn(drawn: DrawnRows) -> str:
    """Return a sentence on a log that has a draw of the requests."""
    return (
        f"The log has a draw of the requests: its rows stand for about {drawn.rows:,}, and each counts the same here; weighted "
        f"means would be as exact as {drawn.effective:,} rows."
    )


def explain_known(newest: Compared) -> str:
    """Return a sentence on rows known from training; empty where they are few."""
    if newest.known_share < _MENTIONED:
        return ""
    known = f"{newest.known_share:.1%} of the rows are training rows"
    is_left_out = newest.is_judged and not newest.domain
    left_out = ", and too few others are left for the domain classifier" if is_left_out else ""
    return f"{known}: their predictions are not compared{left_out}."


def describe_shadow(found: ShadowCompared, task: str) -> list[str]:
    """Return the comparison with the challenger in shadow, a sentence each."""
    missed = ", ".join(f"{count:,} {reason}" for reason, count in found.missed.items())
    beside = f"Version {found.challenger} in shadow beside version {found.champion}: {found.rows:,} rows predicted by both"
    lines = [f"{beside}{f'; without its prediction: {missed}' if missed else ''}."]
    if found.rows:
        middle, *_, most = found.quantiles
        agreed = "" if found.agreed is None else f"The same decided label for {found.agreed:.1%} of them. "
        of = "" if found.agreed is None else " of the probabilities"
        said = f"Mean absolute difference{of} {found.absolute:.4g}, median {middle:.4g}, at most {most:.4g}"
        only = [*found.differences.values()]
        lines.append(f"{agreed}{said}{f'; mean difference {only[0]:+.4g}' if len(only) == 1 else ''}.")
    if errors := found.labelled:
        limits = "{:+.4g} to {:+.4g}".format(*errors.interval_95) if errors.interval_95 else "not known"
        lines.append(
            f"{errors.rows:,} labelled rows that neither learned from ({errors.distinct:,} {errors.unit}): {ROW_ERRORS[task]} "
            f"{errors.champion:.4f} of the champion, {errors.challenger:.4f} of the challenger; less by {errors.gain:+.4g} "
            f"(95 % interval {limits})."
        )
    return lines
