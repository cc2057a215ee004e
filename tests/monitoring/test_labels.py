from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipeline.errors import DataError
from recipeline.monitoring.labels import Labels, read_labels
from recipeline.monitoring.live_rows import PredictionLog
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
        ("request_id,grade\na,4\n", "must have the columns request_id and quality. Got one without 'quality'"),
        ("request_id,quality\na,good\n", "must hold a number for every label. Got none in row 1"),
        ("request_id,quality\na,4\nb,\n", "Got none in row 2"),
        ("request_id,quality\na,4\nb,5,6\n", "Got none in row 2"),
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
