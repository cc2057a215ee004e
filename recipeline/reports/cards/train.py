"""The card of train: comparison of candidates, and the best one's predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from recipeline.artifacts import LEADERBOARD, OUT_OF_FOLD
from recipeline.config.recipe import Recipe
from recipeline.config.settings import flatten
from recipeline.metrics.catalogue import skill_of
from recipeline.reports.blocks import Card, Flow, Note, Plot, Results, Section, Table
from recipeline.reports.plots.model import plot_leaderboard, plot_shares
from recipeline.reports.tasks.base import Task
from recipeline.reports.tasks.every import TASKS


def make_card(results: Results) -> Card:
    """Return the card of a run of train."""
    board, recipe = results.load(LEADERBOARD), results.recipe
    best, task, metric = board.iloc[0], TASKS[recipe.task], recipe.ranked_by
    verdict = (
        f"{best.candidate} is the best of {len(board)} candidates: {metric.label} {best.cv_mean_score:.4f} on average over "
        f"{len(_folds(board))} folds, standard deviation {best.cv_std:.4f}."
        if len(board) > 1
        else f"{best.candidate}: {metric.label} {best.cv_mean_score:.4f} on average over {len(_folds(board))} folds."
    )
    if rows := results.tag("fitted_rows"):
        available = int(results.tag("available_rows"))
        verdict += f" Fitted on {int(rows):,} of {available:,} training rows (engine.max_train_rows)."
    sections = [Section("Leaderboard", [_leaderboard(board, recipe, task)])]
    if len(board) > 1:
        sections.append(Section("Certainty of the ranking", [_resampled(board, recipe, task)]))
    sections += [
        task.show_out_of_fold(str(best.candidate), results.load(OUT_OF_FOLD), recipe),
        Section("Parts of the best candidate", [Flow(stages(recipe, str(best.candidate)))]),
        Section("Parameters", [_parameters(recipe, board)]),
    ]
    return Card("train: the candidates", verdict, sections, tone="good")


def _folds(board: pd.DataFrame) -> list[str]:
    return [str(name) for name in board if str(name).startswith("fold_")]


def _leaderboard(board: pd.DataFrame, recipe: Recipe, task: Task) -> Plot:
    folds, skill, metric = _folds(board), skill_of(recipe.task), recipe.ranked_by
    label = task.explain(skill) if metric == skill else metric.label
    names = [str(name) for name in board["candidate"]]
    kept = ["candidate", "cv_mean_score", "cv_std", *folds, "gain_with_best", "fit_seconds", "predict_seconds"]
    titles = {
        "cv_mean_score": f"mean {metric.title}",
        "cv_std": "std",
        "gain_with_best": f"{skill.title} gain of its mean with the best",
        "fit_seconds": "fit, s",
        "predict_seconds": "predict all rows, s",
    }
    return Plot(
        "leaderboard",
        f"{metric.label} of each candidate: a bar from the worst to the best fold, a dot for the mean, which decides.",
        lambda: plot_leaderboard(
            names,
            board["cv_mean_score"].tolist(),
            board[folds].to_numpy(dtype=float),
            label=label if metric.greater_is_better else f"{label} (lower is better)",
            title=name_leader(names, board["cv_mean_score"].tolist(), metric.label),
        ),
        Table(
            [titles.get(name, name.replace("_", " ")) for name in kept], board[kept].astype(object).values.tolist(), marked=0
        ),
    )


def name_leader(names: Sequence[str], mean: Sequence[float], label: str) -> str:
    """Return the question of a leaderboard with its answer; the first one leads."""
    found = f"Which candidate is the best? {names[0]}, with a mean {label} of {mean[0]:.4f}"
    return found if len(names) == 1 else f"{found}; {names[1]} has {mean[1]:.4f}"


def _resampled(board: pd.DataFrame, recipe: Recipe, task: Task) -> Plot:
    metric = recipe.ranked_by
    is_skill = metric == skill_of(recipe.task)
    what = f"the smallest out-of-fold {task.loss}" if is_skill else f"the best out-of-fold {metric.label}"
    names, shares = [str(name) for name in board["candidate"]], board["best_share"].tolist()
    return Plot(
        "best_share",
        f"How often each candidate has {what} in bootstrap samples of distinct rows. "
        "Models are not refitted, so that the certainty is overestimated.",
        lambda: plot_shares(
            names, shares, f"How certain is the choice? {names[0]} is the best in {shares[0]:.0%} of resamplings"
        ),
        Table(["candidate", "share of resamplings"], [list(pair) for pair in zip(names, shares, strict=True)]),
    )


def stages(recipe: Recipe, name: str) -> list[list[str]]:
    """Return the stages of a candidate: preprocessing and estimator.

    Members of a mean are parallel parts of one stage.
    """
    candidate = recipe.candidates[name]
    if candidate.members:
        parts = [" → ".join(stage[0] for stage in stages(recipe, member)[1:]) for member in candidate.members]
        return [["columns"], [f"{member}: {part}" for member, part in zip(candidate.members, parts, strict=True)], ["mean"]]
    steps = [step.estimator for step in candidate.preprocess.components] + [candidate.estimator]
    return [["columns"], *([path.rpartition(".")[2]] for path in steps if path)]


def _parameters(recipe: Recipe, board: pd.DataFrame) -> Table | Note:
    rows = []
    for name, found in zip(map(str, board["candidate"]), board["found"], strict=True):
        for key, value in flatten(recipe.part([], candidates=[name])["candidates"][name]).items():
            rows.append([name, key.removeprefix("params."), value.strip('"')])
        rows += [[name, key, f"{value}, found by the search"] for key, value in json.loads(found).items()]
    return Table(
        ["candidate", "parameter", "value"],
        rows,
        "Parameters of the recipe and of the search, without the seed; all others are scikit-learn's defaults",
    )
