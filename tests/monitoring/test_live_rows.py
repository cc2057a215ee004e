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

from recipeline.data.readers import open_rows
from recipeline.data.reading.pieces import Table
from recipeline.errors import DataError
from recipeline.inference.model_info import Feature
from recipeline.monitoring.labels import Labels
from recipeline.monitoring.live_rows import LiveTables
from recipeline.monitoring.prediction_log import PredictionLog, find_log
from recipeline.monitoring.windows import LiveRows
from tests.monitoring.helpers import FEATURES, entry, log, table

# --- the service's log ---------------------------------------------------------------------------------------------------


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


# --- tables --------------------------------------------------------------------------------------------------------------


def read(live: LiveTables) -> LiveRows:
    (piece,) = live.pieces()
    return piece


def test_a_table_with_the_target_is_labelled_and_an_empty_field_is_missing(tmp_path: Path) -> None:
    live = LiveTables([table(tmp_path / "a.csv", "pH,alcohol,quality\n3.1,9,5\n3.2,,6\n,10,\n")], FEATURES, "quality", "2")
    piece = read(live)
    np.testing.assert_equal(piece.values, [[9, 3.1], [np.nan, 3.2], [10, np.nan]])
    np.testing.assert_equal(piece.target, [5, 6, np.nan])
    assert live.columns() == {}


@pytest.mark.parametrize("text", ["3.1,strong,5,5,2", '3.1,9,"5,5",5,2', "3.1,9,5,high,2"])
def test_a_field_that_is_no_number_stops_it(tmp_path: Path, text: str) -> None:
    header = "pH,alcohol,quality,prediction,model_version\n3,9,,,1\n"
    live = LiveTables([table(tmp_path / "a.csv", f"{header}{text}\n")], FEATURES, "quality", "2")
    with pytest.raises(DataError, match=r"a\.csv must hold a number .* in row 2 instead"):
        read(live)


def test_only_predictions_that_say_whose_they_are_are_taken(tmp_path: Path) -> None:
    text = "alcohol,pH,prediction,model_version\n9,3,5.1,2\n9,3,5.2,1\n"
    np.testing.assert_equal(
        read(LiveTables([table(tmp_path / "a.csv", text)], FEATURES, "quality", "2")).predicted, [5.1, np.nan]
    )
    text = "alcohol,pH,prediction\n9,3,5.1\n"
    np.testing.assert_equal(read(LiveTables([table(tmp_path / "b.csv", text)], FEATURES, "quality", "2")).predicted, [np.nan])


@pytest.mark.parametrize("target", ["self", "index", "other", "axis"])
def test_labelled_rows_have_the_target_under_whatever_name_it_has(tmp_path: Path, target: str) -> None:
    live = LiveTables([table(tmp_path / "a.csv", f"alcohol,pH,{target}\n9,3,5\n9,3,\n")], FEATURES, target, "2")
    assert live.labelled(target).to_dict("list") == {"alcohol": [9], "pH": [3], target: [5]}


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
    with pytest.raises(DataError, match=r"a.csv has none of the model's columns. Name a file with .* header: alcohol, pH"):
        live.columns()


def test_a_column_that_is_no_feature_is_neither_new_nor_read(tmp_path: Path) -> None:
    names = [feature.name for feature in FEATURES]
    tables = [
        table(
            tmp_path / "live.csv",
            ",".join([*names, "person", "other"]) + "\n" + ",".join(["1"] * len(names) + ["ann", "x"]) + "\n",
        )
    ]
    live = LiveTables(tables, FEATURES, "quality", "1", others=["person"])
    assert live.columns() == {"other": "warn"}
    (piece,) = live.pieces()
    assert piece.values.tolist() == [[1.0] * len(names)]


# --- categories that the model does not know -----------------------------------------------------------------------------

PORTS = (Feature("alcohol"), Feature("port", type="category", categories=("Cork", "Kiel"), train_min=0.0, train_max=1.0))


def test_a_category_of_a_table_that_the_model_does_not_know_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    path.write_text("port,alcohol,taster,quality\nNice,9,ann,5\nKiel,8,bob,\nCork,7,cy,6\n,6,,4\n", encoding="utf-8")
    tables = [Table(open_rows(path, ["port", "quality"], "live.csv"), "live.csv")]
    live = LiveTables(tables, PORTS, "quality", "2", others=("taster",))
    found = live.labelled("quality")
    assert found["port"].fillna("nothing").tolist() == ["Nice", "Cork", "nothing"]
    assert found["alcohol"].tolist() == [9, 7, 6]
    assert found["taster"].fillna("").tolist() == ["ann", "cy", ""]
    assert [piece.values[:, 1].tolist()[0] for piece in live.pieces()] == [2.0]


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
