from __future__ import annotations

import csv
import gzip
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipeline.data.checking.numbers import FINITE
from recipeline.data.reading import csv_files
from recipeline.errors import DataError
from recipeline.inference import batch
from recipeline.inference.model_info import Feature
from recipeline.inference.tally import BadRowsError
from tests.batches import FEATURES, run, write


def test_rows_come_out_as_they_went_in_with_their_predictions_beside_them(tmp_path: Path, out: Path) -> None:
    source = write(tmp_path / "in.csv", '"name";"alcohol";"acid"\n007;10.50;4.0\n"a;b";9;+8.00\n')
    tally = run(source, out)
    assert out.read_text() == (
        '"name";"alcohol";"acid";prediction;prediction_lower;prediction_upper;model_version\n'
        "007;10.50;4.0;109;108;110;7\n"
        '"a;b";9;+8.00;98;97;99;7\n'
    )
    assert (tally.rows, tally.predicted, tally.rejected) == (2, 2, 0)


def test_without_an_interval_there_are_no_columns_for_it(tmp_path: Path, out: Path) -> None:
    run(write(tmp_path / "in.csv", "acid,alcohol\n4,10\n"), out, interval=None)
    assert out.read_text() == "acid,alcohol,prediction,model_version\n4,10,104,7\n"


def test_values_beyond_the_training_range_are_predicted_and_counted(tmp_path: Path, out: Path) -> None:
    tally = run(write(tmp_path / "in.csv", "acid,alcohol\n4,10\n3.9,10\n20,16\n"), out)
    assert tally.predicted == 3
    assert tally.unseen == {"acid": 2, "alcohol": 1}


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
GOOD = st.floats(0, 25).map(repr) | st.sampled_from([" 7.4", "7", "+1.50", "1e1", "007"])
BAD = st.sampled_from(["", " ", "acid", "nan", "inf", "-1", "31", "7,4", "0x1", "1e999"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, GOOD | BAD, GOOD | BAD), min_size=1, max_size=12), st.sampled_from(";,\t|"))
@example([("", "1", "2"), ('"', "1", "2"), ("\r", "1", "x"), ("a\nb", "", "")], ";")
def test_every_row_comes_out_once_with_the_text_it_had(
    tmp_path: Path, rows: list[tuple[str, str, str]], separator: str
) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([("name", "acid", "alcohol"), *rows])
    tally = run(source, output, reject=True)

    def read(path: Path) -> list[list[str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file, delimiter=separator))[1:]

    good, bad = read(output), read(tmp_path / "out.rejects.csv")
    numbers = [int(row[3]) for row in bad]
    assert [tuple(row[:3]) for row in bad] == [rows[number - 1] for number in numbers]
    assert [tuple(row[:3]) for row in good] == [row for number, row in enumerate(rows, 1) if number not in numbers]
    assert numbers == [i for i, (_, *values) in enumerate(rows, 1) if not all(map(is_possible, values, (30, 25)))]
    assert (tally.rows, tally.rejected) == (len(rows), len(bad))
    for row in good:
        assert math.isclose(float(row[3]), float(row[1]) + 10 * float(row[2]), rel_tol=1e-12)


#: A feature of each type, and one more number with another decimal mark and other missing words than the first.
TYPED = (
    Feature("acid", "g/L", min=0, max=30, train_min=4, train_max=16, nullable=True, na=("NA", "-999")),
    Feature("count", type="integer", train_min=1, train_max=9, na=("NA", "-999")),
    Feature("share", decimal=","),
    Feature("port", type="category", nullable=True, categories=("a", "b"), na=("NA", "-999")),
    Feature("day", type="datetime"),
    Feature("old", type="boolean", nullable=True),
)
CELLS = {
    "acid": ["4", "7.50", " 9 ", "1e1", "", "NA", "-999", " NA", "nan", "31", "x", "4,5", "+3", ".5", "1e-400", "٣"],
    "count": ["3", "3.0", "003", "-999", "NA", "2.5", "", "inf", "1e400", "acid"],
    "share": ["1", "0,5", "0.5", "-7,25", ",5"],
    "port": ["a", "b ", "c", "", "NA", '"a"', "é\u2028", "port", "#a", "'"],
    "day": ["2024-02-29", "2024-01-01 10:00", "2024-13-01", ""],
    "old": ["true", "No", "1", "maybe", ""],
}
NOTE = [
    "",
    "n",
    " ",
    "a b",
    "=1",
    "\ufeff",
    "é",
    '"q;r,s"',
    '"l\nm"',
    '"l\r\nm"',
    'a"b',
    '"',
    "\udce9",
]


LINES = b"acid,count,share,port,day,old,note\n" + b"4,3,1,a,2024-02-29,true,n\n" * 9


@st.composite
def nasty_files(draw: st.DrawFn) -> tuple[bytes, str]:
    """Return a file that is nearly a table, and its separator.

    Most of its lines are plain.
    """
    separator, end = draw(st.sampled_from(";,\t|")), draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    names = draw(st.permutations([*CELLS, "note"]))
    first = {name: st.just(cells[0]) for name, cells in CELLS.items()} | {"note": st.just("n")}
    any_one = {name: st.sampled_from([cells[0], cells[0], *cells]) for name, cells in CELLS.items()} | {
        "note": st.sampled_from(NOTE)
    }
    plain, odd = (st.tuples(*(kind[name] for name in names)).map(separator.join) for kind in (first, any_one))
    other = st.sampled_from(["", " ", separator.join(names), separator * 6, "x", separator * 7, "# a comment"])
    lines = draw(st.lists(st.sampled_from([plain, plain, plain, odd, other]).flatmap(lambda it: it), max_size=30))
    text = (
        draw(st.sampled_from(["", "\ufeff", "\n"]))
        + end.join([separator.join(names), *lines])
        + draw(st.sampled_from([end, ""]))
    )
    return text.encode("utf-8", "surrogateescape"), separator


def verdict(source: Path, folder: Path, features: tuple[Feature, ...], *, reject: bool) -> dict[str, Any]:
    """Return the files that a prediction writes and what it counts, or its error."""
    suffix, folder = folder.suffix or ".csv", folder.with_suffix("")
    folder.mkdir()
    try:
        tally = run(
            source, folder / f"out{suffix}", reject=reject, features=features, predict=lambda rows: np.nansum(rows, axis=1) / 7
        )
    except DataError as error:
        said: Any = (type(error), str(error))
    else:
        said = (tally.rows, tally.rejected, tally.unseen, tally.groups.lines(tally.rows))
    return {"said": said, **{path.name: path.read_bytes() for path in folder.iterdir()}}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nasty_files(), st.sampled_from([TYPED, TYPED[:2], TYPED[2:]]), st.booleans(), st.sampled_from([150, 400, 1 << 22]))
@example((LINES, ","), TYPED, True, 150)
@example((LINES + b'4,3,1,a,2024-02-29,true,"\n' + LINES, ","), TYPED, False, 150)
def test_appended_to_its_line_or_not_a_prediction_is_written_byte_for_byte_the_same(
    tmp_path: Path, file: tuple[bytes, str], features: tuple[Feature, ...], reject: bool, block: int
) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_files, "BLOCK_BYTES", block)
        (Path(folder) / "in.csv").write_bytes(file[0])
        found = verdict(Path(folder) / "in.csv", Path(folder) / "plain", features, reject=reject)
        patch.setattr(batch, "read_plain", lambda rows, _: rows.pieces())
        assert found == verdict(Path(folder) / "in.csv", Path(folder) / "exact", features, reject=reject)


def test_plain_lines_of_another_encoding_are_written_as_utf_8_and_packed_where_the_name_says_so(
    tmp_path: Path, out: Path
) -> None:
    (tmp_path / "in.csv").write_bytes("note,acid,alcohol\r\né,4,10\r\n".encode("utf-16"))
    run(tmp_path / "in.csv", out.with_suffix(".csv.gz"), interval=None)
    text = gzip.decompress(out.with_suffix(".csv.gz").read_bytes()).decode()
    assert text == "note,acid,alcohol,prediction,model_version\né,4,10,104,7\n"


def test_lines_of_a_file_with_its_columns_in_another_order_or_with_another_separator_are_written_anew(
    tmp_path: Path, out: Path
) -> None:
    (tmp_path / "rows").mkdir()
    write(tmp_path / "rows/a.csv", "acid,alcohol\n4,10\n")
    write(tmp_path / "rows/b.csv", "alcohol,acid\n11,5\n")
    write(tmp_path / "rows/c.csv", "acid;alcohol\n6;12\n")
    write(tmp_path / "rows/d.csv", "acid,alcohol\n7,13\n")
    run(tmp_path / "rows", out, interval=None)
    assert out.read_text().splitlines()[1:] == ["4,10,104,7", "5,11,115,7", "6,12,126,7", "7,13,137,7"]


def test_a_version_that_needs_quotes_has_them(tmp_path: Path, out: Path) -> None:
    run(write(tmp_path / "in.csv", "acid,alcohol\n4,10\n"), out, interval=None, version="7,5")
    assert out.read_text().splitlines()[1] == '4,10,104,"7,5"'


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 25), st.sampled_from(["n", '"', "\n", "x;y,z"])), min_size=1, max_size=6
    ),
    separator=st.sampled_from(";,\t|"),
    mark=st.sampled_from(",."),
    name=st.sampled_from(["out.csv", "out.csv.gz", "out.parquet"]),
)
@example(rows=[(1.5, 1e-7, "n"), (2.0, 3.25, "n")], separator=";", mark=",", name="out.csv")
@example(rows=[(1e-300, 0.0, "n")], separator="\t", mark=",", name="out.csv")
@example(rows=[(1.0, 2.0, "n"), (1.0, 0.5, "n")], separator=",", mark=",", name="out.csv")
def test_answers_have_the_decimal_mark_of_the_table_that_they_are_written_beside(
    tmp_path: Path, rows: list[tuple[float, float, str]], separator: str, mark: str, name: str
) -> None:
    features = tuple(replace(feature, decimal=mark) for feature in FEATURES)
    table = pd.DataFrame(rows, columns=["acid", "alcohol", "note"])
    table.to_csv(tmp_path / "in.csv", index=False, sep=separator, decimal=mark)
    run(tmp_path / "in.csv", tmp_path / name, features=features)
    if name.endswith(".parquet"):
        scored = pd.read_parquet(tmp_path / name)
        assert scored["prediction"].dtype == "float64"
    else:
        text = pd.read_csv(tmp_path / name, sep=separator, dtype=str)
        assert mark == "." or not text.drop(columns="note").stack().str.contains(".", regex=False).any()
        scored = pd.read_csv(tmp_path / name, sep=separator, decimal=mark)
    np.testing.assert_allclose(scored["prediction"], table["acid"] + 10 * table["alcohol"], rtol=1e-12)
    np.testing.assert_allclose(scored["prediction_upper"] - scored["prediction_lower"], 2)


def test_numbers_of_a_parquet_file_have_points_beside_points(tmp_path: Path, out: Path) -> None:
    pd.DataFrame({"acid": [4.5], "alcohol": [10.0]}).to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", out, features=tuple(replace(feature, decimal=",") for feature in FEATURES), interval=None)
    assert out.read_text().splitlines()[1] == "4.5,10,104.5,7"


def is_possible(text: str, most: float) -> bool:
    try:
        return 0 <= float(text) <= most
    except ValueError:
        return False


def frame() -> pd.DataFrame:
    return pd.DataFrame({"acid": [4.0, 5.5], "when": pd.to_datetime(["2024-01-01", "2024-01-02"]), "alcohol": [10, 11]})


def test_parquet_keeps_its_types_and_is_text_in_a_csv(tmp_path: Path, out: Path) -> None:
    frame().to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", out.with_suffix(".parquet"))
    scored = pd.read_parquet(out.with_suffix(".parquet"))
    pd.testing.assert_frame_equal(scored[["acid", "when", "alcohol"]], frame(), check_dtype=False)
    assert scored["alcohol"].dtype == "int64"
    assert scored["prediction"].tolist() == [104.0, 115.5]
    run(tmp_path / "in.parquet", out, interval=None)
    assert out.read_text().splitlines()[1] == "4,2024-01-01 00:00:00.000000,10,104,7"


def test_out_of_a_csv_a_parquet_file_gets_features_as_numbers_and_the_rest_as_text(tmp_path: Path, out: Path) -> None:
    run(write(tmp_path / "in.csv", "id,acid,alcohol\n007,4,10\n"), out.with_suffix(".parquet"))
    assert pd.read_parquet(out.with_suffix(".parquet")).iloc[0].tolist() == ["007", 4.0, 10.0, 104.0, 103.0, 105.0, "7"]


def test_out_of_a_csv_a_parquet_file_gets_booleans_as_such_and_categories_and_dates_as_text(tmp_path: Path, out: Path) -> None:
    features = tuple(Feature(name, type=name, nullable=True) for name in ("integer", "category", "datetime", "boolean"))
    write(tmp_path / "in.csv", "boolean,datetime,category,integer,id\nyes,2024-02-29,b,3,1\n,,,,2\nfalse,2024-03-01,a,4,3\n")
    run(tmp_path / "in.csv", out.with_suffix(".parquet"), features=features, predict=lambda rows: rows[:, 0], interval=None)
    scored = pq.read_table(out.with_suffix(".parquet")).to_pydict()
    assert scored["boolean"] == [True, None, False]
    assert scored["datetime"] == ["2024-02-29", "", "2024-03-01"]
    assert scored["category"] == ["b", "", "a"]
    assert scored["integer"] == [3, None, 4]


@pytest.mark.parametrize("first", ["csv", "parquet"])
@pytest.mark.parametrize("decimals", [False, True])
def test_rows_of_parquet_and_csv_files_have_one_decimal_mark_in_an_output(
    tmp_path: Path, out: Path, first: str, decimals: bool
) -> None:
    features = tuple(replace(feature, decimal=",") for feature in FEATURES)
    folder = tmp_path / "in"
    folder.mkdir()
    table = pa.table({"acid": [4.5, 5.0], "alcohol": [10.25, 11.0]})
    if decimals:
        table = table.cast(pa.schema([(name, pa.decimal128(6, 2)) for name in table.column_names]))
    pq.write_table(table, folder / ("a.parquet" if first == "parquet" else "z.parquet"))
    write(folder / "m.csv", "acid;alcohol\n4,5;10\n5;11,25\n")
    run(folder, out, features=features)
    assert "." not in out.read_text()
    scored = pd.read_csv(out, sep=";", decimal=",")
    np.testing.assert_allclose(scored["prediction"], scored["acid"] + 10 * scored["alcohol"])
    assert sorted(scored["acid"]) == [4.5, 4.5, 5, 5]
    run(folder, out.with_suffix(".parquet"), features=features)
    again = pd.read_parquet(out.with_suffix(".parquet")).astype(float)
    pd.testing.assert_frame_equal(again, scored.astype(float))


def test_files_of_a_folder_with_other_columns_are_refused(tmp_path: Path, out: Path) -> None:
    write(tmp_path / "a.csv", "acid;alcohol\n4;10\n")
    write(tmp_path / "b.csv", "acid;alcohol;colour\n4;10;red\n")
    with pytest.raises(DataError, match=r"b.csv must have the same columns as a.csv. Got a further 'colour' instead."):
        run(tmp_path, out)


def cell(text: str) -> str:
    return f"acid;alcohol\n4;10\n{text};10\n"


FAULTS = {
    cell("acid"): "row 2, acid: must be a number. Got 'acid' instead.",
    cell(" "): "row 2, acid: must not be missing. Got nothing instead.",
    cell("NaN"): "row 2, acid: must be a number. Got 'NaN' instead. "
    "A word for a missing value? List it under na in the recipe.",
    cell("-inf"): f"row 2, acid: {FINITE}. Got -inf instead.",
    cell("-0.1"): "row 2, acid: must be at least 0 g/L. Got -0.1 instead.",
    cell("31.50"): "row 2, acid: must be at most 30 g/L. Got 31.50 instead.",
    cell("x" * 99): f"row 2, acid: must be a number. Got '{'x' * 40}…' instead.",
    "acid;alcohol\n4\n4;10\n": "row 1, must have 2 fields. Got 1 instead.",
    "acid;alcohol\n4;10\n\n4;10;3;9\n": "row 2, must have 2 fields. Got 4 instead.",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_bad_row_is_named_and_stops_everything(tmp_path: Path, out: Path, text: str) -> None:
    with pytest.raises(BadRowsError) as raised:
        run(write(tmp_path / "in.csv", text), out)
    assert raised.value.details == (FAULTS[text],)
    assert list(out.parent.iterdir()) == []


def test_all_faults_are_counted_and_each_column_and_cause_is_named_once(tmp_path: Path, out: Path) -> None:
    with pytest.raises(BadRowsError) as raised:
        run(write(tmp_path / "in.csv", "acid;alcohol\n" + "x;y\n" * 30), out)
    assert "in 60 places" in raised.value.sentence
    text = "a category? State type: category for the column in the recipe."
    assert raised.value.details == (
        f"acid is text in 30 rows, for example 'x' in row 1: {text}",
        f"alcohol is text in 30 rows, for example 'y' in row 1: {text}",
    )


def test_where_nothing_is_rejected_the_file_of_rejects_has_a_header_only(tmp_path: Path, out: Path) -> None:
    write(out.parent / "scored.rejects.csv", "of an earlier run")
    run(write(tmp_path / "in.csv", "acid;alcohol\n4;10\n"), out, reject=True)
    assert (out.parent / "scored.rejects.csv").read_text() == "acid;alcohol;row;fault\n"


def test_bad_rows_of_a_parquet_file_are_set_aside_in_one(tmp_path: Path, out: Path) -> None:
    pd.DataFrame({"acid": [4.0, np.nan, np.inf], "alcohol": [10, 11, 12]}).to_parquet(tmp_path / "in.parquet")
    run(tmp_path / "in.parquet", out.with_suffix(".parquet"), reject=True)
    rejected = pd.read_parquet(out.parent / "scored.rejects.parquet")
    assert rejected["row"].tolist() == [2, 3]
    assert rejected["fault"].tolist() == [
        "acid: must not be missing. Got nothing instead.",
        f"acid: {FINITE}. Got inf instead.",
    ]


def test_a_missing_column_is_named(tmp_path: Path, out: Path) -> None:
    features = (*FEATURES, Feature("pH"))
    with pytest.raises(DataError, match=r"lacks a column of the model: 'pH'\. Add .*\n  pH: the column is missing\.$"):
        run(write(tmp_path / "in.csv", "acid;alcohol;pH value\n4;10;3\n"), out, features=features)


def test_a_list_is_refused_in_a_csv_and_kept_in_parquet(tmp_path: Path, out: Path) -> None:
    pd.DataFrame({"acid": [4.0], "alcohol": [10.0], "tags": [["a", "b"]]}).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"column 'tags' .* Got the type list"):
        run(tmp_path / "in.parquet", out)
    run(tmp_path / "in.parquet", out.with_suffix(".parquet"))
    assert list(pd.read_parquet(out.with_suffix(".parquet"))["tags"][0]) == ["a", "b"]


def refuse(_: np.ndarray) -> np.ndarray:
    raise DataError("The model refuses the rows.")


def test_a_prediction_that_fails_at_the_end_leaves_both_files_as_they_were(tmp_path: Path, out: Path) -> None:
    rejects = write(out.parent / "scored.rejects.csv", "of an earlier run")
    write(out, "scored before")
    with pytest.raises(DataError, match="refuses"):
        run(write(tmp_path / "wines.csv", "acid;alcohol\n4;10\nx;11\n"), out, reject=True, predict=refuse)
    assert (rejects.read_text(), out.read_text()) == ("of an earlier run", "scored before")


def test_of_two_faults_the_first_is_told(tmp_path: Path, out: Path) -> None:
    (tmp_path / "wines").mkdir()
    write(tmp_path / "wines/a.csv", "acid;alcohol\n4;10\n")
    write(tmp_path / "wines/b.csv", "acid;alcohol\nx;11\n")
    with pytest.raises(DataError, match="refuses"):
        run(tmp_path / "wines", out, predict=refuse)
