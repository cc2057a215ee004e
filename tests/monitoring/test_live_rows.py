from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.data.readers import Table, open_rows
from recipeline.errors import DataError, UsageError
from recipeline.inference.model_info import Feature
from recipeline.monitoring.labels import Labels, read_labels
from recipeline.monitoring.live_rows import LiveTables, PredictionLog, find_log
from recipeline.monitoring.sample import Live
from recipeline.monitoring.windows import LiveRows, Window

FEATURES = (Feature("alcohol"), Feature("pH"))
BASELINE = {"features": {feature.name: {"edges": [0.0]} for feature in FEATURES}}


def new() -> Live:
    return Live(FEATURES, BASELINE, seed=0)


def rows(times: Sequence[float]) -> LiveRows:
    """Rows whose alcohol is their time."""
    known = np.array(times, dtype=float)
    nothing = np.full(len(known), np.nan)
    return LiveRows(np.column_stack([known, known]), nothing, nothing, known)


def windows(word: str, pieces: list[LiveRows]) -> list[tuple[float, list[float]]]:
    return [(time, live.kept[:, 0].tolist()) for time, live in Window.parse(word).split(pieces, new)]


def table(path: Path, text: str) -> Table:
    path.write_text(text, encoding="utf-8")
    name = "request_id" if "request_id" in text else "alcohol"
    return Table(open_rows(path, [name], path.name), path.name)


# --- windows -------------------------------------------------------------------------------------------------------------


def test_without_a_word_all_rows_are_one_window() -> None:
    assert windows("", [rows([1, 2]), rows([3])]) == [(3, [1, 2, 3])]
    assert windows("", []) == []


@given(st.lists(st.integers(1, 7), max_size=8), st.integers(1, 10))
def test_windows_by_count_hold_all_rows_in_order_whatever_the_pieces(sizes: list[int], count: int) -> None:
    starts = np.cumsum([0, *sizes])
    pieces = [rows(range(a, b)) for a, b in pairwise(starts)]
    found = [kept for _, kept in windows(str(count), pieces)]
    assert [row for kept in found for row in kept] == list(range(starts[-1]))
    assert all(len(kept) == count for kept in found[:-1])
    assert not found or 1 <= len(found[-1]) <= count


def test_windows_by_time_begin_with_the_hour_and_the_empty_ones_are_left_out() -> None:
    hour = 3600
    pieces = [rows([10, hour - 1, hour]), rows([hour + 5, 5 * hour])]
    assert windows("1h", pieces) == [(hour - 1, [10, hour - 1]), (hour + 5, [hour, hour + 5]), (5 * hour, [5 * hour])]


def test_a_row_that_comes_late_is_of_the_window_that_is_open() -> None:
    assert [kept for _, kept in windows("1m", [rows([30, 61, 59]), rows([58, 62])])] == [[30], [61, 59, 58, 62]]


@pytest.mark.parametrize(
    ("word", "window"),
    [("", Window()), ("500", Window(rows=500)), ("30m", Window(seconds=1800)), ("7d", Window(seconds=604_800))],
)
def test_a_window_is_a_number_of_rows_or_a_time(word: str, window: Window) -> None:
    assert Window.parse(word) == window


@pytest.mark.parametrize("word", ["0", "-5", "1w", "ten", "1.5h", "1 h", "h"])
def test_anything_else_is_no_window(word: str) -> None:
    with pytest.raises(UsageError, match=r"window must be a number of rows, or of minutes, hours or days"):
        Window.parse(word)


# --- the service's log ---------------------------------------------------------------------------------------------------


def entry(time: float, request_id: str = "a", row: int = 0, version: str = "2", **features: Any) -> str:
    known = {"alcohol": 9.5, "pH": 3.3} | features
    return json.dumps(
        {"time": time, "request_id": request_id, "version": version, "row": row, "prediction": 5.5, "features": known}
    )


def log(folder: Path, **files: list[str]) -> list[Path]:
    for name, lines in files.items():
        (folder / f"predictions-{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return find_log(folder)


def test_the_files_of_several_workers_are_read_as_one_in_the_order_of_time(tmp_path: Path) -> None:
    files = log(tmp_path, one=[entry(1, alcohol=1), entry(4, alcohol=4)], two=[entry(2, alcohol=2), entry(3, alcohol=3)])
    (piece,) = PredictionLog(files, FEATURES, "2").pieces()
    assert piece.values[:, 0].tolist() == [1, 2, 3, 4]
    assert piece.times.tolist() == [1, 2, 3, 4]


def test_what_another_version_predicted_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    files = log(tmp_path, one=[entry(1, version="1"), entry(2, version="2")])
    (piece,) = PredictionLog(files, FEATURES, "2").pieces()
    np.testing.assert_equal(piece.predicted, [np.nan, 5.5])


@pytest.mark.parametrize("torn", ['{"time": 3, "requ', "", "[1]", "null", '{"time": 3}', "\x00\x00"])
def test_a_line_that_is_cut_off_is_left_out_and_counted(tmp_path: Path, torn: str) -> None:
    live = PredictionLog(log(tmp_path, one=[entry(1), torn, entry(2)]), FEATURES, "2")
    assert [len(piece.values) for piece in live.pieces()] == [2]
    assert live.left_out == 1


def test_a_value_that_was_null_is_missing(tmp_path: Path) -> None:
    (piece,) = PredictionLog(log(tmp_path, one=[entry(1, pH=None)]), FEATURES, "2").pieces()
    np.testing.assert_equal(piece.values, [[9.5, np.nan]])


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


# --- tables --------------------------------------------------------------------------------------------------------------


def read(live: LiveTables) -> LiveRows:
    (piece,) = live.pieces()
    return piece


def test_a_table_with_the_target_is_labelled_and_what_is_no_number_is_missing(tmp_path: Path) -> None:
    live = LiveTables(
        [table(tmp_path / "a.csv", "pH,alcohol,quality\n3.1,9,5\n3.2,strong,6\n,10,\n")], FEATURES, "quality", "2"
    )
    piece = read(live)
    np.testing.assert_equal(piece.values, [[9, 3.1], [np.nan, 3.2], [10, np.nan]])
    np.testing.assert_equal(piece.target, [5, 6, np.nan])
    assert live.columns() == {}


def test_only_predictions_that_say_whose_they_are_are_taken(tmp_path: Path) -> None:
    text = "alcohol,pH,prediction,model_version\n9,3,5.1,2\n9,3,5.2,1\n"
    np.testing.assert_equal(
        read(LiveTables([table(tmp_path / "a.csv", text)], FEATURES, "quality", "2")).predicted, [5.1, np.nan]
    )
    text = "alcohol,pH,prediction\n9,3,5.1\n"
    np.testing.assert_equal(read(LiveTables([table(tmp_path / "b.csv", text)], FEATURES, "quality", "2")).predicted, [np.nan])


def test_a_column_that_is_missing_is_drift_and_a_new_one_a_warning(tmp_path: Path) -> None:
    live = LiveTables([table(tmp_path / "a.csv", "alcohol,colour,model_version\n9,red,2\n")], FEATURES, "quality", "2")
    assert live.columns() == {"pH": "drift", "colour": "warn"}
    np.testing.assert_equal(read(live).values, [[9, np.nan]])


def test_lines_with_too_many_fields_are_left_out_and_counted(tmp_path: Path) -> None:
    live = LiveTables([table(tmp_path / "a.csv", "alcohol,pH\n9,3\n9,3,1\n")], FEATURES, "quality", "2")
    assert sum(len(piece.values) for piece in live.pieces()) == 1
    assert live.left_out == 1


def test_a_table_without_any_feature_is_refused(tmp_path: Path) -> None:
    live = LiveTables([table(tmp_path / "a.csv", "request_id,quality\na,1\n")], FEATURES, "quality", "2")
    with pytest.raises(DataError, match=r"must have the columns of the model. Got none of alcohol, pH"):
        live.columns()
