from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recipeline.data.checking.conditions import Condition
from recipeline.data.readers import open_rows
from recipeline.data.reading.pieces import Table
from recipeline.errors import DataError
from recipeline.inference.model_info import Feature
from recipeline.monitoring.live.live_rows import LiveTables
from recipeline.monitoring.windows import LiveRows
from tests.monitoring.helpers import FEATURES, table

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
    assert replace(live, ignores_others=True).columns() == {"pH": "drift"}
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


def test_rows_of_a_table_that_training_would_have_left_out_are_counted(tmp_path: Path) -> None:
    text = "alcohol,pH,year,quality\n9,3,2009,5\n9,3,2011,5\n2,3,2011,\n9,3,2012,\n9,3,2012,9\n"
    conditions = (
        Condition("alcohol", min=3.0),
        Condition("year", min=2010.0),
        Condition("nowhere", min=3.0),
        Condition("quality", max=8.0, is_target=True),
    )
    live = LiveTables([table(tmp_path / "a.csv", text)], FEATURES, "quality", "2", others=("year",), filter=conditions)
    np.testing.assert_equal(read(live).target, [5, np.nan])
    assert live.filtered == 3
    assert live.labelled("quality")["year"].tolist() == ["2011"]
