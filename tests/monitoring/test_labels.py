from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipeline.errors import DataError
from recipeline.inference.model_info import Feature
from recipeline.monitoring.labels import Labels, read_labels
from recipeline.monitoring.live_rows import LiveTables
from recipeline.monitoring.prediction_log import PredictionLog
from tests.monitoring.helpers import FEATURES, entry, log, table


def test_late_labels_join_by_request_and_row(tmp_path: Path) -> None:
    files = log(tmp_path, one=[entry(1, "a"), entry(2, "b", 0, alcohol=1), entry(2, "b", 1, alcohol=2), entry(3, "c")])
    labels = read_labels([table(tmp_path / "labels.csv", "request_id,row,quality\nb,1,7\na,0,4\nz,0,3\n")], "quality")
    live = PredictionLog(files, FEATURES, "2", labels)
    (piece,) = live.pieces()
    np.testing.assert_equal(piece.target, [4, np.nan, 7, np.nan])
    assert (labels.joined, len(labels.values)) == (2, 3)
    pd.testing.assert_frame_equal(
        live.labelled("quality"), pd.DataFrame({"alcohol": [9.5, 2.0], "pH": [3.3, 3.3], "quality": [4.0, 7.0]}, index=[0, 1])
    )


def test_without_a_row_a_label_is_of_the_requests_first_and_the_last_of_several_counts(tmp_path: Path) -> None:
    labels = read_labels([table(tmp_path / "labels.csv", "request_id;quality\na;4\na;5\n")], "quality")
    assert labels == Labels({("a", 0): 5.0})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("request_id,grade\na,4\n", "has no column 'quality'. Name its columns request_id"),
        ("request_id,quality\na,good\n", "must hold a number for every label. Got 'good' in row 1"),
        (
            "request_id,row,quality\na,1.5,4\n",
            "must have the request and the row of every label. Got the request 'a' and row 1.5 in row 1",
        ),
        ("request_id,quality\n,4\n", "must have the request and the row of every label. Got the request '' and row 0 in row 1"),
        ("request_id,quality\na,4\nb,5,6\n", "each line must have 2 fields. Got 3 in row 2"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=r".*") as caught:
        read_labels([table(tmp_path / "labels.csv", text)], "quality")
    assert sentence in caught.value.sentence


def test_a_label_that_is_not_there_is_no_number_and_is_not_counted() -> None:
    labels = Labels({("a", 0): 5.0})
    assert labels.find("a", 0) == 5.0
    assert np.isnan(labels.find("a", 1))
    assert labels.joined == 1


def test_an_empty_label_is_not_yet_known(tmp_path: Path) -> None:
    labels = read_labels([table(tmp_path / "labels.csv", "request_id,quality\na,4\nb,\n")], "quality")
    assert labels == Labels({("a", 0): 4.0})


def test_a_label_of_a_row_that_is_there_several_times_counts_once(tmp_path: Path) -> None:
    files = log(tmp_path, one=[entry(1, "a"), entry(2, "a"), entry(3, "b")], two=[entry(1, "a"), entry(2, "a")])
    labels = Labels({("a", 0): 5.0, ("z", 0): 6.0})
    (piece,) = PredictionLog(files, FEATURES, "2", labels).pieces()
    np.testing.assert_equal(piece.target, [5, 5, np.nan])
    assert labels.joined == 1


@pytest.mark.parametrize("label", ["6.5", "-1", "11", "inf", "good"])
def test_a_label_that_the_recipe_forbids_is_refused_from_any_table(tmp_path: Path, label: str) -> None:
    rule = Feature("quality", type="integer", min=0, max=10)
    with pytest.raises(DataError, match=r"must hold a number for every label. Got .* in row 2 instead"):
        read_labels([table(tmp_path / "a.csv", f"request_id,quality\na,6\nb,{label}\n")], "quality", rule=rule)
    live = LiveTables(
        [table(tmp_path / "b.csv", f"alcohol,pH,quality\n9,3,6\n9,3,{label}\n")], FEATURES, "quality", "2", rule=rule
    )
    with pytest.raises(DataError, match=r"must hold a number for every label. Got .* in row 2 instead"):
        list(live.pieces())
