"""Train: cross-validate the candidates and log a fitted model of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipeline.artifacts import FITTED, LEADERBOARD, OUT_OF_FOLD, TRAIN
from recipeline.cli.command import step_command
from recipeline.cli.options import model_option
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun
    from recipeline.training.cross_validation import Result


def inputs(session: Session, model: str) -> dict[str, Any]:
    """Return the settings of the fits, of their rows and of the selected candidates."""
    recipe, names, limited = session.recipe, session.recipe.select(model), session.profile.engine.changes_results()
    return recipe.part(["task", "target", "random_state", "cv", *recipe.decided], candidates=names) | recipe.ranking() | limited


def check(session: Session, model: str) -> None:
    """Build the candidates to find invalid import paths and parameters early."""
    from recipeline.training.trial import check_candidates

    check_candidates(session.recipe, session.recipe.select(model), session.reader.trusted)


def work(session: Session, run: StepRun, model: str) -> str:
    """Compare the candidates; log each one in its own run as soon as it is complete."""
    from recipeline.evaluation.ranking import join_out_of_fold, make_leaderboard
    from recipeline.registry.tries import look_of, record_looks
    from recipeline.tracking.candidate_runs import choose_fitted, log_candidate, log_fitted
    from recipeline.training.cross_validation import compare_candidates, count_fits, rank

    recipe, names, method = session.recipe, session.recipe.select(model), run.parent_tag("split_method")
    train, saved = choose_fitted(run, recipe, names, session.profile.engine.max_train_rows, session.reporter.say)
    results: list[Result] = []
    runs: dict[str, dict[str, str]] = {}
    fits = compare_candidates(recipe, names, train, method, session.workers)
    for done, (name, complete) in enumerate(fits, start=1):
        session.reporter.advance(name, done, count_fits(recipe, names, train))
        for result in complete:
            runs[result.name] = log_candidate(run, result, recipe, train, root=session.root)
            results.append(result)
            if result.warning:
                session.reporter.say(f"warning: {result.warning}")
    best, *_ = ranked = rank(results)
    if best.note:
        session.reporter.say(f"note: {best.note}")
    looks = {look_of(session.recipe_digest(result.name)): result.settings_tried for result in ranked}
    record_looks(session.registry, looks, session.changed_by(run))
    run.client.set_tag(runs[best.name]["run_id"], "best_model", "true")
    board = make_leaderboard(recipe, train, ranked, runs)
    log_fitted(run, recipe, board["run_id"], saved)
    run.save(LEADERBOARD, board)
    run.save(OUT_OF_FOLD, join_out_of_fold(train, recipe.target, ranked))
    run.tag(best_model=best.name)
    scores = {"best.cv_mean_score": best.cv_mean_score, "best.cv_std": best.cv_std}
    run.show(params={"candidates": ", ".join(names), "best_candidate": best.name}, metrics=scores)
    return board[["candidate", "cv_mean_score", "cv_std", "fit_seconds"]].to_string(index=False, float_format="{:.4f}".format)


WRITES = (FITTED, LEADERBOARD, OUT_OF_FOLD)
STEP = Step("train", work, inputs, params=("model",), check=check, uses_workers=True, reads=(TRAIN,), writes=WRITES)


@step_command(STEP)
@model_option
def train() -> None:
    """Cross-validate the candidates on the training rows and log each one, fitted.

    \b
    Reads:  train.parquet
    Writes: leaderboard.csv, out_of_fold.parquet, fitted_rows.parquet (with engine.max_train_rows), and per candidate a
            nested run with its logged model
    Example: python -m steps.train --model rf,lr
    """


if __name__ == "__main__":
    train()
