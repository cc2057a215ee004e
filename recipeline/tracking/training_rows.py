"""The training rows of a run of train: chosen, saved and logged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from recipeline.artifacts import FITTED, TRAIN
from recipeline.config.recipe import Recipe
from recipeline.tracking.datasets import TRAINING, log_rows
from recipeline.tracking.fitted_rows import fitted_tags
from recipeline.tracking.runs import StepRun
from recipeline.training.fitted_rows import limit_rows
from recipeline.training.scaling import check_scaling


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
    """Log what `choose_fitted` returned as dataset input of the run and its candidates."""
    log_rows(run, FITTED if saved else TRAIN, recipe, TRAINING, candidate_runs, saved=saved)
