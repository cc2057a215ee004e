from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.data.target_codes import TargetCodes
from recipeline.errors import DataError
from recipeline.inference.model_info import Feature
from recipeline.monitoring.live.labels import REQUEST_ID, ROW, Labels, read_labels, request_keys
from recipeline.monitoring.live.live_rows import LiveTables
from recipeline.monitoring.live.prediction_log import PredictionLog
from tests.monitoring.helpers import FEATURES, entry, log, table


def test_late_labels_join_by_request_and_row(tmp_path: Path) -> None:
    files = log(tmp_path, one=[entry(1, "a"), entry(2, "b", 0, alcohol=1), entry(2, "b", 1, alcohol=2), entry(3, "c")])
    labels = read_labels([table(tmp_path / "labels.csv", "request_id,row,quality\nb,1,7\na,0,4\nz,0,3\n")], "quality")
    live = PredictionLog(files, FEATURES, "2", labels)
    (piece,) = live.pieces()
    np.testing.assert_equal(piece.target, [4, np.nan, 7, np.nan])
    assert (labels.joined, len(labels.values)) == (2, 3)
    found = live.labelled("quality")
    assert found[["alcohol", "pH", "quality"]].to_numpy().tolist() == [[9.5, 3.3, 4.0], [2.0, 3.3, 7.0]]
    assert found[[REQUEST_ID, ROW]].to_numpy().tolist() == [["a", 0], ["b", 1]]


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.integers(0, 10**6)),
        unique=True,
    )
)
def test_a_request_has_one_key_in_a_log_in_parquet_and_in_text(asked: list[tuple[str, int]]) -> None:
    ids, rows = pa.array([it for it, _ in asked], pa.string()), [row for _, row in asked]
    keys = request_keys(ids, pa.array(rows, pa.int64()))
    assert len({*keys.tolist()}) == len(asked)
    np.testing.assert_array_equal(keys, request_keys(ids, pa.array([str(row) for row in rows], pa.string())))
    np.testing.assert_array_equal(request_keys(ids), request_keys(ids, pa.array([0] * len(asked), pa.int64())))


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


# --- classes -------------------------------------------------------------------------------------------------------------

WORDS = TargetCodes("multiclass", ("bad", "good", "odd"))


@pytest.mark.parametrize(
    ("type_", "codes", "texts", "places"),
    [
        ("category", WORDS, ["good", " bad ", "odd"], [1, 0, 2]),
        ("integer", TargetCodes("multiclass", (3, 5, 12)), ["5", "3.0", " 12"], [1, 0, 2]),
        ("boolean", TargetCodes("binary", (False, True)), ["yes", "FALSE", "1"], [1, 0, 1]),
        ("boolean", TargetCodes("binary", (True, False)), ["yes", "FALSE", "1"], [0, 1, 0]),
    ],
)
def test_labels_of_classes_are_in_the_users_own_words(
    tmp_path: Path, type_: str, codes: TargetCodes, texts: list[str], places: list[float]
) -> None:
    """An empty one, and a word of `na`, is not yet known."""
    lines = [f"r{place},{text}" for place, text in enumerate([*texts, "", "?"])]
    rule = Feature("y", type=type_)
    read = read_labels([table(tmp_path / "l.csv", "\n".join(["request_id,y", *lines]))], "y", ("?",), rule, codes)
    assert read.values == {(f"r{place}", 0): value for place, value in enumerate(places)}
    rows = "\n".join(["alcohol,pH,y", *(f"9,3,{text}" for text in [*texts, "", "?"])])
    live = LiveTables([table(tmp_path / "t.csv", rows)], FEATURES, "y", "2", na=("?",), rule=rule, codes=codes)
    (piece,) = live.pieces()
    np.testing.assert_equal(piece.target, [*places, np.nan, np.nan])
    assert live.labelled("y")["y"].tolist() == [codes.labels[int(place)] for place in places]


@pytest.mark.parametrize(
    ("type_", "codes", "label", "sentence"),
    [
        (
            "category",
            WORDS,
            "goood",
            "the model's labels for every label. Got 'goood' in row 2 instead. Did you mean 'good'? Known: bad, good,",
        ),
        ("integer", TargetCodes("multiclass", (3, 5)), "4", "Got '4' in row 2 instead. Known: 3, 5. Correct the row"),
        ("integer", TargetCodes("multiclass", (3, 5)), "x", "must hold a number for every label. Got 'x' in row 2"),
        (
            "integer",
            TargetCodes("multiclass", (3, 5)),
            "3.5",
            "a number for every label. Got 3.5 (y must be a whole number)",
        ),
        (
            "boolean",
            TargetCodes("binary", (False, True)),
            "maybe",
            "true or false for every label. Got 'maybe' in row 2",
        ),
        ("category", TargetCodes("multiclass", tuple(f"l{it}" for it in range(30))), "x", "l7 and 22 more. Correct the row"),
    ],
)
def test_a_label_that_the_model_does_not_know_is_refused_with_the_nearest_one_named(
    tmp_path: Path, type_: str, codes: TargetCodes, label: str, sentence: str
) -> None:
    first, rule = codes.texts[0], Feature("y", type=type_)
    with pytest.raises(DataError) as late:
        read_labels([table(tmp_path / "a.csv", f"request_id,y\na,{first}\nb,{label}\n")], "y", (), rule, codes)
    live = LiveTables(
        [table(tmp_path / "b.csv", f"alcohol,pH,y\n9,3,{first}\n9,3,{label}\n")], FEATURES, "y", "2", rule=rule, codes=codes
    )
    with pytest.raises(DataError) as raised:
        list(live.pieces())
    assert sentence in late.value.sentence
    assert sentence in raised.value.sentence


def test_late_labels_of_classes_join_rows_of_the_log_in_their_own_words(tmp_path: Path) -> None:
    line = json.loads(entry(1))
    del line["prediction"]
    lines = [json.dumps(line | {"request_id": it, "label": "bad", "probabilities": {"bad": 0.6, "good": 0.4}}) for it in "abc"]
    codes = TargetCodes("binary", ("bad", "good"))
    labels = read_labels(
        [table(tmp_path / "l.csv", "request_id,y\na,good\nc,bad\n")], "y", (), Feature("y", type="category"), codes
    )
    live = PredictionLog(log(tmp_path, one=lines), FEATURES, "2", labels, codes)
    (piece,) = live.pieces()
    np.testing.assert_equal(piece.target, [1, np.nan, 0])
    np.testing.assert_equal(piece.predicted, [0.4, 0.4, 0.4])
    assert live.labelled("y")["y"].tolist() == ["good", "bad"]
