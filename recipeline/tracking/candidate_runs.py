"""The candidates of a run of train: the rows that they learn from, and their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from mlflow.entities import Metric, Param

from recipeline.artifacts import FITTED, TRAIN
from recipeline.config.recipe import Recipe
from recipeline.config.settings import flatten
from recipeline.tracking._compat import end_run
from recipeline.tracking.connection.store import now_ms
from recipeline.tracking.datasets import TRAINING, log_rows
from recipeline.tracking.lineage import fitted_tags
from recipeline.tracking.models import log_model
from recipeline.tracking.runs import PARAM_LENGTH, StepRun, create_child, fail_run
from recipeline.training.candidates import packages_of
from recipeline.training.cross_validation import Result
from recipeline.training.fitted_rows import limit_rows
from recipeline.training.scaling import check_scaling


def log_candidate(run: StepRun, result: Result, recipe: Recipe, train: pd.DataFrame, *, root: Path) -> dict[str, str]:
    """Log a candidate's parameters, scores and model; return run and model ID.

    The run is nested in the step's. `train` are the rows that the model was fitted to; `root` is the project's folder, whose
    code is logged with the model.
    """
    tags = {"model_type": result.name, **({"cv_metric": result.metric.name} if recipe.primary_metric else {})}
    spec = flatten(recipe.part([], candidates=[result.name])["candidates"][result.name])
    bare = {key: key.removeprefix("params.") for key in spec}
    params = [
        Param(key if bare[key] in spec else bare[key], value.strip('"')[:PARAM_LENGTH])  # one may be called `estimator`
        for key, value in spec.items()
    ]
    params += [Param(f"found.{key}", str(value)[:PARAM_LENGTH]) for key, value in result.found.items()]
    params += [Param("settings_tried", str(result.settings_tried))] if result.found else []
    features, packages = train[list(recipe.features)], packages_of(recipe, result.name)
    run_id = create_child(run, result.name, tags)
    try:
        model_id, digests = log_model(
            result.model,
            run_id,
            features,
            packages=packages,
            root=root,
            trusted=run.reader.trusted,
            params={param.key: param.value for param in params},
            experiment_id=run.experiment_id,
            reader=run.reader,
        )
        metric = partial(Metric, timestamp=now_ms(), model_id=model_id, run_id=run_id)
        metrics = [
            metric("cv_mean_score", result.cv_mean_score, step=0),
            metric("cv_std", result.cv_std, step=0),
            metric("fit_seconds", result.fit_seconds, step=0),
            *(metric("cv_fold_score", float(score), step=fold) for fold, score in enumerate(result.fold_scores)),
        ]
        run.client.log_batch(run_id, metrics=metrics, params=params)
        end_run(run.client, run_id, "FINISHED")
    except BaseException as error:
        fail_run(run.client, run_id, error)
        raise
    run.add_model(model_id, digests)
    return {"run_id": run_id, "model_id": model_id}


def choose_fitted(
    run: StepRun, recipe: Recipe, names: Sequence[str], limit: int | None, say: Callable[[str], None]
) -> tuple[pd.DataFrame, str]:
    """Return the rows that the candidates `names` are to be fitted to, and their file.

    The file is given by its sha256; it is empty of all training rows, which are saved already. The run of train and `say` are
    told how many rows they are.

    Raises
    ------
    UsageError : a candidate does not take as many rows.
    DataError : the rows do not suffice.
    """
    train = run.open(TRAIN)
    check_scaling(recipe, names, min(len(train), limit or len(train)))
    rows, fitted = limit_rows(train, recipe, run.parent_tag("split_method"), limit)
    run.tag(**fitted_tags(limit, fitted))
    if limit is not None:
        run.show(params={"max_train_rows": limit})
    if fitted is None:
        return rows, ""
    run.show(metrics={"fitted_rows": fitted.rows, "available_rows": fitted.available})
    say(f"train: fitted on {fitted} training rows (engine.max_train_rows)")
    return rows, run.save(FITTED, rows)


def log_fitted(run: StepRun, recipe: Recipe, candidate_runs: Iterable[str], saved: str) -> None:
    """Log what `choose_fitted` returned as input of the run and its candidates."""
    log_rows(run, FITTED if saved else TRAIN, recipe, TRAINING, candidate_runs, saved=saved)
