"""The card of monitor: drift of live rows, and errors on labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np

from recipeline.artifacts import BASELINE, DRIFT_REPORT
from recipeline.config.recipe import Recipe
from recipeline.metrics.catalogue import METRICS, ROW_ERRORS
from recipeline.monitoring.baseline import PREDICTION, SAID
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import (
    Baseline,
    Calibration,
    Compared,
    DriftReport,
    Errors,
    Finding,
    ShadowCompared,
    Spread,
    WindowSummary,
)
from recipeline.monitoring.verdict import DRIFT, OK, TOO_SMALL, WARN
from recipeline.monitoring.wording import (
    describe_coverage,
    describe_shadow,
    explain_drawn,
    explain_drift,
    explain_known,
    explain_left_out,
    explain_open,
)
from recipeline.reports.blocks import Block, Card, Cell, Facts, Note, Plot, Results, Section, Table, Tone
from recipeline.reports.limits import MOST_POINTS, select_strongest
from recipeline.reports.plots.change import plot_shares_of_bins, plot_stability, plot_trend
from recipeline.reports.tasks.base import label_of

_TONES: dict[str, Tone] = {OK: "good", WARN: "warning", DRIFT: "bad", TOO_SMALL: "warning"}

#: The distributions of so many features are drawn, those that differ most.
_TOP = 3


def make_card(results: Results) -> Card:
    """Return the card of a run of monitor."""
    report, baseline, recipe = results.load(DRIFT_REPORT), results.load(BASELINE), results.recipe
    newest = report.newest
    spreads = _spreads(newest)
    sections = [
        Section("Rows", _rows(report)),
        *([Section("Findings", [_findings(newest.findings)])] if newest.findings else []),
        *([Section("Population stability", _stability(spreads, newest, recipe))] if spreads else []),
        *([Section("Distributions", _distributions(spreads, baseline, recipe))] if spreads else []),
        *([Section("Errors", _errors(newest.performance, baseline.errors, report.model.task))] if newest.performance else []),
        *(_labels(newest.performance, baseline.errors, report.model.task) if newest.performance else []),
        *([Section("Challenger in shadow", _shadow(report.shadow, report.model.task))] if report.shadow else []),
        *([Section("Windows", _windows(report.windows, recipe, report.model.task))] if len(report.windows) > 1 else []),
    ]
    return Card(
        f"monitor: {report.model.name} version {report.model.version}",
        explain_drift(report),
        sections,
        tone=_TONES[newest.verdict],
    )


def _spreads(newest: Compared) -> dict[str, Spread]:
    """Return the compared columns, the largest PSI first.

    The prediction has the key PREDICTION, the decided labels have SAID.
    """
    found = {f"feature {name}": spread for name, spread in newest.features.items()}
    found |= {key: it for key, it in ((PREDICTION, newest.prediction), (SAID, newest.said)) if it}
    known = {name: (spread.psi, spread) for name, spread in found.items() if spread.psi is not None}
    return {name: spread for name, (_, spread) in sorted(known.items(), key=lambda item: -item[1][0])}


def _name(key: str) -> str:
    return key.removeprefix("feature ")


def _rows(report: DriftReport) -> list[Block]:
    newest, labels = report.newest, report.labels
    facts: dict[str, Cell] = {
        "Rows from": report.origin,
        "Rows": report.rows,
        "Rows of the deciding window": newest.rows,
        "Training rows": report.model.trained_on,
        "Rules asked": newest.rules,
    }
    if labels:
        facts |= {"Labels": labels.given, "Labels joined to a row": labels.joined}
    blocks: list[Block] = [Facts(facts)]
    blocks += [Note(text) for text in (explain_open(report.windows), explain_known(newest)) if text]
    if report.drawn:
        blocks.append(Note(explain_drawn(report.drawn)))
    if left_out := explain_left_out(report):
        blocks.append(Note(left_out, "warning"))
    return blocks


def _findings(findings: Sequence[Finding]) -> Table:
    rows: list[list[Cell]] = [
        [it.subject, it.rule, it.value, it.limits.warn, it.limits.drift, it.p_value, it.verdict]
        for it in sorted(findings, key=lambda it: it.verdict != DRIFT)
    ]
    return Table(
        ["subject", "rule", "effect", "warns from", "drift from", "corrected p-value", "verdict"],
        [[("none" if cell is None else cell) for cell in row] for row in rows],
        "Findings; each effect is significant and reaches a limit",
    )


def name_drifted(newest: Compared) -> str:
    """Return the question whether a column has drifted, with its answer."""
    question = "Has a column drifted?"
    if newest.verdict == TOO_SMALL:
        return f"{question} Too few rows to tell"
    found = [it.subject for it in newest.findings if it.rule == "psi" and it.verdict == DRIFT]
    if not found:
        return f"{question} None that is significantly beyond the limit"
    more = f" and {len(found) - _TOP} more" if len(found) > _TOP else ""
    return f"{question} Yes: {', '.join(found[:_TOP])}{more}"


def _stability(spreads: Mapping[str, Spread], newest: Compared, recipe: Recipe) -> list[Block]:
    kept, which = select_strongest(list(spreads), [spread.psi or 0.0 for spread in spreads.values()])
    limits, names = recipe.monitoring.psi, [_name(key) for key in kept]
    values = [spreads[key].psi or 0.0 for key in kept]
    title = name_drifted(newest)
    picture = Plot(
        "psi",
        f"Population stability index against the training rows: 0 where the shares of all bins are the same.{which}",
        lambda: plot_stability(names, values, limits.warn, limits.drift, title),
        Table(
            ["column", "PSI", "Kolmogorov-Smirnov", "Wasserstein (sd)", "missing", "beyond the training range"],
            [
                [
                    _name(key),
                    it.psi,
                    "none" if it.ks is None else it.ks,
                    "none" if it.wasserstein is None else it.wasserstein,
                    it.missing or 0.0,
                    it.unseen or 0.0,
                ]
                for key, it in ((key, spreads[key]) for key in kept)
            ],
        ),
    )
    domain = newest.domain
    if domain is None:
        return [picture]
    apart = f"A classifier on all features separates live rows from training rows with an AUC of {domain.auc:.3f}"
    return [picture, Note(f"{apart}; 0.5 is chance.")]


def _distributions(spreads: Mapping[str, Spread], baseline: Baseline, recipe: Recipe) -> list[Block]:
    features = [key for key in spreads if key not in (PREDICTION, SAID)][:_TOP]
    predicted = [key for key in (PREDICTION, SAID) if key in spreads]
    return [_then_and_now(place, key, spreads[key], baseline, recipe) for place, key in enumerate([*features, *predicted], 1)]


def _then_and_now(place: int, key: str, spread: Spread, baseline: Baseline, recipe: Recipe) -> Plot:
    name = _name(key)
    if key == SAID and baseline.said:
        known, type_, label = baseline.said, "category", f"decided {label_of(recipe)}"
    elif key == PREDICTION:
        known, type_, label = baseline.prediction, "number", f"predicted {label_of(recipe)}"
    else:
        known, column = baseline.features[name], recipe.columns[name]
        type_, label = column.type, f"{name} ({column.unit})" if column.unit else name
    bins = list(KINDS[type_].bin_names(known))
    then, now = (np.array(counts) / max(sum(counts), 1) for counts in (known.counts, spread.counts))
    return Plot(
        f"distribution_{place}",
        f"Distribution of {name} in the bins of the training rows.",
        lambda: plot_shares_of_bins(bins, then, now, label),
        Table(
            [label, "training rows", "live rows"], [list(row) for row in zip(bins, then.tolist(), now.tolist(), strict=True)]
        ),
    )


def _errors(now: Errors, then: Errors, task: str) -> list[Block]:
    interval = now.interval_95 or {}
    rows: list[list[Cell]] = []
    labels = {metric.name: metric.label for metric in METRICS[task]}
    further = [name for name in now.scores if name not in labels]
    for name in (*labels, *further):
        before, after = then.scores.get(name), now.scores.get(name)
        if before is None or after is None:
            continue
        shown = "{:.4f} to {:.4f}".format(*interval[name]) if name in interval else "none"
        rows.append([labels.get(name, name), before, after, shown])
    blocks: list[Block] = [
        Table(["metric", "out of fold, then", "labelled rows, now", "95 % interval"], rows, f"{now.rows:,} labelled rows")
    ]
    common = [name for name in now.slices if name in then.slices]
    if common:
        blocks.append(
            Table(
                ["slice", "rows then", f"{ROW_ERRORS[task]} then", "rows now", f"{ROW_ERRORS[task]} now"],
                [
                    [name, then.slices[name].rows, then.slices[name].error, now.slices[name].rows, now.slices[name].error]
                    for name in common
                ],
            )
        )
    return blocks


def _labels(now: Errors, then: Errors, task: str) -> list[Section]:
    """Return the sections on probabilities, and on interval or prediction set."""
    sections = []
    if now.calibration:
        sections.append(Section("Calibration", [_calibration(now.calibration, then.calibration or {})]))
    if covered := now.coverage:
        tested = {} if covered.on_test_rows is None else {"Covered test rows": covered.on_test_rows}
        facts: dict[str, Cell] = {"Level": covered.level, **tested, "Covered labelled rows": covered.share}
        sections.append(Section("Coverage", [Note(describe_coverage(covered, task)), Facts(facts)]))
    return sections


def _calibration(now: Mapping[str, Calibration], then: Mapping[str, Calibration]) -> Table:
    rows: list[list[Cell]] = [
        [label, *(cell for it in (then.get(label), here) for cell in ((it.predicted, it.observed) if it else ("none", "none")))]
        for label, here in now.items()
    ]
    return Table(
        ["label", "mean probability then", "share then", "mean probability now", "share now"],
        rows,
        "Mean probability and observed share of each label",
    )


def _windows(windows: Sequence[WindowSummary], recipe: Recipe, task: str) -> list[Block]:
    limits, every = recipe.monitoring.psi, len(windows)
    windows = windows[-MOST_POINTS:]
    left_out = f" The last {MOST_POINTS:,} of {every:,} windows." if every > MOST_POINTS else ""
    largest = [max((value for value in it.psi.values() if value is not None), default=0.0) for it in windows]
    names = [_when(place, it.time) for place, it in enumerate(windows, every - len(windows) + 1)]
    begun = next((name for name, psi in zip(names, largest, strict=True) if psi >= limits.drift), None)
    title = f"When did it begin? {f'In window {begun}' if begun else f'No window has a PSI of {limits.drift:g}'}"
    rows: list[list[Cell]] = [
        [name, it.rows, it.verdict, psi, "none" if it.error is None else it.error]
        for name, it, psi in zip(names, windows, largest, strict=True)
    ]
    return [
        Plot(
            "windows",
            f"The largest PSI of a feature, window by window, the newest last.{left_out}",
            lambda: plot_trend(largest, limits.warn, limits.drift, title),
            Table(["window", "rows", "verdict", "largest PSI", ROW_ERRORS[task]], rows),
        )
    ]


def _shadow(found: ShadowCompared, task: str) -> list[Block]:
    """Return champion and challenger on the rows that both predicted."""
    blocks: list[Block] = [Note(" ".join(describe_shadow(found, task)))]
    if found.rows:
        shares = ("median", "90 % of the rows up to", "99 % of the rows up to", "largest")
        rows: list[list[Cell]] = [["mean absolute difference", found.absolute]]
        rows += [[share, value] for share, value in zip(shares, found.quantiles, strict=True)]
        rows += [[f"mean of challenger minus champion, {name}", value] for name, value in found.differences.items()]
        blocks.append(Table(["difference of the predictions", "value"], rows))
    blocks.append(Note("This comparison decides nothing: `promote` measures both versions on the same rows."))
    return blocks


def _when(place: int, time: float | None) -> str:
    return f"{place}" if time is None else f"{place}, until {datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"
