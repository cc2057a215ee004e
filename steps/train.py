"""Train: cross-validate the candidates on the training rows and log each of them, fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from recipeline.artifacts import LEADERBOARD, OUT_OF_FOLD, TRAIN
from recipeline.cli.command import step_command
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun
    from recipeline.training.cross_validation import Result

#: How often the rows are drawn again to see how sure the order of the candidates is.
RESAMPLINGS = 1000


def inputs(session: Session, model: str) -> dict[str, Any]:
    """Return the settings that decide what is fitted: of the candidates, those asked for."""
    recipe = session.recipe
    return recipe.part(["task", "target", "random_state", "cv"], candidates=recipe.select(model))


def check(session: Session, model: str) -> None:
    """Build the candidates: an import path, a parameter, a value or a type that cannot be is found before anything runs."""
    from recipeline.training.candidates import build_candidate, components_of
    from recipeline.training.trial import check_types
    from recipeline.training.weights import check_weights

    recipe = session.recipe
    names = recipe.select(model)
    built = {name: build_candidate(recipe, name) for name in (*names, *components_of(recipe, names))}
    for name in components_of(recipe, names):
        check_weights(recipe, name, built[name])
        check_types(recipe, name, built[name], session.reader.trusted)


def work(session: Session, run: StepRun, model: str) -> str:
    """Compare the candidates; log each one, as soon as it is complete, in a run of its own."""
    import numpy as np

    from recipeline.data.relations import relate_rows, weigh_rows
    from recipeline.evaluation.ranking import gains_with_best, join_out_of_fold, resample_best, tabulate_results
    from recipeline.registry.tries import look_of, record_looks
    from recipeline.tracking.candidate_runs import log_candidate
    from recipeline.training.cross_validation import compare_candidates, count_fits, rank

    recipe, train = session.recipe, run.load(TRAIN)
    names = recipe.select(model)
    total = count_fits(recipe, names)
    results: list[Result] = []
    runs: dict[str, dict[str, str]] = {}
    fits = compare_candidates(recipe, names, train, run.parent_tag("split_method"), session.workers)
    for done, (fitted, complete) in enumerate(fits, start=1):
        session.reporter.advance(fitted, done, total)
        for result in complete:
            runs[result.name] = log_candidate(run, result, recipe, train, root=session.root)
            results.append(result)
            if result.cut_searches:
                session.reporter.say(
                    f"warning: {result.name}: its time was over in {result.cut_searches} searches before all draws were tried; "
                    "on another machine the result may differ. Raise seconds, or lower iterations, in its search."
                )

    ranked = rank(results)
    looks = {look_of(session.recipe_digest(result.name)): result.settings_tried for result in ranked}
    record_looks(session.registry, looks, session.changed_by(run))
    run.client.set_tag(runs[ranked[0].name]["run_id"], "best_model", "true")
    target, related, weights = train[recipe.target].to_numpy(dtype=float), relate_rows(train, recipe), weigh_rows(train, recipe)
    if early := int(np.isnan(ranked[0].out_of_fold).sum()):
        session.reporter.say(
            f"note: the {early} earliest rows are learned from only: no fold predicts them from what was before"
        )
    shares = resample_best(
        ranked, target, related.evidence()[0].pieces, draws=RESAMPLINGS, seed=recipe.random_state, weights=weights
    )
    board = tabulate_results(ranked, runs, shares, gains_with_best(ranked, target, weights))
    run.save(LEADERBOARD, board)
    run.save(OUT_OF_FOLD, join_out_of_fold(train, recipe.target, ranked))
    run.tag(best_model=ranked[0].name)
    run.show(
        params={"candidates": ", ".join(names), "best_candidate": ranked[0].name},
        metrics={"best.cv_mean_score": ranked[0].cv_mean_score, "best.cv_std": ranked[0].cv_std},
    )
    return board[["candidate", "cv_mean_score", "cv_std", "fit_seconds"]].to_string(index=False, float_format="{:.4f}".format)


STEP = Step(
    "train", work, inputs, params=("model",), check=check, uses_workers=True, reads=(TRAIN,), writes=(LEADERBOARD, OUT_OF_FOLD)
)


@step_command(STEP)
@click.option(
    "--model",
    default="",
    show_default="all",
    help="The candidates to train: all, or names or aliases of the recipe, comma separated.",
)
def train() -> None:
    """Cross-validate the candidates on the training rows and log each of them, fitted.

    \b
    Reads:  train.parquet
    Writes: leaderboard.csv, out_of_fold.parquet, and per candidate a nested run with its logged model
    Example: python -m steps.train --model rf,lr
    """


if __name__ == "__main__":
    train()
