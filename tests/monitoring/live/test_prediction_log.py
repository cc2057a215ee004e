"""The service's log: lines of several workers and versions, and labels."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recipeline.data.checking.conditions import Condition
from recipeline.inference.model_info import Feature
from recipeline.monitoring.live.labels import Labels
from recipeline.monitoring.live.log_files import find_log
from recipeline.monitoring.live.prediction_log import PredictionLog
from tests.monitoring.helpers import FEATURES, entry, log


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


ODD: list[Any] = [None, "9.4", True, [], {}, ["a"], 1e300, -1, 10**30]


@given(st.sampled_from(["time", "request_id", "row", "version", "prediction", "features"]), st.sampled_from(ODD))
@example("features", {"alcohol": "9.4"})
@example("features", {"alcohol": [9.4]})
@example("features", {"alcohol": True})
def test_a_line_with_values_of_other_types_is_left_out_and_counted_or_read(name: str, value: Any) -> None:
    line = json.dumps(json.loads(entry(2)) | {name: value})
    with tempfile.TemporaryDirectory() as folder:
        live = PredictionLog(log(Path(folder), one=[entry(1), line, entry(3)]), FEATURES, "2")
        rows = sum(len(piece.values) for piece in live.pieces())
    assert (rows + live.left_out, rows >= 2) == (3, True)


def test_a_line_from_the_future_is_left_out_and_those_after_it_are_read(tmp_path: Path) -> None:
    live = PredictionLog(log(tmp_path, one=[entry(1), entry(9e9), entry(2), entry(1e300), entry(3)]), FEATURES, "2", now=100)
    assert [piece.times.tolist() for piece in live.pieces()] == [[1, 2, 3]]
    assert live.left_out == 2


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from("ab"), st.integers(0, 2)), min_size=1), st.data())
def test_lines_that_are_delivered_again_in_any_order_count_once(lines: list[tuple[int, str, int]], data: st.DataObject) -> None:
    text = [entry(time, name, row) for time, name, row in lines]
    again = data.draw(st.permutations(text))
    with tempfile.TemporaryDirectory() as folder:
        live = PredictionLog(log(Path(folder), one=text, two=again), FEATURES, "2")
        assert sum(len(piece.values) for piece in live.pieces()) == len(set(lines))
        assert live.repeated == 2 * len(lines) - len(set(lines))


def test_a_rotated_file_is_read_though_it_is_compressed_and_cut_off(tmp_path: Path) -> None:
    files = log(tmp_path, one=[entry(1), entry(2)], two=[entry(3)])
    whole = gzip.compress(files[0].read_bytes())
    files[0].with_name("predictions-one.jsonl.gz").write_bytes(whole)
    files[0].unlink()
    (tmp_path / "predictions-cut.jsonl.gz").write_bytes(whole[:-12])
    (tmp_path / "predictions-notes.txt").touch()
    live = PredictionLog(find_log(tmp_path), FEATURES, "2")
    assert [time for piece in live.pieces() for time in piece.times] == [1, 2, 3]
    assert live.left_out == 1


def test_a_value_that_was_null_is_missing(tmp_path: Path) -> None:
    (piece,) = PredictionLog(log(tmp_path, one=[entry(1, pH=None)]), FEATURES, "2").pieces()
    np.testing.assert_equal(piece.values, [[9.5, np.nan]])


# --- learning from it ----------------------------------------------------------------------------------------------------

PORTS = (Feature("alcohol"), Feature("port", type="category", categories=("Cork", "Kiel"), train_min=0.0, train_max=1.0))


def test_a_category_that_the_log_does_not_name_is_learned_by_no_name(tmp_path: Path) -> None:
    lines = [
        json.dumps(json.loads(entry(time)) | {"request_id": str(time), "features": {"alcohol": time, "port": port}})
        for time, port in enumerate(["Cork", "(other)", None, "(other)"])
    ]
    labels = Labels({("0", 0): 5.0, ("1", 0): 4.0, ("2", 0): 6.0})
    live = PredictionLog(log(tmp_path, one=lines), PORTS, "2", labels)
    found = live.labelled("quality")
    assert found["alcohol"].tolist() == [0, 2]
    assert live.unnamed == 1
    assert sum(len(piece.values) for piece in live.pieces()) == 4


def line(number: int, features: dict[str, Any], **more: Any) -> str:
    return json.dumps(json.loads(entry(number, str(number))) | {"features": features} | more)


def test_a_category_that_the_log_names_is_learned_by_its_name_and_other_columns_as_text(tmp_path: Path) -> None:
    lines = [
        line(0, {"alcohol": 1, "port": "Nice"}, others={"person": 7, "share": 0.5, "night": True}),
        line(1, {"alcohol": 2, "port": "Kiel"}, others={"person": 7.0, "share": None}),
        line(2, {"alcohol": 3, "port": None}, others={"person": [1]}),
        line(3, {"alcohol": 4, "port": "Lund"}),
    ]
    labels = Labels({(str(number), 0): float(number) for number in range(4)})
    others = ("person", "share", "night")
    live = PredictionLog(log(tmp_path, one=lines), PORTS, "2", labels, others=others, needed=("person",), decimal=",")
    found = live.labelled("quality")
    assert found["port"].tolist() == ["Nice", "Kiel"]
    assert found["person"].tolist() == ["7", "7"]
    assert found["share"].fillna("").tolist() == ["0,5", ""]
    assert found["night"].fillna("").tolist() == ["true", ""]
    assert (live.lacking, live.unnamed) == (2, 0)


@pytest.mark.parametrize("others", [3, [], "x"])
def test_a_line_whose_other_columns_are_no_object_is_left_out(tmp_path: Path, others: Any) -> None:
    live = PredictionLog(log(tmp_path, one=[line(1, {"alcohol": 1}, others=others), entry(2)]), FEATURES, "2")
    assert [len(piece.values) for piece in live.pieces()] == [1]
    assert live.left_out == 1


def test_rows_that_training_would_have_left_out_are_counted_and_what_a_row_does_not_say_breaks_nothing(tmp_path: Path) -> None:
    conditions = (
        Condition("alcohol", min=3.0),
        Condition("port", type="category", not_in=("Lund",)),
        Condition("year", type="integer", min=2010.0),
        Condition("quality", max=8.0, is_target=True),
    )
    lines = [
        line(0, {"alcohol": 2, "port": "Cork"}),
        line(1, {"alcohol": 4, "port": "Lund"}),
        line(2, {"alcohol": 4, "port": "Cork"}, others={"year": 2009}),
        line(3, {"alcohol": 4, "port": "Cork"}, others={"year": 2011}),
        line(4, {"alcohol": 4, "port": "Nice"}),
        line(5, {"alcohol": 4, "port": "Cork"}, others={"year": None}),
        line(6, {"alcohol": 4, "port": "Cork"}),
        line(7, {"alcohol": None, "port": "Cork"}),
    ]
    live = PredictionLog(log(tmp_path, one=lines), PORTS, "2", Labels({("6", 0): 9.0, ("3", 0): 7.0}), filter=conditions)
    assert [time for piece in live.pieces() for time in piece.times] == [3, 4]
    assert live.filtered == 6
