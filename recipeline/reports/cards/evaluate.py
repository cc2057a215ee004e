"""The card of evaluate: test metrics, gates and diagnosis of the best candidate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recipeline.artifacts import DIAGNOSIS, LEADERBOARD, METRICS, TEST_PREDICTIONS, VERDICT
from recipeline.evaluation.gates import VALIDATED, failures
from recipeline.evaluation.results import Best, Diagnosis, Metrics, Verdict
from recipeline.metrics.catalogue import MAIN, REFERENCE_METRICS, find_metric, metrics_of, score_keys, score_titles, skill_of
from recipeline.reports.blocks import Block, Card, Cell, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.cards.train import label_of, summarise_pairs
from recipeline.reports.limits import explain_points, select_strongest
from recipeline.reports.plots.model import (
    plot_calibration,
    plot_grades,
    plot_importance,
    plot_intervals,
    plot_leaderboard,
    plot_predicted,
    plot_residuals,
    plot_slices,
)

# More bars than this are not read.
_MOST_GRADES = 20


def make_card(results: Results) -> Card:
    """Return the card of a run of evaluate."""
    metrics, verdict, diagnosis = results.load(METRICS), results.load(VERDICT), results.load(DIAGNOSIS)
    best, label = metrics.best, label_of(results.recipe)
    rows = results.load(TEST_PREDICTIONS)
    passed = verdict.verdict == VALIDATED
    skill = skill_of(metrics.task)
    sentence = (
        f"{best.candidate} is {verdict.verdict}: {skill.label} {metrics.scores[skill.name]:.4f} "
        f"on {metrics.test_rows:,} test rows."
    )
    sections = [
        Section("Gates", [_gates(verdict)]),
        Section("Test metrics", [_scores(metrics), _facts(metrics)]),
        Section("All candidates on the test rows", [_candidates(metrics, results.load(LEADERBOARD))]),
        *_leaks(metrics),
        Section("Predicted against true", [_predicted(rows, best.candidate, label)]),
        Section("Residuals", [_residuals(rows, best.candidate, label)]),
        Section("Calibration", [_calibration(diagnosis, label), *_grades(best, label)]),
        Section("Errors by slice", [_slices(diagnosis, label), _worst(diagnosis, results.recipe.target)]),
        Section("Feature importance", [_importance(diagnosis)]),
        Section("Prediction interval", _interval(best, diagnosis)),
    ]
    notes = [Note(line, "bad") for line in failures(verdict)]
    return Card(
        "evaluate: the best candidate on the test rows", sentence, sections, tone="good" if passed else "bad", notes=notes
    )


def _gates(verdict: Verdict) -> Table:
    return Table(
        ["criterion", "measured", "must be", "threshold", "passed"],
        [[c.criterion, c.value, c.rule, float(c.threshold), bool(c.passed)] for c in verdict.criteria],
        "The gates of the recipe",
    )


def _scores(metrics: Metrics) -> Plot:
    names, intervals = metrics.labels, metrics.best.interval_95
    values = [metrics.scores[name] for name in names]
    low, high = ([intervals[name][end] for name in names] for end in (0, 1))
    return Plot(
        "scores",
        "Metrics of the test rows, with 95 % bootstrap intervals over distinct rows.",
        lambda: plot_intervals(list(names.values()), values, low, high),
        Table(["metric", "value", "from", "to"], [list(row) for row in zip(names.values(), values, low, high, strict=True)]),
    )


def _facts(metrics: Metrics) -> Facts:
    best, reference = metrics.best, find_metric(metrics.task, REFERENCE_METRICS[metrics.task])
    return Facts(
        {
            **{it.label: metrics.scores[it.name] for it in metrics_of(metrics.task)[:MAIN]},
            f"{reference.label} of the mean predictor": metrics.mean_predictor[reference.name],
            **{f"Share within {tolerance}": share for tolerance, share in best.accuracy_within.items()},
            **({"Quadratic kappa of the rounded grade": best.grades.quadratic_kappa} if best.grades else {}),
        }
    )


def _candidates(metrics: Metrics, board: pd.DataFrame) -> Plot:
    names = [str(name) for name in board["candidate"]]
    folds = [name for name in board if str(name).startswith("fold_")]
    scores, quoted = metrics.candidates, metrics.random_split_r2
    skill, keys = skill_of(metrics.task), [*score_keys(metrics.task), *(it.name for it in metrics.more)]
    titles = [*score_titles(metrics.task, metrics.cv_title), *(f"test {it.label}" for it in metrics.more)]
    columns = ["candidate", *titles, *([f"{skill.title}, random split"] if quoted else [])]
    ranked_by = metrics.ranked_by or skill.name
    rows: list[list[Cell]] = [
        [name, *(scores[name][key] for key in keys), *([quoted[name]] if quoted else [])] for name in names
    ]
    return Plot(
        "candidates",
        f"{metrics.cv_label} of each candidate over the folds, which selects the best one, and on the test rows.",
        lambda: plot_leaderboard(
            names,
            board["cv_mean_score"].tolist(),
            board[folds].to_numpy(dtype=float),
            [scores[name][ranked_by] for name in names],
        ),
        Table(columns, rows, marked=0),
    )


def _leaks(metrics: Metrics) -> list[Section]:
    leaks = metrics.leaks
    if not leaks:
        return []
    skill = skill_of(metrics.task)
    rows = [
        [name, leaks.r2_with_twin[name], scores[skill.name], leaks.r2_without_twin[name]]
        for name, scores in metrics.candidates.items()
    ]
    what = skill.title
    note = Note(f"{leaks.leaked_rows:,} test rows have a twin in training: use the {what} without them.", "warning")
    table = Table(["candidate", f"{what} with a twin", f"{what}, all", f"{what} without"], rows)
    return [Section("Effect of twins", [note, table])]


def _predicted(rows: pd.DataFrame, name: str, label: str) -> Plot:
    true, predicted = rows["target"].to_numpy(dtype=float), rows[f"predicted {name}"].to_numpy(dtype=float)
    return Plot(
        "predicted_vs_true",
        f"{name}: predictions of the test rows; the dashed line is a perfect prediction.{explain_points(len(true))}",
        lambda: plot_predicted(true, predicted, label),
        summarise_pairs(true, predicted),
    )


def _residuals(rows: pd.DataFrame, name: str, label: str) -> Plot:
    true, predicted = rows["target"].to_numpy(dtype=float), rows[f"predicted {name}"].to_numpy(dtype=float)
    levels = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
    quantiles = np.quantile(true - predicted, levels)
    return Plot(
        "residuals",
        f"{name}: residuals (true minus predicted) against the prediction, with their distribution on the right."
        f"{explain_points(len(true))}",
        lambda: plot_residuals(true, predicted, label),
        Table(["quantile of the residuals", "value"], [[q, float(value)] for q, value in zip(levels, quantiles, strict=True)]),
    )


def _calibration(diagnosis: Diagnosis, label: str) -> Plot:
    bins = diagnosis.by_predicted
    said, true = [entry.mean_predicted for entry in bins], [entry.mean_true for entry in bins]
    return Plot(
        "calibration",
        "Calibration: the mean true value of rows with similar predictions.",
        lambda: plot_calibration(said, true, label),
        Table(
            ["predicted from", "to", "rows", "mean predicted", "mean true", "mean absolute error"],
            [[it.from_, it.to, it.rows, it.mean_predicted, it.mean_true, it.error] for it in bins],
        ),
    )


def _grades(best: Best, label: str) -> list[Block]:
    if best.grades is None or len(best.grades.per_grade) > _MOST_GRADES:
        return []
    grades = best.grades.per_grade
    whole, counts = [it.grade for it in grades], [it.rows for it in grades]
    errors, biases = [it.mae for it in grades], [it.bias for it in grades]
    return [
        Plot(
            "errors_per_grade",
            "Error and bias of each true grade.",
            lambda: plot_grades(whole, errors, biases, counts, label),
            Table(
                ["grade", "test rows", "mean absolute error", "bias"],
                [[it.grade, it.rows, it.mae, it.bias] for it in grades],
            ),
        )
    ]


def _slices(diagnosis: Diagnosis, label: str) -> Plot:
    slices = diagnosis.slices
    names = [it.slice for it in slices]
    return Plot(
        "slices",
        "Error of slices of the test rows: the recipe's, and the lowest and highest quarters of the top three columns.",
        lambda: plot_slices(names, [it.error for it in slices], [it.bias or 0.0 for it in slices], label),
        Table(["slice", "rows", "mean absolute error", "bias"], [[it.slice, it.rows, it.error, it.bias] for it in slices]),
    )


def _strongest(diagnosis: Diagnosis, features: list[str]) -> tuple[list[str], str]:
    """Return the most important features that are shown, and a sentence on the rest."""
    strength = {entry.feature: entry.mean for entry in diagnosis.importance}
    return select_strongest(features, [strength[name] for name in features])


def _worst(diagnosis: Diagnosis, target: str) -> Table:
    worst = diagnosis.worst_rows
    features, which = _strongest(diagnosis, [name for name in worst[0].values if name != target])
    names = [target, *features]
    rows = [[row.row, row.predicted, *(row.values[name] for name in names)] for row in worst]
    return Table(["row", "predicted", *names], rows, f"The test rows with the largest errors (row 0 is the first){which}")


def _importance(diagnosis: Diagnosis) -> Plot:
    found, which = select_strongest(diagnosis.importance, [entry.mean for entry in diagnosis.importance])
    names, mean, std = [it.feature for it in found], [it.mean for it in found], [it.std for it in found]
    return Plot(
        "importance",
        f"Drop of R2 when a column is shuffled (permutation importance). Correlated columns share their importance.{which}",
        lambda: plot_importance(names, mean, std),
        Table(["column", "drop of R2", "std over shuffles"], [list(row) for row in zip(names, mean, std, strict=True)]),
    )


def _interval(best: Best, diagnosis: Diagnosis) -> list[Block]:
    inside = best.interval_90
    facts = Facts(
        {
            "Nominal level": inside.level,
            "Share of test rows inside": inside.coverage,
            "Mean width": inside.mean_width,
            "Test rows": inside.rows,
        }
    )
    table = Table(
        ["predicted from", "to", "rows", "share inside"],
        [[it.from_, it.to, it.rows, it.interval_coverage] for it in diagnosis.by_predicted],
        "Coverage by range of predictions; the nominal level holds on average only",
    )
    features, which = _strongest(diagnosis, list(dict.fromkeys(it.feature for it in diagnosis.coverage)))
    by_feature = Table(
        ["column", "from", "to", "rows", "share inside"],
        [
            [entry.feature, entry.from_, entry.to, entry.rows, entry.coverage]
            for entry in diagnosis.coverage
            if entry.feature in features
        ],
        f"Coverage by range of each column, in fifths of its values.{which}",
    )
    return [facts, table, by_feature]
