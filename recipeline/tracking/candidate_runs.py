"""A candidate in a run of its own, nested in that of the train step."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
from mlflow.entities import Metric, Param

from recipeline.config.recipe import Recipe
from recipeline.config.settings import flatten
from recipeline.tracking._compat import end_run
from recipeline.tracking.connection.store import now_ms
from recipeline.tracking.models import log_model
from recipeline.tracking.runs import PARAM_LENGTH, StepRun, create_child, fail_run
from recipeline.training.candidates import packages_of
from recipeline.training.cross_validation import Result


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
