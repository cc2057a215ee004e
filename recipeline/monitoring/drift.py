"""Drift of live rows from the training rows, and of the model's errors.

A difference counts where it is both significant, corrected for the number of tests, and large: of a million rows every
difference is significant, and of fifty almost none is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from recipeline.config.recipe import Recipe
from recipeline.config.rules import Monitoring
from recipeline.inference.columns import Columns
from recipeline.inference.row_checks import is_unseen
from recipeline.monitoring.baseline import PREDICTION, SAID
from recipeline.monitoring.copies import Matched, count_among, find_observations, match_rows, row_keys
from recipeline.monitoring.domain import measure_domain
from recipeline.monitoring.kinds.every import KINDS
from recipeline.monitoring.labelled import judge_labelled
from recipeline.monitoring.results import (
    Compared,
    Domain,
    Finding,
    Spread,
    WarnAndDrift,
    WindowSummary,
    WindowVerdict,
)
from recipeline.monitoring.sample import Live
from recipeline.monitoring.tasks.base import Stated
from recipeline.monitoring.tasks.every import TASKS
from recipeline.monitoring.verdict import OK, TOO_SMALL, judge, worst


def compare(
    live: Live,
    reference: np.ndarray,
    rules: Monitoring,
    recipe: Recipe,
    columns: Mapping[str, WindowVerdict] | None = None,
    learned: np.ndarray | None = None,
    stated: Stated | None = None,
) -> Compared:
    """Return the drift report of rows as plain values.

    `verdict` is the worst of the `findings`. Effects are of all rows. Tests count copies of a row once, or as often as the
    training rows predict (`recipeline.monitoring.copies.find_observations`).

    Parameters
    ----------
    reference : the baseline's rows: features, and predictions as columns last.
    columns : missing and new columns of a table, with their verdicts.
    learned : the keys of all training rows; None: the reference is all.
    stated : interval or prediction set, whose coverage is judged.
    """
    baseline, model = live.baseline, Columns(tuple(live.features))
    reference, answers = reference[:, : len(live.features)], live.codes.shape(reference[:, len(live.features) :])
    matched = match_rows(live.kept, reference, model, learned)
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
    spreads = _compare_predictions(live, matched, reference, answers, rules)
    domain = None
    if is_judged:
        sides = (_apart(rows, live) for rows in (reference, live.kept))
        domain = measure_domain(*sides, seed=recipe.random_state, known=matched.known)
    known = match_rows(live.labelled.values, reference, model, learned)
    performance, errors = judge_labelled(live, known, rules, recipe, stated)
    findings: list[Finding] = []
    if is_judged:
        findings = [
            *_judge_spreads([*described.items(), *spreads.items()], domain, rules),
            *_judge_shares(live, observed, described, rules),
        ]
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
        prediction=spreads.get(PREDICTION),
        said=spreads.get(SAID),
        is_judged=bool(is_judged),
        domain=domain,
        performance=performance,
    )


def _compare_predictions(
    live: Live, matched: Matched, reference: np.ndarray, answers: np.ndarray, rules: Monitoring
) -> dict[str, Spread]:
    """Return the drift of predictions, and of decided labels, by subject.

    Rows known from training are left out; it is empty with too few others. If there are known rows, the others are rows that
    equal no training row: in a table of few levels these are rare ones. They are compared with training rows that equal no
    other.
    """
    task, baseline = TASKS[live.codes.task], live.baseline
    compared = ~matched.known & np.isfinite(task.watch(live.predicted))
    if compared.sum() < rules.min_rows:
        return {}
    predicted, has_known = live.predicted[compared], bool(matched.known.any())
    counted = find_observations(matched.keys[compared], matched.expected[compared])
    if has_known:
        keys = row_keys(reference, Columns(tuple(live.features)))
        answers = answers[count_among(keys, keys) == 1]
    sides = {PREDICTION: ("number", baseline.prediction, task.watch(predicted), task.watch(answers))}
    said, before = task.decide(predicted, live.threshold), task.decide(answers, live.threshold)
    if baseline.said and said is not None and before is not None:
        sides[SAID] = ("category", baseline.said, said.astype(float), before.astype(float))
    spreads = {}
    for name, (type_, described, now, then) in sides.items():
        kind = KINDS[type_]
        if has_known:
            described = replace(described, counts=tuple(kind.count(then[np.isfinite(then)], described).tolist()))
        spreads[name] = kind.compare(now, counted, kind.count(now, described), then, described)
    return spreads


def _apart(rows: np.ndarray, live: Live) -> np.ndarray:
    """Return rows as the domain classifier sees them."""
    described = live.baseline.features
    columns = [KINDS[it.type].apart(codes, described[it.name]) for it, codes in zip(live.features, rows.T, strict=True)]
    return np.column_stack(columns)


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
                findings.append(judge(rule, name, effect, limits, p_value, rules.alpha))
    if domain:
        findings.append(judge("domain_auc", "all features together", domain.auc, rules.domain_auc, corrected[-1], rules.alpha))
    return findings


def _judge_shares(live: Live, observed: np.ndarray, described: Mapping[str, Spread], rules: Monitoring) -> list[Finding]:
    """Return findings on the shares of missing and of out-of-range values.

    Both sides are samples. Missing values: Fisher's exact test. Values outside of the range of n training values: the share of
    the population beyond either end has the distribution Beta(2, n - 1) whatever the values' own (Wilks 1941), so that their
    number is beta-binomial; ties only make it smaller. Names are new in as large a share as training rows have one alone:
    what is beyond it counts, see `_doubt_new_names`.
    """
    findings, rows = [], int(observed.sum())
    for place, (feature, now) in enumerate(zip(live.features, described.values(), strict=True)):
        before, values = live.baseline.features[feature.name], live.kept[observed, place]
        missing, unseen = int(np.isnan(values).sum()), int(is_unseen(feature, values).sum())
        known = before.rows - before.missing
        table = [[missing, rows - missing], [before.missing, known]]
        more_missing = (now.missing or 0.0) - before.missing / before.rows
        kind, expected, p_unseen = KINDS[feature.type], 0.0, 1.0
        if new := min(kind.count_names(feature, 1), known):
            p_unseen = _doubt_new_names(unseen, rows - missing, new, kind.count_names(feature, 2), known)
            expected = new / known * (1 - (now.missing or 0.0))
        elif known > 1:
            p_unseen = stats.betabinom.sf(unseen - 1, rows, 2, known - 1)
        for rule, value, p_value in (
            ("missing", more_missing, stats.fisher_exact(table, "greater").pvalue),
            ("out_of_range", max(0.0, (now.unseen or 0.0) - expected), p_unseen),
        ):
            findings.append(
                judge(rule, feature.name, value, getattr(rules, rule), float(p_value) * len(described), rules.alpha)
            )
    return findings


def _doubt_new_names(unseen: int, rows: int, new: int, twice: int, known: int) -> float:
    """Return the p-value of `unseen` of `rows` having a name that training lacks.

    Among `known` training rows `new` have a name alone, and `twice` is the number of names of two rows. The share of rows with
    another name is estimated by the former, with the variance (new + 2 twice) / known^2 (Good 1953); their number is taken as
    beta-binomial. Fisher's exact test would leave the names of two out, and alarm three times as often as it says.
    """
    share, variance = new / known, (new + 2 * twice) / known**2
    size = share * (1 - share) / variance - 1
    return float(stats.betabinom.sf(unseen - 1, rows, share * size, (1 - share) * size)) if size > 0 else 1.0


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
