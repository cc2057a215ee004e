"""The rows that the candidates of a lineage were fitted to."""

from __future__ import annotations

import pandas as pd

from recipeline.artifacts import FITTED, TRAIN
from recipeline.data.results import FittedRows
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import RunTags


def load_fitted(run: StepRun) -> pd.DataFrame:
    """Return the rows that candidates were fitted to: all training rows, or some.

    Raises
    ------
    UnavailableError : the file is missing or changed.
    """
    return run.load(FITTED if run.has(FITTED) else TRAIN)


def fitted_tags(limit: int | None, fitted: FittedRows | None) -> dict[str, str | float]:
    """Return the tags of a run of train that say how many rows models were fitted to."""
    of_rows: dict[str, str | float] = {} if fitted is None else {"fitted_rows": fitted.rows, "available_rows": fitted.available}
    return {} if limit is None else {"max_train_rows": limit, **of_rows}


def find_fitted(run: StepRun) -> tuple[int | None, FittedRows | None]:
    """Return the limit of the run of train before `run`, and to how many rows it fitted.

    None: it had no limit, or fitted models to all rows.
    """
    if FITTED.step not in run.lineage:
        return None, None
    tags = run.reader.runs.get(run.lineage[FITTED.step]).data.tags
    names = (RunTags.MAX_TRAIN_ROWS, RunTags.FITTED_ROWS, RunTags.AVAILABLE_ROWS)
    limit, rows, available = (int(tags[name]) if name in tags else None for name in names)
    if limit is None or rows is None or available is None:
        return limit, None
    return limit, FittedRows(rows, available, limit)
