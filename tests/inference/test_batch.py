from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from recipeline.data import readers as row_files
from recipeline.data.prefetch import read_ahead, write_behind
from recipeline.data.readers import Table, find_files, open_rows, split_name
from recipeline.data.writers import check_output
from recipeline.errors import DataError, UnavailableError, UsageError
from recipeline.inference.batch import LISTED, BadRowsError, Job, Tally
from recipeline.inference.interval import Interval
from recipeline.inference.model_info import Feature
from recipeline.inference.predictor import LEAST_ROWS, Asked, Predictor
from recipeline.inference.row_checks import check_rows, read_numbers

INTERVAL = Interval(0.9, "constant", -1.0, 1.0)
FEATURES = (
    Feature("acid", "g/L", min=0, max=30, train_min=4, train_max=16),
    Feature("alcohol", "% vol", min=0, max=25, train_min=8, train_max=15),
)


def asked(**changes: Any) -> Asked:
    return Asked(
        **{"features": FEATURES, "predict": lambda rows: rows @ [1.0, 10.0], "version": "7", "interval": INTERVAL} | changes
    )


def run(source: Path, output: Path, *, reject: bool = False, **changes: Any) -> Tally:
    """Predict a file or a folder."""
    ask = asked(**changes)
    many = source.is_dir()
    tables = [Table(open_rows(path, ask.names, path.name), path.name, path.name if many else "") for path in find_files(source)]
    stem, suffix = split_name(output.name)
    return Job(tables, ask, output, output.with_name(f"{stem}.rejects{suffix}") if reject else None, source.name).run(
        lambda _: None
    )


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out/scored.csv"


# --- what comes out -----------------------------------------------------------------------------------------------------


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


def test_the_same_input_is_the_same_bytes(tmp_path: Path, out: Path) -> None:
    source = write(tmp_path / "in.csv", "acid,alcohol\n" + "4.1,10.3\n" * 50)
    for suffix in (".csv", ".csv.gz", ".parquet"):
        first, second = out.with_name(f"a{suffix}"), out.with_name(f"b{suffix}")
        run(source, first)
        run(source, second)
        assert first.read_bytes() == second.read_bytes()


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


def is_possible(text: str, most: float) -> bool:
    try:
        return 0 <= float(text) <= most
    except ValueError:
        return False


# --- what goes in -------------------------------------------------------------------------------------------------------

PLAIN = b"acid;alcohol\n4;10\n5;11\n"
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda content: pa.compress(content, "zstd", asbytes=True),
    "two members": lambda content: gzip.compress(content[:9]) + gzip.compress(content[9:]),
    "a mark of UTF-8": lambda content: b"\xef\xbb\xbf" + content,
    "lines of Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "empty lines": lambda content: b"\n\n" + content.replace(b"\n", b"\n\n"),
}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_what_the_bytes_are_is_found_out_from_the_bytes(tmp_path: Path, out: Path, kind: str) -> None:
    source = tmp_path / "in.data"
    source.write_bytes(COMPRESSED[kind](PLAIN))
    run(source, out, interval=None)
    assert out.read_text() == "acid;alcohol;prediction;model_version\n4;10;104;7\n5;11;115;7\n"


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_the_separator_is_found_and_kept(tmp_path: Path, out: Path, separator: str) -> None:
    run(write(tmp_path / "in.csv", "alcohol;x;acid\n10;hello, | you;4\n".replace(";", separator).replace(", | ", " ")), out)
    assert out.read_text().splitlines()[1].split(separator)[:4] == ["10", "hello you", "4", "104"]


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


def test_a_folder_is_read_by_name_without_hidden_files_and_markers(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "wines"
    folder.mkdir()
    write(folder / "b.csv", "alcohol;acid\n12;6\n")
    (folder / "a.csv.gz").write_bytes(gzip.compress(PLAIN))
    pd.DataFrame({"acid": [7.0], "alcohol": [13.0]}).to_parquet(folder / "c.parquet")
    for name in ("_SUCCESS", ".a.csv.crc", "notes.md", "_delta.csv"):
        write(folder / name, "not a table")
    run(folder, out, interval=None)
    assert out.read_text() == "acid;alcohol;prediction;model_version\n4;10;104;7\n5;11;115;7\n6;12;126;7\n7;13;137;7\n"


def test_the_rows_of_a_folder_are_named_with_their_file(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "wines"
    folder.mkdir()
    write(folder / "a.csv", "acid;alcohol\n4;10\n")
    write(folder / "b.csv", "acid;alcohol\n4;10\n4;x\n")
    with pytest.raises(BadRowsError, match=r"b.csv, row 2, alcohol: must be a number. Got 'x' instead."):
        run(folder, out)
    run(folder, out, reject=True)
    assert (out.parent / "scored.rejects.csv").read_text() == (
        "acid;alcohol;file;row;fault\n4;x;b.csv;2;alcohol: must be a number. Got 'x' instead.\n"
    )


def test_files_of_a_folder_with_other_columns_are_refused(tmp_path: Path, out: Path) -> None:
    write(tmp_path / "a.csv", "acid;alcohol\n4;10\n")
    write(tmp_path / "b.csv", "acid;alcohol;colour\n4;10;red\n")
    with pytest.raises(DataError, match=r"b.csv must have the same columns as a.csv. Got a further 'colour' instead."):
        run(tmp_path, out)


# --- what cannot be -----------------------------------------------------------------------------------------------------


def cell(text: str) -> str:
    return f"acid;alcohol\n4;10\n{text};10\n"


FAULTS = {
    cell("acid"): "row 2, acid: must be a number. Got 'acid' instead.",
    cell(" "): "row 2, acid: must not be missing. Got nothing instead.",
    cell("NaN"): "row 2, acid: must be a number. Got 'NaN' instead.",
    cell("-inf"): "row 2, acid: must be finite. Got -inf instead.",
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


def test_all_faults_are_counted_and_the_first_ones_listed(tmp_path: Path, out: Path) -> None:
    with pytest.raises(BadRowsError) as raised:
        run(write(tmp_path / "in.csv", "acid;alcohol\n" + "x;y\n" * 30), out)
    assert "in 60 places" in raised.value.sentence
    assert raised.value.details[1] == "row 1, alcohol: must be a number. Got 'y' instead."
    assert raised.value.details[LISTED:] == ("and 40 more.",)


def test_ragged_rows_are_set_aside_whole_and_in_order(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 16)
    source = write(tmp_path / "in.csv", "acid;alcohol\n4;10\n4\n5;x\n5;11;6;7\n6;12\n\n7;;\n8\n")
    tally = run(source, out, reject=True, interval=None)
    assert out.read_text() == "acid;alcohol;prediction;model_version\n4;10;104;7\n6;12;126;7\n"
    with (out.parent / "scored.rejects.csv").open(newline="") as file:
        rejected = list(csv.reader(file, delimiter=";"))[1:]
    assert [row[:3] for row in rejected] == [
        ["4", "", "2"],
        ["5", "x", "3"],
        ["5", "11;6;7", "4"],
        ["7", ";", "6"],
        ["8", "", "7"],
    ]
    assert (tally.rows, tally.rejected) == (7, 5)


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
        "acid: must be finite. Got inf instead.",
    ]


def test_a_nullable_feature_may_be_missing_and_an_integer_must_be_whole() -> None:
    features = (Feature("a", nullable=True), Feature("b", type="integer"))
    rows = pa.RecordBatch.from_pydict({"a": ["", "1", "x"], "b": ["1", "2.0", "2.5"]})
    checked = check_rows(rows, features)
    assert np.isnan(checked.numbers[0, 0])
    assert [fault.text.split(". ")[0] for fault in checked.faults(np.arange(1, 4))] == [
        "a: must be a number",
        "b: must be a whole number",
    ]


@pytest.mark.parametrize(
    ("values", "numbers", "missing"),
    [
        (pa.array([True, None]), [np.nan, np.nan], [False, True]),
        (pa.array([1, None], pa.int8()), [1.0, np.nan], [False, True]),
        (pa.array(["1", None]).dictionary_encode(), [1.0, np.nan], [False, True]),
        (pa.array(["1.5 ", None], pa.large_string()), [1.5, np.nan], [False, True]),
        (pa.array([1.25]).cast(pa.decimal128(5, 2)), [1.25], [False]),
        (pa.nulls(1), [np.nan], [True]),
    ],
)
def test_numbers_are_read_out_of_every_type_that_holds_some(
    values: pa.Array, numbers: list[float], missing: list[bool]
) -> None:
    found = read_numbers(values, "a")
    np.testing.assert_array_equal(found[0], numbers)
    assert found[1].tolist() == missing


def test_a_column_of_times_is_refused() -> None:
    with pytest.raises(DataError, match=r"column 'a' must hold numbers. Got the type timestamp"):
        read_numbers(pa.array([0], pa.timestamp("s")), "a")


@given(st.from_regex(r"\A[-+ .0-9eEnaif]{1,7}\Z"))
def test_text_is_the_same_number_alone_and_beside_what_is_none(text: str) -> None:
    beside = read_numbers(pa.array([text, "x"]), "a")[0][0]
    try:
        alone = read_numbers(pa.array([text]), "a")[0][0]
    except pa.ArrowInvalid:
        pytest.fail("what is no number must not raise")
    np.testing.assert_array_equal(alone, beside)


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "Got an empty file"),
    "empty lines": (b"\n\r\n", "Got an empty file"),
    "header only": (b"acid;alcohol\n", "rows below its header"),
    "wrong separator": (b"acid&alcohol\n4&10\n", "separated by semicolon, comma, tab, bar"),
    "missing column": (b"acid;Alcohol;x\n4;10;1\n", "separated by"),
    "a column twice": (b"acid;alcohol;acid\n4;10;4\n", "name each column once. Got 'acid' twice"),
    "a column that is added": (b"acid;alcohol;prediction\n4;10;4\n", "Got 'prediction' instead"),
    "no UTF-8": ("acid;alcohol;é\n4;10;1\n".encode("latin-1"), "UTF-8"),
    "no UTF-8 in a row": ("acid;alcohol;x\n4;10;é\n".encode("latin-1"), "UTF-8"),
    "cut-off gzip": (gzip.compress(PLAIN * 100)[:-12], "must be a whole CSV or Parquet file"),
    "cut-off xz": (lzma.compress(PLAIN * 100)[:-12], "must be a whole CSV or Parquet file"),
    "cut-off Parquet": (b"PAR1 and no more", "must be a whole CSV or Parquet file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_read_is_a_data_error_and_leaves_no_output(tmp_path: Path, out: Path, case: str) -> None:
    content, words = BROKEN[case]
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(DataError) as raised:
        run(tmp_path / "in.csv", out)
    assert words in str(raised.value)
    assert list(out.parent.iterdir()) == []


def test_a_missing_column_is_named_with_the_one_that_may_be_meant(tmp_path: Path, out: Path) -> None:
    features = (*FEATURES, Feature("pH"))
    with pytest.raises(
        DataError, match=r"none of the name 'pH' instead. Did you mean 'pH value'\?|pH: the column must be there"
    ):
        run(write(tmp_path / "in.csv", "acid;alcohol;pH value\n4;10;3\n"), out, features=features)


def test_a_row_that_never_ends_is_a_data_error(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 1000)
    with pytest.raises(DataError, match="a quote that is never closed"):
        run(write(tmp_path / "in.csv", 'acid;alcohol\n4;"10\n' + "4;10\n" * 1000), out)


def test_a_list_is_refused_in_a_csv_and_kept_in_parquet(tmp_path: Path, out: Path) -> None:
    pd.DataFrame({"acid": [4.0], "alcohol": [10.0], "tags": [["a", "b"]]}).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(DataError, match=r"column 'tags' .* Got the type list"):
        run(tmp_path / "in.parquet", out)
    run(tmp_path / "in.parquet", out.with_suffix(".parquet"))
    assert list(pd.read_parquet(out.with_suffix(".parquet"))["tags"][0]) == ["a", "b"]


@pytest.mark.parametrize("name", ["nowhere.csv", "empty"])
def test_no_file_or_a_folder_without_any_is_a_data_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        find_files(tmp_path / name)


# --- the output is there whole or not at all ------------------------------------------------------------------------------


def test_what_was_there_before_stays_where_predicting_fails(tmp_path: Path, out: Path) -> None:
    write(out, "before")

    def fail(_: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(write(tmp_path / "in.csv", "acid;alcohol\n4;10\n"), out, predict=fail)
    assert [path.name for path in out.parent.iterdir()] == ["scored.csv"]
    assert out.read_text() == "before"
    run(write(tmp_path / "in.csv", "acid;alcohol\n4;10\n"), out)
    assert out.read_text().startswith("acid;")


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path, out: Path, suffix: str) -> None:
    import resource
    import signal

    from tests.faults import in_fork

    rows = "\n".join(f"{4 + i / 7919},{10 + i / 104729}" for i in range(20_000))
    source = write(tmp_path / "in.csv", f"acid,alcohol\n{rows}\n")

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        with pytest.raises(UnavailableError, match="output must be a file that can be written"):
            run(source, out.with_name(f"o{suffix}"), features=tuple(Feature(f.name) for f in FEATURES))

    assert in_fork(fill) == 0
    assert list(out.parent.iterdir()) == []


def test_an_output_that_would_be_the_input_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "acid;alcohol\n4;10\n")
    (tmp_path / "link.csv").symlink_to(source)
    (tmp_path / "hard.csv").hardlink_to(source)
    for name in ("in.csv", "link.csv", "hard.csv"):
        with pytest.raises(UsageError, match="another file than the input"):
            check_output(tmp_path / name, [source])
    with pytest.raises(UsageError, match="outside of the input folder"):
        check_output(tmp_path / "new.csv", [tmp_path])
    with pytest.raises(UsageError, match="a folder that exists"):
        check_output(tmp_path / "nowhere/new.csv", [source])
    with pytest.raises(UsageError, match="must be a file"):
        check_output(tmp_path, [source])


# --- the model -------------------------------------------------------------------------------------------------------------


def fitted(model: Any, rows: int = 3 * LEAST_ROWS) -> tuple[Any, pd.DataFrame]:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    return model.fit(table[:500], table["a"][:500] * 2 + table["b"][:500] ** 2), table


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(12, random_state=0), HistGradientBoostingRegressor(), LinearRegression()]
)
def test_predictions_are_the_models_and_do_not_depend_on_threads(model: Any) -> None:
    model, table = fitted(model)
    answers = [Predictor(model, list(table), threads=threads)(table.to_numpy()) for threads in (1, 3)]
    np.testing.assert_array_equal(*answers)
    np.testing.assert_allclose(answers[0], model.predict(table), rtol=1e-9)
    if not isinstance(model, LinearRegression):
        np.testing.assert_array_equal(answers[0], model.predict(table))


def test_a_missing_value_is_the_models_to_take_or_to_refuse() -> None:
    model, table = fitted(HistGradientBoostingRegressor(), 600)
    table.loc[3, "b"] = np.nan
    np.testing.assert_array_equal(Predictor(model, list(table))(table.to_numpy()), model.predict(table))
    linear, _ = fitted(LinearRegression(), 600)
    with pytest.raises(DataError, match="must be able to predict every row"):
        Predictor(linear, list(table))(table.to_numpy())


def test_a_compiled_form_that_answers_otherwise_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from recipeline.inference.compiled.form import Compiled

    model, table = fitted(LinearRegression(), 600)
    monkeypatch.setattr(
        "recipeline.inference.predictor.compile_model", lambda *_: Compiled("linear", False, lambda rows: np.zeros(len(rows)))
    )
    np.testing.assert_allclose(Predictor(model, list(table))(table.to_numpy()), model.predict(table))


# --- at the same time --------------------------------------------------------------------------------------------------------


def test_what_reading_ahead_raises_is_raised_after_what_came_before() -> None:
    def items() -> Any:
        yield 1
        raise DataError("broken")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(DataError, match="broken"):
        next(ahead)


def test_what_writing_behind_raises_is_raised_at_the_end_at_the_latest() -> None:
    def fail(_: object) -> None:
        raise UnavailableError("full")

    with pytest.raises(UnavailableError, match="full"), write_behind(fail) as write_later:
        write_later(1)
    kept = io.StringIO()
    with write_behind(kept.write) as write_later:
        for word in "abc":
            write_later(word)
    assert kept.getvalue() == "abc"
