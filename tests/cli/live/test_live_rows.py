from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from recipeline.cli.live.live_rows import LiveData, open_live
from recipeline.errors import DataError, UnavailableError
from recipeline.tracking.connection.store import Store
from tests.sessions import lines_of, open_toys


def live(found: pd.DataFrame, **known: Any) -> LiveData:
    rows = SimpleNamespace(labelled=lambda target: found[found[target].notna()], **known)
    return LiveData(SimpleNamespace(version="1"), (), rows, None, "live.csv", "y")


def test_rows_are_labelled_where_their_target_is_known(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    found = pd.DataFrame({"a": [1.0, 2.0], "y": [3.0, math.nan]})
    assert live(found).labelled(session).to_numpy().tolist() == [[1, 3]]
    assert lines_of(session) == []
    assert len(live(found, unnamed=2).labelled(session)) == 1
    assert lines_of(session)[0].startswith("warning: 2 labelled rows of categories that the model does not know are left out")


def test_rows_without_a_label_cannot_be_learned_from(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No labelled rows to retrain on"):
        live(pd.DataFrame({"a": [1.0], "y": [math.nan]})).labelled(open_toys(store, tmp_path))


def test_without_a_model_in_production_nothing_is_read(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    with (
        pytest.raises(UnavailableError, match="in Production to monitor"),
        session.open_run("monitor") as run,
        open_live(session, run, "no such file.csv", "", now=0.0, retrains=False),
    ):
        pass
