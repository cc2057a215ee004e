"""Whether rows are still like those that a model learned from, and whether it still errs as little as it did.

A difference counts where it is both significant, corrected for the number of tests, and large: of a million rows every
difference is significant, and of fifty almost none is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.ensemble import RandomForestClassifier

from recipeline.config.recipe import Recipe
from recipeline.config.rules import Limits, Monitoring
from recipeline.metrics.regression import bootstrap_intervals
from recipeline.monitoring.baseline import PREDICTION, count_bins, describe_errors, describe_values, population_stability
from recipeline.monitoring.sample import MOST_OF_A_SIDE, Live
from recipeline.monitoring.verdict import DRIFT, OK, TOO_SMALL, WARN, Verdict, worst


@dataclass(frozen=True)
class Finding:
    """What one rule says of one subject: a feature, the prediction, all features together, the labels.

    `value` is the effect that the rule limits, `p_value` (None: the rule has no test) is corrected for the number of tests
    (Benjamini and Hochberg 1995).
    """

    rule: str
    subject: str
    value: float
    limits: Limits
    verdict: Verdict
    p_value: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"limits": {"warn": self.limits.warn, "drift": self.limits.drift}}


def compare(
    live: Live, reference: np.ndarray, rules: Monitoring, recipe: Recipe, columns: Mapping[str, Verdict] | None = None
) -> dict[str, Any]:
    """Return what is different about the rows, as plain values; `verdict` is the worst of the `findings`.

    Parameters
    ----------
    reference : the baseline's rows, of shape (rows, features + 1), the prediction last.
    columns : of a table the columns that are missing or new, and what that is.
    """
    baseline, names = live.baseline, [feature.name for feature in live.features]
    is_judged = live.rows >= rules.min_rows
    new = ~_is_known(reference[:, :-1], live.kept)
    described = {
        name: {
            **_spread(live.kept[:, place], live.counts[place], reference[:, place], baseline["features"][name]),
            "missing": float(live.missing[place] / max(live.rows, 1)),
            "unseen": float(live.unseen[place] / max(live.rows, 1)),
        }
        for place, name in enumerate(names)
    }
    predicted = live.predicted[new & ~np.isnan(live.predicted)]
    prediction = None
    if len(predicted) >= rules.min_rows:
        bins = count_bins(predicted, np.array(baseline[PREDICTION]["edges"]))
        prediction = _spread(predicted, bins, reference[:, -1], baseline[PREDICTION])
    domain = measure_domain(reference[:, :-1], live.kept, seed=recipe.random_state) if is_judged else None
    performance = _measure_performance(live, new, recipe)
    findings: list[Finding] = []
    if is_judged:
        spreads = [*described.items(), *([(PREDICTION, prediction)] if prediction else [])]
        findings = [
            *_judge_spreads(spreads, domain, rules),
            *_judge_shares(live, described, rules),
            *_judge_performance(performance, baseline["errors"], rules),
        ]
    findings += [Finding("columns", name, 1.0, Limits(warn=1, drift=1), verdict) for name, verdict in (columns or {}).items()]
    return {
        "rows": live.rows,
        "kept": len(live.kept),
        "known_share": float(1 - new.mean()) if len(new) else 0.0,
        "verdict": worst(finding.verdict for finding in findings) if is_judged or findings else TOO_SMALL,
        "findings": [finding.as_dict() for finding in findings if finding.verdict != OK],
        "rules": len(findings),
        "features": described,
        PREDICTION: prediction,
        "domain": domain,
        "performance": performance,
    }


def _spread(values: np.ndarray, counts: np.ndarray, reference: np.ndarray, baseline: Mapping[str, Any]) -> dict[str, Any]:
    """Return how values differ from the reference's: PSI of all, and of those kept Kolmogorov-Smirnov and Wasserstein.

    The Wasserstein distance is in standard deviations of the reference (of its mean where that is 0).
    """
    values, reference = (_finite(it[~np.isnan(it)]) for it in (values, reference))
    found: dict[str, Any] = {"counts": counts.tolist(), "psi": None, "ks": None, "p_value": None, "wasserstein": None}
    if not len(values) or not len(reference):
        return found
    described = describe_values(values)
    test = stats.ks_2samp(values, reference, method="asymp")
    scale = baseline["std"] or abs(baseline["mean"]) or 1.0
    return found | {
        "psi": population_stability(counts, np.array(baseline["counts"])),
        "ks": float(test.statistic),
        "p_value": float(test.pvalue),
        "wasserstein": float(stats.wasserstein_distance(values / scale, reference / scale)),
        "mean": described["mean"],
        "std": described["std"],
        "quantiles": described["quantiles"],
    }


def _finite(values: np.ndarray) -> np.ndarray:
    finite: np.ndarray = np.clip(values, -1e300, 1e300)
    return finite


def measure_domain(reference: np.ndarray, live: np.ndarray, *, seed: int) -> dict[str, float] | None:
    """Return how well a classifier tells later rows from the reference's: the area under its ROC curve, 0.5 where it cannot.

    It sees what no single feature shows (Lopez-Paz and Oquab 2017). It is a random forest, asked about rows out of its bags; a
    row that is there several times counts once, else its copies would tell. The p-value is that of the Mann-Whitney test.
    None where one side has fewer than 20 distinct rows.
    """
    random = np.random.RandomState(seed)
    sides = [np.unique(np.clip(rows, -1e30, 1e30), axis=0) for rows in (reference, live)]
    sides = [rows[random.permutation(len(rows))[:MOST_OF_A_SIDE]] for rows in sides]
    if min(map(len, sides)) < 20:
        return None
    rows, side = np.concatenate(sides), np.repeat([0, 1], [len(side) for side in sides])
    forest = RandomForestClassifier(
        100, min_samples_leaf=5, class_weight="balanced", oob_score=True, random_state=random, n_jobs=-1
    )
    scores = forest.fit(rows, side).oob_decision_function_[:, 1]
    scores = np.where(np.isnan(scores), 0.5, scores)
    test = stats.mannwhitneyu(scores[side == 1], scores[side == 0], alternative="greater")
    strongest = int(np.argmax(forest.feature_importances_))
    return {
        "auc": float(test.statistic / (len(sides[0]) * len(sides[1]))),
        "p_value": float(test.pvalue),
        "strongest": strongest,
    }


def _is_known(reference: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Return which rows are among the reference's: what a model says of rows that it learned from tells nothing."""
    known = {row.tobytes() for row in np.nan_to_num(reference, nan=-1.5e300) + 0.0}
    return np.array([row.tobytes() in known for row in np.nan_to_num(live, nan=-1.5e300) + 0.0], dtype=bool)


def _measure_performance(live: Live, new: np.ndarray, recipe: Recipe) -> dict[str, Any] | None:
    """Return how the model errs on the `new` rows whose target is known, with 95 % intervals; None where fewer than 2 are."""
    labelled = new & ~np.isnan(live.target) & ~np.isnan(live.predicted)
    if labelled.sum() < 2:
        return None
    target, predicted = live.target[labelled], live.predicted[labelled]
    found = describe_errors(target, predicted, recipe)
    if found["r2"] is not None:
        found["interval_95"] = bootstrap_intervals(
            target, predicted, np.arange(len(target)), draws=recipe.metrics.bootstrap_draws, seed=recipe.random_state
        )
    return found


def _judge_spreads(
    spreads: Sequence[tuple[str, Mapping[str, Any]]], domain: Mapping[str, float] | None, rules: Monitoring
) -> list[Finding]:
    tested = [(name, spread) for name, spread in spreads if spread["p_value"] is not None]
    p_values = [spread["p_value"] for _, spread in tested] + ([domain["p_value"]] if domain else [])
    if not p_values:
        return []
    corrected = [float(p) for p in stats.false_discovery_control(p_values)]
    findings = []
    for (name, spread), p_value in zip(tested, corrected, strict=False):
        for rule, limits in (("psi", rules.psi), ("wasserstein", rules.wasserstein)):
            findings.append(_judge(rule, name, spread[rule], limits, p_value, rules.alpha))
    if domain:
        findings.append(
            _judge("domain_auc", "all features together", domain["auc"], rules.domain_auc, corrected[-1], rules.alpha)
        )
    return findings


def _judge_shares(live: Live, described: Mapping[str, Mapping[str, Any]], rules: Monitoring) -> list[Finding]:
    """Judge the shares of missing values, against the baseline's, and of values beyond the training rows', against chance."""
    findings = []
    for place, (name, now) in enumerate(described.items()):
        before = live.baseline["features"][name]
        expected = before["missing"] / before["rows"]
        for rule, count, normal, value in (
            ("missing", live.missing[place], expected, now["missing"] - expected),
            # Of as many new rows as it learned from, two a column are expected to be beyond its least or greatest one.
            ("out_of_range", live.unseen[place], 2 / (before["rows"] + 1), now["unseen"]),
        ):
            p_value = float(stats.binomtest(int(count), live.rows, min(normal, 1.0), alternative="greater").pvalue)
            findings.append(_judge(rule, name, value, getattr(rules, rule), p_value * len(described), rules.alpha))
    return findings


def _judge_performance(now: Mapping[str, Any] | None, before: Mapping[str, Any], rules: Monitoring) -> list[Finding]:
    """Judge the mean absolute error against the baseline's, by Welch's test."""
    if now is None or now["rows"] < rules.min_rows:
        return []
    test = stats.ttest_ind_from_stats(
        *(now["mae"], now["absolute_error_std"], now["rows"]),
        *(before["mae"], before["absolute_error_std"], before["rows"]),
        equal_var=False,
        alternative="greater",
    )
    increase = now["mae"] / before["mae"] - 1 if before["mae"] else float(now["mae"] > 0)
    return [_judge("mae_increase", "labels", increase, rules.mae_increase, float(test.pvalue), rules.alpha)]


def _judge(rule: str, subject: str, value: float, limits: Limits, p_value: float, alpha: float) -> Finding:
    verdict: Verdict = OK
    if p_value < alpha and value >= limits.warn:
        verdict = DRIFT if value >= limits.drift else WARN
    return Finding(rule, subject, float(value), limits, verdict, min(p_value, 1.0))


def summarise_window(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a window once a newer one follows it."""
    performance, domain = found["performance"], found["domain"]
    return {
        "rows": found["rows"],
        "verdict": found["verdict"],
        "findings": found["findings"],
        "psi": {name: spread["psi"] for name, spread in found["features"].items()},
        "prediction_psi": found["prediction"]["psi"] if found["prediction"] else None,
        "domain_auc": domain["auc"] if domain else None,
        "mae": performance["mae"] if performance else None,
    }
