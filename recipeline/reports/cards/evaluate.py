"""The card of evaluate: test metrics, gates and diagnosis of the best candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from recipeline.artifacts import DIAGNOSIS, LEADERBOARD, METRICS, TEST_PREDICTIONS, VERDICT
from recipeline.config.recipe import Recipe
from recipeline.evaluation.gates import VALIDATED, failures
from recipeline.evaluation.results import Diagnosis, Metrics, Verdict, WorstRow
from recipeline.metrics.catalogue import (
    MAIN,
    REFERENCE_METRICS,
    find_metric,
    further_metric,
    metrics_of,
    score_keys,
    score_titles,
    skill_of,
)
from recipeline.reports.blocks import Card, Cell, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.limits import select_strongest
from recipeline.reports.plots.model import Limit, Measured, plot_importance, plot_leaderboard, plot_measured, plot_slices
from recipeline.reports.tasks.base import Evaluated, Task, label_of
from recipeline.reports.tasks.every import TASKS


def make_card(results: Results) -> Card:
    """Return the card of a run of evaluate."""
    metrics, verdict, diagnosis = results.load(METRICS), results.load(VERDICT), results.load(DIAGNOSIS)
    recipe, best, task = results.recipe, metrics.best, TASKS[metrics.task]
    found = Evaluated(recipe, metrics, diagnosis, results.load(TEST_PREDICTIONS))
    passed = verdict.verdict == VALIDATED
    skill = skill_of(metrics.task)
    sentence = (
        f"{best.candidate} is {verdict.verdict}: {skill.label} {metrics.scores[skill.name]:.4f} "
        f"on {metrics.test_rows:,} test rows."
    )
    sections = [
        Section("Gates", [_gates(verdict)]),
        Section("Test metrics", [_scores(metrics, verdict, recipe, task), _facts(metrics, task)]),
        Section("All candidates on the test rows", [_candidates(metrics, results.load(LEADERBOARD), task)]),
        *_leaks(metrics),
        *task.show_predictions(found),
        Section("Errors by slice", [_slices(found, task), _worst(found)]),
        *task.show_groups(found),
        Section("Feature importance", [_importance(diagnosis, skill.label)]),
        *task.show_uncertainty(found),
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


def ask_gates(candidate: str, passed: Sequence[bool]) -> str:
    """Return the question of the gates with its answer; empty without a gate."""
    if len(passed) < 2:
        return f"Does {candidate} pass the gate? {'Yes' if passed[0] else 'No'}" if passed else ""
    failed = passed.count(False)
    answer = f"{failed} of {len(passed)} fail{'s' if failed == 1 else ''}" if failed else f"All {len(passed)} pass"
    return f"Does {candidate} pass the gates? {answer}"


def _scores(metrics: Metrics, verdict: Verdict, recipe: Recipe, task: Task) -> Plot:
    names, intervals = metrics.labels, metrics.best.interval_95
    values = [metrics.scores[name] for name in names]
    low, high = ([intervals.get(name, (math.nan, math.nan))[end] for name in names] for end in (0, 1))
    groups: dict[str, list[Measured]] = {}
    for (name, label), *(value, least, most) in zip(names.items(), values, low, high, strict=True):
        limits = tuple(Limit(it.rule, it.threshold, it.passed) for it in verdict.criteria if it.metric == name)
        groups.setdefault(_axis(metrics.task, name, label, recipe), []).append(Measured(label, value, least, most, limits))
    question = ask_gates(metrics.best.candidate, [it.passed for it in verdict.criteria])
    return Plot(
        "scores",
        f"{task.scores} on the test rows, with 95 % bootstrap intervals over distinct rows.",
        lambda: plot_measured(list(groups.items()), question),
        Table(["metric", "value", "from", "to"], [list(row) for row in zip(names.values(), values, low, high, strict=True)]),
    )


def _axis(task: str, name: str, label: str, recipe: Recipe) -> str:
    """Return the name of the axis that a metric shares with those of its unit."""
    metric = further_metric(task, name)
    if metric is None:  # one of the recipe's own: its unit is not known
        return label
    if metric.has_unit:
        return label_of(recipe)
    return "1 is perfect" if metric.greater_is_better else f"{label} (0 is perfect)"


def _facts(metrics: Metrics, task: Task) -> Facts:
    reference = find_metric(metrics.task, REFERENCE_METRICS[metrics.task])
    return Facts(
        {
            **{it.label: metrics.scores[it.name] for it in metrics_of(metrics.task)[:MAIN]},
            f"{reference.label} of the mean predictor": metrics.mean_predictor[reference.name],
            **task.facts(metrics.best),
        }
    )


def _candidates(metrics: Metrics, board: pd.DataFrame, task: Task) -> Plot:
    names = [str(name) for name in board["candidate"]]
    folds = [name for name in board if str(name).startswith("fold_")]
    scores, quoted = metrics.candidates, metrics.random_split_r2
    skill, keys = skill_of(metrics.task), [*score_keys(metrics.task), *(it.name for it in metrics.more)]
    titles = [*score_titles(metrics.task, metrics.cv_title), *(f"test {it.label}" for it in metrics.more)]
    columns = ["candidate", *titles, *([f"{skill.title}, random split"] if quoted else [])]
    ranked_by = metrics.ranked_by or skill.name
    meaning = task.explain(skill)
    label = metrics.cv_label if metrics.ranked_by else meaning
    rows: list[list[Cell]] = [
        [name, *(scores[name][key] for key in keys), *([quoted[name]] if quoted else [])] for name in names
    ]
    on_test = [scores[name][ranked_by] for name in names]
    return Plot(
        "candidates",
        f"{metrics.cv_label} of each candidate over the folds, which selects the best one, and on the test rows.",
        lambda: plot_leaderboard(
            names,
            board["cv_mean_score"].tolist(),
            board[folds].to_numpy(dtype=float),
            on_test,
            label=label if metrics.is_greatest_best else f"{label} (lower is better)",
            title=_confirm(names, on_test, metrics.is_greatest_best),
        ),
        Table(columns, rows, marked=0),
    )


def _confirm(names: Sequence[str], on_test: Sequence[float], is_greatest_best: bool) -> str:
    """Return whether the test rows confirm the choice of the first candidate."""
    better = sum((value > on_test[0]) if is_greatest_best else (value < on_test[0]) for value in on_test)
    if len(names) == 1:
        return ""
    found = "the best there too" if not better else f"number {better + 1} of {len(names)} there"
    return f"Do the test rows confirm the choice? {names[0]} is {found}"


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


def _slices(found: Evaluated, task: Task) -> Plot:
    slices, label = found.diagnosis.slices, task.error_axis(found.recipe)
    names, intervals = [it.slice for it in slices], [it.interval_95 for it in slices]
    has_bias = any(it.bias is not None for it in slices)
    rows: list[list[Cell]] = [
        [it.slice, it.rows, it.error, *(it.interval_95 or (None, None)), *([it.bias] * has_bias)] for it in slices
    ]
    return Plot(
        "slices",
        "Error of slices of the test rows: the recipe's, and the lowest and highest quarters of the top three columns.",
        lambda: plot_slices(
            names,
            [it.error for it in slices],
            intervals,
            [it.bias for it in slices],
            label,
            titles=(task.row_error, task.bias),
        ),
        Table(["slice", "rows", task.row_error, "95 % from", "to", *(["bias"] * has_bias)], rows),
    )


def _worst(found: Evaluated) -> Table:
    worst, target = found.diagnosis.worst_rows, found.recipe.target
    features, which = found.strongest([name for name in worst[0].values if name != target])
    is_class = worst[0].probability is not None
    rows: list[list[Cell]] = [
        [
            row.row,
            row.predicted,
            *([row.probability, _as_said(row, target)] if is_class else [row.values[target]]),
            *(row.values[name] for name in features),
        ]
        for row in worst
    ]
    said = ["predicted", "probability of the true label"] if is_class else ["predicted"]
    caption = f"The test rows with the largest errors (row 0 is the first){which}"
    return Table(["row", *said, target, *features], rows, caption)


def _as_said(row: WorstRow, target: str) -> Cell:
    """Return a true label in the type of the decided one; it is stored as a number."""
    return type(row.predicted)(row.values[target] or 0)


def _importance(diagnosis: Diagnosis, skill: str) -> Plot:
    found, which = select_strongest(diagnosis.importance, [entry.mean for entry in diagnosis.importance])
    names, mean, std = [it.feature for it in found], [it.mean for it in found], [it.std for it in found]
    return Plot(
        "importance",
        f"Drop of {skill} when a column is shuffled (permutation importance). Correlated columns share their importance."
        f"{which}",
        lambda: plot_importance(names, mean, std, skill),
        Table(["column", f"drop of {skill}", "std over shuffles"], [list(row) for row in zip(names, mean, std, strict=True)]),
    )
