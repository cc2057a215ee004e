"""Drift of live rows from the training rows, and of the model's errors.

A difference counts where it is both significant, corrected for the number of tests, and large: of a million rows every
difference is significant, and of fifty almost none is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from recipeline.config.recipe import Recipe
from recipeline.config.rules import Limits, Monitoring
from recipeline.data.target_codes import TargetCodes
from recipeline.inference.columns import Columns
from recipeline.inference.model_info import Feature
from recipeline.inference.row_checks import is_unseen
from recipeline.metrics.catalogue import skill_of
from recipeline.metrics.tasks.every import TASKS as METRIC_TASKS
from recipeline.monitoring.baseline import PREDICTION, describe_errors
from recipeline.monitoring.copies import Matched, count_among, find_observations, match_rows, row_keys
from recipeline.monitoring.domain import measure_domain
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.results import (
    Compared,
    Described,
    Domain,
    Errors,
    Finding,
    Spread,
    WarnAndDrift,
    WindowSummary,
    WindowVerdict,
)
from recipeline.monitoring.sample import Live
from recipeline.monitoring.spread import count_bins
from recipeline.monitoring.verdict import DRIFT, OK, SEVERITY, TOO_SMALL, WARN, worst


def compare(
    live: Live,
    reference: np.ndarray,
    rules: Monitoring,
    recipe: Recipe,
    columns: Mapping[str, WindowVerdict] | None = None,
    learned: np.ndarray | None = None,
) -> Compared:
    """Return the drift report of rows as plain values.

    `verdict` is the worst of the `findings`. Effects are of all rows. Tests count copies of a row once, or as often as the
    training rows predict (`recipeline.monitoring.copies.find_observations`).

    Parameters
    ----------
    reference : the baseline's rows, of shape (rows, features + 1), the prediction last.
    columns : missing and new columns of a table, with their verdicts.
    learned : the keys of all training rows; None: the reference is all.
    """
    baseline, model = live.baseline, Columns(tuple(live.features))
    matched = match_rows(live.kept, reference[:, :-1], model, learned)
    observed = find_observations(matched.keys, matched.expected)
    is_judged = observed.sum() >= rules.min_rows * len(observed) / max(live.rows, 1) > 0
    described = {
        feature.name: replace(
            KINDS[feature.type].compare(
                live.kept[:, place], observed, live.counts[place], reference[:, place], baseline.features[feature.name]
            ),
            missing=float(live.missing[place] / max(live.rows, 1)),
            unseen=float(live.unseen[place] / max(live.rows, 1)),
        )
        for place, feature in enumerate(live.features)
    }
    compared = ~matched.known & np.isfinite(live.predicted)
    prediction = None
    if compared.sum() >= rules.min_rows:
        predicted = live.predicted[compared]
        bins = count_bins(predicted, np.array(baseline.prediction.edges, dtype=float))
        counted = find_observations(matched.keys[compared], matched.expected[compared])
        before, described_before = _before_new_rows(reference, model, baseline.prediction, has_known=bool(matched.known.any()))
        prediction = KINDS["number"].compare(predicted, counted, bins, before, described_before)
    domain = None
    if is_judged:
        sides = (_apart(rows, live.features) for rows in (reference[:, :-1], live.kept))
        domain = measure_domain(*sides, seed=recipe.random_state, known=matched.known)
    labelled = match_rows(live.labelled[:, :-2], reference[:, :-1], model, learned)
    performance, errors = _judge_errors(live, labelled, rules, recipe)
    findings: list[Finding] = []
    if is_judged:
        spreads = [*described.items(), *([(PREDICTION, prediction)] if prediction else [])]
        findings = [*_judge_spreads(spreads, domain, rules), *_judge_shares(live, observed, described, rules)]
    findings += errors
    certain = WarnAndDrift(1, 1)
    findings += [Finding("columns", name, 1.0, certain, verdict, None) for name, verdict in (columns or {}).items()]
    verdict = worst(finding.verdict for finding in findings)
    return Compared(
        rows=live.rows,
        kept=len(live.kept),
        observations=int(observed.sum()),
        known_share=float(matched.known.mean()) if len(live.kept) else 0.0,
        verdict=verdict if is_judged or verdict != OK else TOO_SMALL,
        findings=tuple(finding for finding in findings if finding.verdict != OK),
        rules=len(findings),
        features=described,
        prediction=prediction,
        is_judged=bool(is_judged),
        domain=domain,
        performance=performance,
    )


def _before_new_rows(
    reference: np.ndarray, model: Columns, described: Described, *, has_known: bool
) -> tuple[np.ndarray, Described]:
    """Return the reference's predictions that new ones are compared with.

    Their description is the second value. If known rows are left out, the others are rows that equal no training row: in a
    table of few levels these are rare ones. They are compared with training rows that equal no other.
    """
    predicted = reference[:, -1]
    if not has_known:
        return predicted, described
    keys = row_keys(reference[:, :-1], model)
    predicted = predicted[count_among(keys, keys) == 1]
    counts = count_bins(predicted[np.isfinite(predicted)], np.array(described.edges, dtype=float))
    return predicted, replace(described, counts=tuple(counts.tolist()))


def _apart(rows: np.ndarray, features: Sequence[Feature]) -> np.ndarray:
    """Return rows as the domain classifier sees them."""
    columns = [KINDS[feature.type].apart(codes) for feature, codes in zip(features, rows.T, strict=True)]
    return np.column_stack(columns)


def _measure_errors(rows: np.ndarray, recipe: Recipe) -> Errors | None:
    """Return the errors on labelled rows with 95 % intervals; None below 2 rows."""
    if len(rows) < 2:
        return None
    predicted, target = np.clip(rows[:, -2:], -1e140, 1e140).T
    codes = TargetCodes(recipe.task)
    found = describe_errors(target, predicted, recipe, codes)
    if found.scores[skill_of(codes.task).name] is None:
        return found
    draws, groups = recipe.metrics.bootstrap_draws, np.arange(len(target))
    interval = METRIC_TASKS[codes.task].intervals(target, predicted, groups, draws=draws, seed=recipe.random_state)
    return replace(found, interval_95=interval)


def _judge_errors(live: Live, matched: Matched, rules: Monitoring, recipe: Recipe) -> tuple[Errors | None, list[Finding]]:
    """Judge the errors on labelled rows: of those not learned from, and of all.

    A model errs less on rows that it learned from. Such errors say nothing where they are small, and the more where they are
    large: all labelled rows together can only add an alarm. They are then the errors that are returned, else those of new rows.
    """
    rows, known, before = live.labelled, matched.known, live.baseline.errors
    answers = row_keys(rows[:, -2:], Columns.of_numbers(["predicted", "target"]))
    counted = find_observations(pd.MultiIndex.from_arrays([matched.keys, answers]).to_numpy(), matched.expected)
    performance, findings = _measure_errors(rows[counted & ~known], recipe), list[Finding]()
    if (~known).sum() >= rules.min_rows and performance:
        findings.append(_judge_performance(performance, before, rules, tests=2 if known.any() else 1))
    if known.any() and len(rows) >= rules.min_rows and (together := _measure_errors(rows[counted], recipe)):
        found = _judge_performance(together, before, rules, tests=2)
        if SEVERITY[found.verdict] > max((SEVERITY[it.verdict] for it in findings), default=0):
            performance, findings = together, [found]
    return performance, findings


def _judge_spreads(spreads: Sequence[tuple[str, Spread]], domain: Domain | None, rules: Monitoring) -> list[Finding]:
    """Return findings on moved values, by Kolmogorov-Smirnov and classifier tests.

    All tests are corrected together.
    """
    tested = [(name, spread, spread.p_value) for name, spread in spreads if spread.p_value is not None]
    p_values = [p_value for _, _, p_value in tested] + ([domain.p_value] if domain else [])
    if not p_values:
        return []
    corrected = [float(p) for p in stats.false_discovery_control(p_values)]
    findings = []
    for (name, spread, _), p_value in zip(tested, corrected, strict=False):
        for rule, effect, limits in (("psi", spread.psi, rules.psi), ("wasserstein", spread.wasserstein, rules.wasserstein)):
            if effect is not None:
                findings.append(_judge(rule, name, effect, limits, p_value, rules.alpha))
    if domain:
        findings.append(_judge("domain_auc", "all features together", domain.auc, rules.domain_auc, corrected[-1], rules.alpha))
    return findings


def _judge_shares(live: Live, observed: np.ndarray, described: Mapping[str, Spread], rules: Monitoring) -> list[Finding]:
    """Return findings on the shares of missing and of out-of-range values.

    Both sides are samples. Missing values: Fisher's exact test. Values outside of the range of n training values: the share of
    the population beyond either end has the distribution Beta(2, n - 1) whatever the values' own (Wilks 1941), so that their
    number is beta-binomial; ties only make it smaller.
    """
    findings, rows = [], int(observed.sum())
    for place, (feature, now) in enumerate(zip(live.features, described.values(), strict=True)):
        before, values = live.baseline.features[feature.name], live.kept[observed, place]
        missing, unseen = int(np.isnan(values).sum()), int(is_unseen(feature, values).sum())
        known = before.rows - before.missing
        table = [[missing, rows - missing], [before.missing, known]]
        more_missing = (now.missing or 0.0) - before.missing / before.rows
        for rule, value, p_value in (
            ("missing", more_missing, stats.fisher_exact(table, "greater").pvalue),
            ("out_of_range", now.unseen or 0.0, stats.betabinom.sf(unseen - 1, rows, 2, known - 1) if known > 1 else 1.0),
        ):
            findings.append(
                _judge(rule, feature.name, value, getattr(rules, rule), float(p_value) * len(described), rules.alpha)
            )
    return findings


def _judge_performance(now: Errors, before: Errors, rules: Monitoring, *, tests: int) -> Finding:
    """Return a finding on the mean error of rows, by Welch's test.

    It is corrected for the number of `tests`. A standard deviation below the baseline's is replaced by it: in few rows it is
    accidental.
    """
    test = stats.ttest_ind_from_stats(
        *(now.error, max(now.error_std, before.error_std), now.rows),
        *(before.error, before.error_std, before.rows),
        equal_var=False,
        alternative="greater",
    )
    increase = now.error / before.error - 1 if before.error else float(now.error > 0)
    return _judge("mae_increase", "labels", increase, rules.mae_increase, float(test.pvalue) * tests, rules.alpha)


def _judge(rule: str, subject: str, value: float, limits: Limits, p_value: float, alpha: float) -> Finding:
    verdict: WindowVerdict = OK
    if p_value < alpha and value >= limits.warn:
        verdict = DRIFT if value >= limits.drift else WARN
    return Finding(rule, subject, float(value), WarnAndDrift(limits.warn, limits.drift), verdict, min(p_value, 1.0))


def summarise_window(found: Compared, time: float | None, *, is_complete: bool) -> WindowSummary:
    """Return the summary of a window; `time` is that of its newest row.

    None: unknown.
    """
    return WindowSummary(
        time=time,
        rows=found.rows,
        verdict=found.verdict,
        findings=found.findings,
        psi={name: spread.psi for name, spread in found.features.items()},
        prediction_psi=found.prediction.psi if found.prediction else None,
        domain_auc=found.domain.auc if found.domain else None,
        error=found.performance.error if found.performance else None,
        is_complete=is_complete,
    )
