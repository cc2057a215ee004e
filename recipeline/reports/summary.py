"""The text summary of a chain and of monitoring, from plain results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from prettytable import PrettyTable, TableStyle
from wcwidth import wcswidth

from recipeline.escape import for_cell
from recipeline.evaluation.gates import failures
from recipeline.evaluation.tasks.results import word_of
from recipeline.metrics.catalogue import MAIN, METRICS, score_keys, skill_of
from recipeline.monitoring.wording import (
    describe_finding,
    describe_labelled,
    describe_shadow,
    explain_drawn,
    explain_drift,
    explain_known,
    explain_left_out,
    explain_open,
    format_measure,
    name_verdict,
)
from recipeline.promotion.gate import describe_rail

if TYPE_CHECKING:
    from recipeline.data.results import LeakAudit, Twins
    from recipeline.evaluation.results import Best, Metrics, Verdict
    from recipeline.monitoring.results import DriftReport
    from recipeline.promotion.results import Evidence

QUOTED = "random*"

WITHOUT_TWINS = "no twin"

#: No table is wider, as long as its narrow columns allow that.
WIDTH = 80

_NARROW = 12


def tabulate(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows of plain values as a table within WIDTH columns, left-aligned.

    The text of wide columns is wrapped.
    """
    cells = [[for_cell(value) for value in row] for row in rows]
    table = PrettyTable(list(names))
    table.set_style(TableStyle.SINGLE_BORDER)
    table.align = "l"
    table.add_rows(cells)
    widths = {name: max(map(wcswidth, column)) for name, *column in zip(names, names, *cells, strict=True)}
    excess = sum(widths.values()) + 3 * len(names) + 1 - WIDTH
    for name in sorted(widths, key=lambda name: -widths[name]):
        if excess > 0 and widths[name] > _NARROW:
            table.max_width[name] = max(widths[name] - excess, _NARROW)
            excess -= widths[name] - table.max_width[name]
    return str(table.get_string())


def tabulate_candidates(metrics: Metrics) -> str:
    """Return the candidates as a table, highest test skill (R2) first.

    The best one, by cross-validation, is marked. A last column has the skill in a random split, or, for a random split, that on
    the rows without twins.
    """
    skill, *others = METRICS[metrics.task][:MAIN]
    titles = [f"test {skill.title}", *(it.title for it in others), f"CV {metrics.cv_title}", "± std"]
    table = PrettyTable(["candidate", *titles])
    table.set_style(TableStyle.SINGLE_BORDER)
    best, ranked = metrics.best.candidate, sorted(metrics.candidates.items(), key=lambda item: -item[1][skill.name])
    for name, scores in ranked:
        figures = (scores[key] for key in score_keys(metrics.task))
        table.add_row([f"{for_cell(name)}{' ◀' if name == best else ''}", *map(_figure, figures)])
    without_twins = metrics.leaks.r2_without_twin if metrics.leaks else None
    for title, r2 in ((WITHOUT_TWINS, without_twins), (QUOTED, metrics.random_split_r2)):
        if r2:
            table.add_column(title, [_figure(r2[name]) for name, _ in ranked])
    table.align = "r"
    table.align["candidate"] = "l"
    table.max_width["candidate"] = _room(table)
    return str(table.get_string())


def _room(table: PrettyTable) -> int:
    """Return the width for the names of candidates: 20, or less within WIDTH."""
    others = [max(map(wcswidth, column)) for column in list(zip(table.field_names, *table.rows, strict=True))[1:]]
    return max(_NARROW, min(20, WIDTH - 3 * len(table.field_names) - 1 - sum(others)))


def describe_evaluation(verdict: Verdict, metrics: Metrics, audit: LeakAudit) -> str:
    """Return the verdict on the best candidate, its scores, failures and twins."""
    skill, *others = METRICS[metrics.task][:MAIN]
    best, (low, high) = metrics.best, metrics.best.interval_95[skill.name]
    rest = ", ".join(f"{it.label} {metrics.scores[it.name]:.4f}" for it in others)
    lines = [
        f"{best.candidate} is {verdict.verdict}: {skill.label} {metrics.scores[skill.name]:.4f} "
        f"(95 % interval {low:.3f} to {high:.3f}), {rest} on {metrics.test_rows} test rows",
        *(f"  {line}" for line in describe_decision(best)),
    ]
    lines += [f"  {line}" for line in failures(verdict)]
    return "\n".join([*lines, *(explain_split(audit, metrics) if metrics.leaks else [])])


def describe_decision(best: Best) -> list[str]:
    """Return a sentence on the decided labels: what they are judged by, and threshold.

    It is empty where the target has no labels.
    """
    found = best.decisions
    if found is None or not found.measure:
        return []
    measured = f"{[*found.figures][-1]} {_figure(found.value)}"
    if found.threshold is None:
        return [f"{measured}: the likeliest label is decided."]
    label = for_cell(word_of(found.labels[-1].label))
    return [f"{measured} at the threshold {found.threshold:.3g} for {label},", f"which is {found.rule}."]


def explain_split(audit: LeakAudit, metrics: Metrics) -> list[str]:
    """Return sentences on the split: twins of test rows, and their effect on R2."""
    best, leaks, quoted = metrics.best.candidate, metrics.leaks, metrics.random_split_r2
    skill = skill_of(metrics.task).label
    lines = [
        f"Split: {audit.method}, {audit.train_rows} training and {audit.test_rows} test rows; "
        f"{audit.leaked_rows} test rows have a twin in training{_explain_relations(audit)}.",
        *(f"Warning: {warning}" for warning in audit.warnings),
    ]
    if leaks:
        with_twin, without = leaks.r2_with_twin[best], leaks.r2_without_twin[best]
        lines.append(
            f"{skill} of {best} on those {leaks.leaked_rows} rows is {_figure(with_twin)}, on the others {_figure(without)}"
            + ("." if without is None else f": use the {skill} without twins.")
        )
    if quoted:
        plain = audit.random_split
        lines.append(
            f"* {skill} of one plain train_test_split, where {plain.leaked_rows} of {plain.test_rows} test rows have a twin "
            f"in training{_explain_relations(plain)}. It is often optimistic, and not used for decisions."
        )
    return lines


def _explain_relations(twins: Twins) -> str:
    groups = "" if twins.known_group_rows is None else f", {twins.known_group_rows} are of a group that is in training too"
    return groups + (f", {twins.older_rows} are no newer than a training row" if twins.older_rows else "")


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"


def explain_evidence(evidence: Evidence | None, task: str) -> list[str]:
    """Return the interval, the seed and the guard rails of a promotion decision.

    It is empty where no measurement was needed.
    """
    if not evidence:
        return []
    low, high = evidence.interval_90
    rails = [describe_rail(rail.name, rail.value, rail.limit) for rail in evidence.guard_rails if rail.value is not None]
    how = f"{evidence.repeats} repeat{'' if evidence.repeats == 1 else 's'}, seed {evidence.seed}"
    lines = [f"  90 % interval {low:+.4f} to {high:+.4f}; {how}; {'; '.join(rails)}."]
    if evidence.shadow:
        lines += [f"  {line}" for line in [*describe_shadow(evidence.shadow, task), "The shadow decides nothing."]]
    return lines


def explain_cache(reused: Sequence[str], reasons: Mapping[str, str]) -> list[str]:
    """Return the reused steps, and the reason for each other one."""
    lines = [f"Reused: {', '.join(reused) or 'none'}."]
    return lines + [f"Run: {name}: {reason}" for name, reason in reasons.items()]


def describe_monitoring(report: DriftReport) -> list[str]:
    """Return the result of the newest window: a table, the verdict and its reasons."""
    newest, labels = report.newest, report.labels
    rows = [
        (name, *map(_share, (spread.psi, spread.wasserstein, spread.missing, spread.unseen)))
        for name, spread in newest.features.items()
    ]
    if newest.prediction:
        rows.append(("prediction", _share(newest.prediction.psi), _share(newest.prediction.wasserstein), "", ""))
    if newest.said:
        rows.append(("predicted labels", _share(newest.said.psi), "", "", ""))
    lines = [tabulate(["", "PSI", "Wasserstein (sd)", "missing", "out of range"], rows)] if newest.rows else []
    if len(report.windows) > 1:
        counts = Counter(window.verdict for window in report.windows)
        lines.append(f"{len(report.windows)} windows: {', '.join(f'{count} {word}' for word, count in counts.items())}.")
    if labels:
        lines.append(f"Labels: {labels.joined:,} of {labels.given:,} joined to rows of the log.")
    if left_out := explain_left_out(report):
        lines.append(f"Warning: {left_out}")
    if report.drawn:
        lines.append(explain_drawn(report.drawn))
    if repeated := report.repeated:
        lines.append(f"{repeated:,} repeated lines, counted once.")
    lines += filter(None, (explain_open(report.windows), explain_known(newest)))
    if newest.performance:
        lines.append(describe_labelled(newest.performance, report.model.task))
    if report.shadow:
        lines += describe_shadow(report.shadow, report.model.task)
    return [*lines, f"{name_verdict(newest)}: {explain_drift(report)}", *map(describe_finding, newest.findings)]


def _share(value: float | None) -> str:
    return "" if value is None else format_measure(value)
