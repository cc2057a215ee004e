"""Whether rows are still like those that a model learned from, and whether it still errs as little as it did.

A difference counts where it is both significant, corrected for the number of tests, and large: of a million rows every
difference is significant, and of fifty almost none is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import stats
from sklearn.ensemble import RandomForestClassifier

from pipeline.baseline import PREDICTION, count_bins, describe_errors, describe_values, population_stability
from pipeline.features import Feature
from pipeline.metrics import bootstrap_intervals
from pipeline.recipe import Limits, Monitoring, Recipe
from pipeline.row_checks import is_unseen

Verdict = Literal["ok", "warn", "drift", "too small"]
OK: Verdict = "ok"
WARN: Verdict = "warn"
DRIFT: Verdict = "drift"
TOO_SMALL: Verdict = "too small"
#: How bad a verdict is; of too few rows nothing is said.
SEVERITY: dict[str, int] = {OK: 0, WARN: 1, DRIFT: 2}
#: Tests that need rows and not only shares are made on so many, drawn uniformly from all; the classifier on so many a side.
MOST_ROWS, MOST_OF_A_SIDE = 10_000, 2_000
#: From this share on, rows that the model learned from are mentioned.
_MENTIONED = 0.01


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


@dataclass
class Live:
    """Later rows, taken piece by piece in bounded memory: all are counted, and some of them kept.

    The kept ones are a uniform draw of at most `most` rows, the same for the same rows in the same pieces and the same `seed`.
    """

    features: Sequence[Feature]
    baseline: Mapping[str, Any]
    seed: int
    most: int = MOST_ROWS
    rows: int = 0
    counts: list[np.ndarray] = field(default_factory=list)
    missing: np.ndarray = field(default_factory=lambda: np.zeros(0))
    unseen: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self._edges = [np.array(self.baseline["features"][feature.name]["edges"]) for feature in self.features]
        self.counts = [np.zeros(len(edges) + 1, dtype=np.int64) for edges in self._edges]
        self.missing, self.unseen = (np.zeros(len(self.features), dtype=np.int64) for _ in range(2))
        self._random = np.random.default_rng(self.seed)
        self._keys, self._kept = np.zeros(0), np.zeros((0, len(self.features) + 2))

    def add(self, values: np.ndarray, predicted: np.ndarray | None = None, target: np.ndarray | None = None) -> None:
        """Take rows of shape (rows, features), NaN where a value is missing or no number.

        `predicted` and `target`, of shape (rows,), are NaN or None where they are not known.
        """
        self.rows += len(values)
        for place, (feature, edges, column) in enumerate(zip(self.features, self._edges, values.T, strict=True)):
            known = ~np.isnan(column)
            self.counts[place] += count_bins(column[known], edges)
            self.missing[place] += len(column) - int(known.sum())
            self.unseen[place] += int(np.count_nonzero(is_unseen(feature, column)))
        nothing = np.full(len(values), np.nan)
        rows = np.column_stack([values, nothing if predicted is None else predicted, nothing if target is None else target])
        keys = self._random.random(len(rows))
        if len(self._keys) == self.most:  # only what is drawn before the last of those kept can take its place
            chosen = keys < np.max(self._keys)
            keys, rows = keys[chosen], rows[chosen]
        keys, rows = np.concatenate([self._keys, keys]), np.concatenate([self._kept, rows])
        if len(keys) > self.most:
            chosen = np.sort(np.argpartition(keys, self.most)[: self.most])
            keys, rows = keys[chosen], rows[chosen]
        self._keys, self._kept = keys, rows

    @property
    def kept(self) -> np.ndarray:
        """The features of the rows kept, of shape (rows, features)."""
        return self._kept[:, :-2]

    @property
    def predicted(self) -> np.ndarray:
        """What was predicted of the rows kept, NaN where that is not known."""
        return self._kept[:, -2]

    @property
    def target(self) -> np.ndarray:
        """The target of the rows kept, NaN where it is not known."""
        return self._kept[:, -1]

    def predict_missing(self, predict: Callable[[np.ndarray], np.ndarray]) -> None:
        """Predict the rows kept whose prediction is not known, where they can be: nothing is missing that must not be."""
        may_lack = np.array([feature.nullable for feature in self.features])
        complete = (np.isfinite(self.kept) | (np.isnan(self.kept) & may_lack)).all(axis=1)
        unknown = np.isnan(self.predicted) & complete
        if unknown.any():
            self._kept[unknown, -2] = predict(self.kept[unknown])


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


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst of the verdicts; ok where there is none."""
    return max(verdicts, key=lambda verdict: SEVERITY.get(verdict, 0), default=OK)


# --- how different ---------------------------------------------------------------------------------------------------


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


# --- whether that is too different -----------------------------------------------------------------------------------


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


# --- in words --------------------------------------------------------------------------------------------------------

_MEASURES = {
    "psi": "PSI {value:.3f}",
    "wasserstein": "Wasserstein distance {value:.3f} standard deviations",
    "domain_auc": "told from the training rows with an AUC of {value:.3f}",
    "missing": "{value:.1%} more missing than in training",
    "out_of_range": "{value:.1%} beyond the training rows' range",
    "mae_increase": "MAE {value:.1%} higher than out of fold",
}


def describe_finding(finding: Mapping[str, Any]) -> str:
    """Return a finding, as `Finding.as_dict` gives it, in a line."""
    rule, subject, limits = finding["rule"], finding["subject"], finding["limits"]
    if rule == "columns":
        return (
            f"  {finding['verdict']}: {subject}: {'the column is missing' if finding['verdict'] == DRIFT else 'a new column'}"
        )
    measure = _MEASURES[rule].format(value=finding["value"])
    return f"  {finding['verdict']}: {subject}: {measure} (warn {limits['warn']:g}, drift {limits['drift']:g})"


def explain_drift(report: Mapping[str, Any]) -> str:
    """Return in a sentence what a report, as monitoring saves it, says of its newest window."""
    newest = report["newest"]
    whose = "rows that version {version} learned from".format(**report["model"])
    number = f"{newest['rows']:,} rows"
    if newest["verdict"] == TOO_SMALL:
        return f"{number} are too few to say anything."
    subjects = list(dict.fromkeys(it["subject"] for it in newest["findings"] if it["verdict"] == newest["verdict"]))
    if newest["verdict"] == OK:
        return f"{number} are like the {whose}."
    return f"{number} differ from the {whose}: {', '.join(subjects)}."


def explain_known(newest: Mapping[str, Any]) -> str:
    """Return what follows from rows that the model learned from, in a sentence; empty where hardly one is."""
    if newest["known_share"] < _MENTIONED:
        return ""
    known = f"{newest['known_share']:.1%} of the rows are among those that it learned from"
    return f"{known}: what it predicts of them is not compared."
