"""Train: cross-validate the candidates on the training rows and log each of them, fitted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from recipeline.artifacts import LEADERBOARD, OUT_OF_FOLD, TRAIN
from recipeline.cli.command import step_command
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    import pandas as pd

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

    recipe = session.recipe
    names = recipe.select(model)
    built = {name: build_candidate(recipe, name) for name in (*names, *components_of(recipe, names))}
    for name in components_of(recipe, names):
        check_types(recipe, name, built[name], session.reader.trusted)


def work(session: Session, run: StepRun, model: str) -> str:
    """Compare the candidates; log each one, as soon as it is complete, in a run of its own."""
    from recipeline.data.splits import group_rows
    from recipeline.evaluation.ranking import gains_with_best, resample_best
    from recipeline.registry.tries import look_of, record_looks
    from recipeline.training.cross_validation import compare_candidates, count_fits, rank

    recipe = session.recipe
    names = recipe.select(model)
    train = run.load(TRAIN)
    method = run.parent_tag("split_method")
    total = count_fits(recipe, names)
    results: list[Result] = []
    children: dict[str, dict[str, str]] = {}
    fits = compare_candidates(recipe, names, train, method, session.workers)
    for done, (fitted, complete) in enumerate(fits, start=1):
        session.reporter.advance(fitted, done, total)
        for result in complete:
            children[result.name] = _log_candidate(session, run, result, train)
            results.append(result)
            if result.cut_searches:
                session.reporter.say(
                    f"warning: {result.name}: its time was over in {result.cut_searches} searches before all draws were tried; "
                    "on another machine the result may differ. Raise seconds, or lower iterations, in its search."
                )
    ranked = rank(results)
    looks = {look_of(session.recipe_digest(result.name)): result.settings_tried for result in ranked}
    record_looks(session.registry, looks, session.changed_by(run))
    run.client.set_tag(children[ranked[0].name]["run_id"], "best_model", "true")
    target, groups = train[recipe.target].to_numpy(dtype=float), group_rows(train, recipe)
    shares = resample_best(ranked, target, groups, draws=RESAMPLINGS, seed=recipe.random_state)
    board = _leaderboard(ranked, children).assign(best_share=shares, gain_with_best=gains_with_best(ranked, target))
    run.save(LEADERBOARD, board)
    run.save(OUT_OF_FOLD, _out_of_fold(train, recipe.target, ranked))
    run.tag(best_model=ranked[0].name)
    run.show(
        params={"candidates": ", ".join(names), "best_candidate": ranked[0].name},
        metrics={"best.cv_mean_score": ranked[0].cv_mean_score, "best.cv_std": ranked[0].cv_std},
    )
    return board[["candidate", "cv_mean_score", "cv_std", "fit_seconds"]].to_string(index=False, float_format="{:.4f}".format)


def _log_candidate(session: Session, run: StepRun, result: Result, train: pd.DataFrame) -> dict[str, str]:
    """Log a candidate in a run nested in the step's; return the IDs of the run and of the logged model."""
    from mlflow.entities import Metric, Param

    from recipeline.config.settings import flatten
    from recipeline.tracking.models import log_model
    from recipeline.tracking.runs import PARAM_LENGTH, create_child
    from recipeline.tracking.store import now_ms
    from recipeline.training.candidates import packages_of

    recipe, now = session.recipe, now_ms()
    run_id = create_child(run, result.name, {"model_type": result.name})
    spec = flatten(recipe.part([], candidates=[result.name])["candidates"][result.name])
    bare = {key: key.removeprefix("params.") for key in spec}
    params = [
        Param(key if bare[key] in spec else bare[key], value.strip('"')[:PARAM_LENGTH])  # one may be called `estimator`
        for key, value in spec.items()
    ]
    params += [Param(f"found.{key}", str(value)[:PARAM_LENGTH]) for key, value in result.found.items()]
    params += [Param("settings_tried", str(result.settings_tried))] if result.found else []
    metrics = [
        Metric("cv_mean_score", result.cv_mean_score, now, 0),
        Metric("cv_std", result.cv_std, now, 0),
        Metric("fit_seconds", result.fit_seconds, now, 0),
    ]
    metrics += [Metric("cv_fold_score", float(score), now, fold) for fold, score in enumerate(result.fold_scores)]
    run.client.log_batch(run_id, metrics=metrics, params=params)
    features, packages = train[list(recipe.features)], packages_of(recipe, result.name)
    model_id, digests = log_model(
        result.model, run_id, features, packages=packages, root=session.root, trusted=session.reader.trusted
    )
    run.add_model(model_id, digests)
    return {"run_id": run_id, "model_id": model_id}


def _leaderboard(ranked: list[Result], children: dict[str, dict[str, str]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "candidate": r.name,
                "cv_mean_score": r.cv_mean_score,
                "cv_std": r.cv_std,
                **{f"fold_{fold}": score for fold, score in enumerate(r.fold_scores)},
                "found": json.dumps({key: str(value) for key, value in r.found.items()}),
                "settings_tried": r.settings_tried,
                "cut_searches": r.cut_searches,
                "fit_seconds": r.fit_seconds,
                "predict_seconds": r.predict_seconds,
                **children[r.name],
            }
            for r in ranked
        ]
    )


def _out_of_fold(train: pd.DataFrame, target: str, ranked: list[Result]) -> pd.DataFrame:
    """Return the target and each candidate's out-of-fold prediction, by the row's index in the data set."""
    import pandas as pd

    return pd.DataFrame({"target": train[target], **{f"predicted {r.name}": r.out_of_fold for r in ranked}})


STEP = Step("train", work, inputs, params=("model",), check=check, uses_workers=True)


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
