from __future__ import annotations

import pandas as pd
import pytest

from recipeline.artifacts import FITTED, TRAIN
from recipeline.data.results import FittedRows
from recipeline.tracking.connection.store import Store
from recipeline.tracking.fitted_rows import find_fitted, fitted_tags, load_fitted
from recipeline.tracking.runs import open_run

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize(
    ("limit", "fitted"), [(None, None), (10, None), (3, FittedRows(2, 4, 3))], ids=["no limit", "room", "limited"]
)
def test_later_steps_read_the_rows_that_train_fitted_to_and_how_many_they_were(
    store: Store, limit: int | None, fitted: FittedRows | None
) -> None:
    experiment = store.experiment("toy")
    with open_run(store.client, "split", experiment, {}) as split:
        split.save(TRAIN, ROWS)
    with open_run(store.client, "train", experiment, {}) as train:
        train.set_lineage({"split": split.id})
        assert find_fitted(train) == (None, None)
        train.tag(**fitted_tags(limit, fitted))
        if fitted:
            train.save(FITTED, ROWS.head(2))
    with open_run(store.client, "evaluate", experiment, {}) as evaluate:
        evaluate.set_lineage({"split": split.id, "train": train.id})
        assert find_fitted(evaluate) == (limit, fitted)
        pd.testing.assert_frame_equal(load_fitted(evaluate), ROWS.head(2) if fitted else ROWS)
