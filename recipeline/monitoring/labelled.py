"""Findings on labelled rows: error, calibration, and coverage of what is stated."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.config.rules import Monitoring
from recipeline.inference.columns import Columns
from recipeline.metrics.catalogue import skill_of
from recipeline.monitoring.baseline import describe_errors
from recipeline.monitoring.copies import Matched, find_observations, row_keys
from recipeline.monitoring.results import Coverage, Errors, Finding
from recipeline.monitoring.sample import Labelled, Live
from recipeline.monitoring.tasks.base import Stated
from recipeline.monitoring.tasks.every import TASKS
from recipeline.monitoring.verdict import SEVERITY, judge

#: The subject of findings on all labelled rows; one on a label has the label after `LABEL`.
LABELS, LABEL = "labels", "label "

#: Numbers are cut to these, so that the sum of their squares is finite.
_GREATEST = 1e140


def judge_labelled(
    live: Live, matched: Matched, rules: Monitoring, recipe: Recipe, stated: Stated | None = None
) -> tuple[Errors | None, list[Finding]]:
    """Judge labelled rows: those not learned from, and all.

    A model errs less on rows that it learned from. Such errors say nothing where they are small, and the more where they are
    large: all labelled rows together can only add an alarm. They are then the errors that are returned, else those of new rows.
    """
    rows, known = live.labelled, matched.known
    answers = np.column_stack([rows.predicted, rows.places])
    keys = row_keys(answers, Columns.of_numbers([str(place) for place in range(answers.shape[1])]))
    counted = find_observations(pd.MultiIndex.from_arrays([matched.keys, keys]).to_numpy(), matched.expected)
    measure, judged = partial(_measure, live=live, recipe=recipe, stated=stated), partial(_judge, live=live, rules=rules)
    performance, findings = measure(rows.take(counted & ~known)), list[Finding]()
    if (~known).sum() >= rules.min_rows and performance:
        findings = judged(performance, tests=2 if known.any() else 1)
    if known.any() and len(rows) >= rules.min_rows and (together := measure(rows.take(counted))):
        found = judged(together, tests=2)
        if _worst(found) > _worst(findings):
            performance, findings = together, found
    return performance, findings


def _worst(findings: list[Finding]) -> int:
    return max((SEVERITY[it.verdict] for it in findings), default=0)


def _measure(rows: Labelled, *, live: Live, recipe: Recipe, stated: Stated | None) -> Errors | None:
    """Return the errors on labelled rows with 95 % intervals; None below 2 rows."""
    if len(rows) < 2:
        return None
    predicted, target = (np.clip(it, -_GREATEST, _GREATEST) for it in (rows.predicted, rows.target))
    codes, threshold = live.codes, live.threshold
    found = replace(describe_errors(target, predicted, recipe, codes, threshold), coverage=_cover(rows, stated))
    if found.scores[skill_of(codes.task).name] is None:
        return found
    draws, groups = recipe.metrics.bootstrap_draws, np.arange(len(target))
    interval = build_scorer(recipe, codes.labels).intervals(
        target, predicted, groups, draws=draws, seed=recipe.random_state, threshold=threshold
    )
    return replace(found, interval_95={name: it for name, it in interval.items() if not math.isnan(it[0])})


def _cover(rows: Labelled, stated: Stated | None) -> Coverage | None:
    """Return how many rows the model's interval or prediction set covers.

    Rows with an infinite feature are left out: there are no limits for them.
    """
    rows = rows.take(~np.isinf(rows.values).any(axis=1))
    if stated is None or not len(rows):
        return None
    covered = int(stated.covers(rows.values, rows.predicted, rows.target).sum())
    return Coverage(stated.level, len(rows), covered, stated.on_test_rows)


def _judge(now: Errors, *, live: Live, rules: Monitoring, tests: int) -> list[Finding]:
    """Return the findings on labelled rows, their tests corrected together.

    They are also corrected for the number of such `tests` of the same rows.
    """
    before, rule = live.baseline.errors, TASKS[live.codes.task].increase
    increase = now.error / before.error - 1 if before.error else float(now.error > 0)
    p_value = _test_means((now.error, now.error_std, now.rows), (before.error, before.error_std, before.rows), "greater")
    found = [(rule, LABELS, increase, p_value), *_find_calibration(now, before)]
    if covered := now.coverage:
        found.append(("coverage", LABELS, covered.level - covered.share, _test_coverage(covered, before.rows)))
    corrected = stats.false_discovery_control([p_value for *_, p_value in found])
    return [
        judge(rule, subject, value, getattr(rules, rule), float(p_value) * tests, rules.alpha)
        for (rule, subject, value, _), p_value in zip(found, corrected, strict=True)
    ]


def _find_calibration(now: Errors, before: Errors) -> list[tuple[str, str, float, float]]:
    """Return rule, subject, effect and p-value for each label's calibration.

    The effect is by how much the difference between observed share and mean probability has changed, in standard deviations
    of a row's difference. That is the same scale for a rare label and for a frequent one.
    """
    found = []
    for label, here in (now.calibration or {}).items():
        if not (there := (before.calibration or {}).get(label)):
            continue
        change, scale = (here.observed - here.predicted) - (there.observed - there.predicted), max(here.std, there.std)
        p_value = _test_means(
            (here.observed - here.predicted, here.std, now.rows),
            (there.observed - there.predicted, there.std, before.rows),
            "two-sided",
        )
        found.append(("calibration", f"{LABEL}{label}", abs(change) / scale if scale else float(change != 0), p_value))
    return found


def _test_means(now: tuple[float, float, int], before: tuple[float, float, int], alternative: str) -> float:
    """Return the p-value of Welch's test on two means, of (mean, std, rows) each.

    A standard deviation below the baseline's is replaced by it: in few rows it is accidental.
    """
    (mean, std, rows), (_, least, _) = now, before
    test = stats.ttest_ind_from_stats(mean, max(std, least), rows, *before, equal_var=False, alternative=alternative)
    if math.isnan(test.pvalue):  # nothing varies
        return float(mean <= before[0] if alternative == "greater" else mean == before[0])
    return float(test.pvalue)


def _test_coverage(now: Coverage, rows: int) -> float:
    """Return the probability of as few covered rows, or fewer, where the level holds.

    An interval made of the ranks of `rows` residuals covers a share of the population that has a beta distribution, whatever
    the residuals' own (Wilks 1941; Vovk 2012 for conformal prediction), so that the number of covered rows is beta-binomial.
    """
    rank = min(math.ceil((rows + 1) * now.level - 1e-9), rows)
    return float(stats.betabinom.cdf(now.covered, now.rows, rank, rows + 1 - rank))
