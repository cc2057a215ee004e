from __future__ import annotations

import csv
import datetime
import io
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipeline.cli.rows import check_labelled, find_labelled
from recipeline.data.checking.numbers import LARGEST, NUMBER, read_numbers
from recipeline.data.checking.schema import SchemaViolations, validate_table
from recipeline.data.origin.folders import RowPath
from recipeline.data.readers import open_rows
from recipeline.data.reading.pieces import Table
from recipeline.errors import DataError
from recipeline.inference.model_info import Feature
from recipeline.inference.row_checks import check_rows
from recipeline.monitoring.live.labels import read_labels
from recipeline.monitoring.live.live_rows import LiveTables
from recipeline.serving.rows.faults import BadRows
from recipeline.serving.rows.mlflow_formats import parse_csv
from recipeline.serving.rows.schema import Schema
from tests.conftest import as_recipe, small_recipe
from tests.monitoring.helpers import table
from tests.tables import opened


@pytest.mark.parametrize(
    ("values", "numbers", "missing"),
    [
        (pa.array([1, None], pa.int8()), [1.0, np.nan], [False, True]),
        (pa.array([1.5, np.nan], pa.float16()), [1.5, np.nan], [False, True]),
        (pa.array(["1", None]).dictionary_encode(), [1.0, np.nan], [False, True]),
        (pa.array(["1.5 ", None], pa.large_string()), [1.5, np.nan], [False, True]),
        (pa.array([" 1.5", "x"], pa.string_view()), [1.5, np.nan], [False, False]),
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


NO_NUMBERS: list[pa.Array] = [
    pa.array([0], pa.timestamp("s")),
    pa.array([0], pa.timestamp("ns", "UTC")),
    pa.array([datetime.date(2020, 1, 1)]),
    pa.array([0], pa.date64()),
    pa.array([0], pa.time64("us")),
    pa.array([0], pa.duration("ms")),
    pa.array([True]),
    pa.array([b"1"]),
    pa.array([[1.0]]),
    pa.array([{"a": 1}]),
    pa.array([0], pa.timestamp("s")).dictionary_encode(),
]


@pytest.mark.parametrize("values", NO_NUMBERS, ids=lambda values: str(values.type))
def test_a_column_of_a_type_that_could_only_be_converted_is_refused_at_every_door(
    values: pa.Array, wines: pd.DataFrame
) -> None:
    with pytest.raises(DataError, match=r"column 'a' must hold numbers\. Got the type"):
        read_numbers(values, "a")
    rows = pa.Table.from_pandas(wines, preserve_index=False)
    place = rows.schema.get_field_index("alcohol")
    rows = rows.set_column(place, "alcohol", pa.chunked_array([values.take(pa.array([0] * len(wines)))]))
    stream = io.BytesIO()
    pa.parquet.write_table(rows, stream)
    recipe = as_recipe(small_recipe())
    with pytest.raises(SchemaViolations) as error:
        validate_table(opened(stream.getvalue(), list(recipe.columns)), recipe, origin="x")
    (fault,) = error.value.table.to_dict("records")
    assert (fault["row"], fault["column"], fault["rule"]) == (0, "alcohol", "the column must hold numbers")
    for batch in rows.to_batches():
        with pytest.raises(DataError, match="the type"):
            check_rows(batch.select(["alcohol"]), [Feature("alcohol", nullable=True)])


def parquet_of(folder: Path, **columns: pa.Array) -> Table:
    """Return a Parquet file of these columns, of one row each."""
    pa.parquet.write_table(pa.table(columns), folder / "rows.parquet")
    return Table(open_rows(folder / "rows.parquet", [], "rows.parquet"), "rows.parquet")


@pytest.mark.parametrize("values", NO_NUMBERS, ids=lambda values: str(values.type))
def test_live_rows_labels_and_new_rows_of_such_a_type_are_refused_too(values: pa.Array, tmp_path: Path) -> None:
    one = pa.array([1.0])
    known = {"alcohol": one, "pH": one, "quality": one, "prediction": one, "model_version": pa.array(["1"])}
    for name in ("alcohol", "quality", "prediction"):
        live = LiveTables([parquet_of(tmp_path, **(known | {name: values}))], FEATURES, "quality", "1")
        with pytest.raises(DataError, match=f"column '{name}' must hold numbers. Got the type"):
            list(live.pieces())
    asked = {"request_id": pa.array(["a"]), "row": pa.array([0]), "quality": one}
    for name in ("row", "quality"):
        with pytest.raises(DataError, match=f"column '{name}' must hold numbers. Got the type"):
            read_labels([parquet_of(tmp_path, **(asked | {name: values}))], "quality")
    for name in ("alcohol", "quality"):
        parquet_of(tmp_path, **({"alcohol": one, "pH": one, "quality": one} | {name: values}))
        with pytest.raises(DataError, match="the type"):
            retrained_rows(tmp_path / "rows.parquet")


@pytest.mark.parametrize("ids", [*NO_NUMBERS, pa.array([1.5])], ids=lambda values: str(values.type))
def test_a_request_id_of_a_type_that_could_only_be_converted_is_refused(ids: pa.Array, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"column 'request_id' must hold text\. Got the type"):
        read_labels([parquet_of(tmp_path, request_id=ids, quality=pa.array([5.0]))], "quality")


@pytest.mark.parametrize(
    "ids", [pa.array(["7"]), pa.array([7]), pa.array(["7"]).dictionary_encode(), pa.array(["7"], pa.large_string())]
)
def test_a_request_id_is_text_or_a_whole_number(ids: pa.Array, tmp_path: Path) -> None:
    assert read_labels([parquet_of(tmp_path, request_id=ids, quality=pa.array([5.0]))], "quality").values == {("7", 0): 5.0}


# --- one rule at every door ----------------------------------------------------------------------------------------------

NA = ("NA", "n/a", "-999")
PLAIN = small_recipe()
COLUMNS: dict[str, Any] = {name: {"nullable": name != "quality"} for name in ("alcohol", "pH", "quality")}
FEATURES = (Feature("alcohol", nullable=True, na=NA), Feature("pH", nullable=True, na=NA))
OPEN = as_recipe(PLAIN | {"columns": COLUMNS, "na": NA, "data": {"min_rows": 10}})

WORDS = ["nan", "NaN", "NULL", "null", "None", "N/A", "?", "-", "12%", "1_000", "0x10", "true", "１２", "1;2"]

#: What becomes of a field: its number, NaN where it is missing; FAULT where it is refused.
FAULT = "fault"


def csv_of(text: str, header: tuple[str, ...] = ("alcohol", "pH", "quality")) -> str:
    """Return a table of one good row and of one whose first field is `text`."""
    lines = io.StringIO()
    csv.writer(lines).writerows([header, [text, *["3"] * (len(header) - 1)], ["7", *["4"] * (len(header) - 1)]])
    return lines.getvalue()


def ingested(text: str, _: Path) -> float:
    """As ingest reads rows."""
    rows = opened(csv_of(text).encode(), list(COLUMNS))
    return float(validate_table(rows, OPEN, origin="x", is_all=False)["alcohol"].iloc[0])


def predicted(text: str, _: Path) -> float:
    checked = check_rows(pa.RecordBatch.from_pydict({"alcohol": [text], "pH": ["3"]}), FEATURES)
    if checked.count:
        raise DataError("")
    return float(checked.codes[0, 0])


def monitored(text: str, folder: Path) -> float:
    live = LiveTables([table(folder / "live.csv", csv_of(text))], FEATURES, "quality", "1", NA)
    return float(next(live.pieces()).values[0, 0])


def monitored_target(text: str, folder: Path) -> float:
    live = LiveTables([table(folder / "live.csv", csv_of(text, ("quality", "alcohol", "pH")))], FEATURES, "quality", "1", NA)
    return float(next(live.pieces()).target[0])


def served(text: str, _: Path) -> float:
    return float(parse_csv(csv_of(text, ("alcohol", "pH")).encode(), Schema(FEATURES), max_rows=9)[0, 0])


def labelled(text: str, folder: Path) -> float:
    labels = read_labels([table(folder / "labels.csv", csv_of(text, ("quality", "request_id")))], "quality", NA)
    return labels.values.get(("3", 0), math.nan)


def retrained_rows(path: Path) -> pd.DataFrame:
    """Return the rows of a file that retrain learns from."""
    return check_labelled(find_labelled([RowPath(path, "x")], OPEN, "x"), OPEN, "x")


def retrained(text: str, folder: Path) -> float:
    (folder / "new.csv").write_text(csv_of(text), encoding="utf-8")
    return float(retrained_rows(folder / "new.csv")["alcohol"].iloc[0])


def retrained_target(text: str, folder: Path) -> float:
    (folder / "new.csv").write_text(csv_of(text, ("quality", "alcohol", "pH")), encoding="utf-8")
    rows = retrained_rows(folder / "new.csv")
    return float(rows["quality"].iloc[0]) if len(rows) == 2 else math.nan


DOORS: list[Callable[[str, Path], float]] = [
    *(ingested, predicted, monitored, monitored_target, served),
    *(labelled, retrained, retrained_target),
]


def expected(text: str) -> float | str:
    word = text.strip()
    if word in ("", *NA):
        return math.nan
    is_plain = word.isascii() and not set(word) & set("_xXnN")
    try:
        number = float(word) if is_plain else math.inf
    except ValueError:
        return FAULT
    return math.nan if number == -999 else number if abs(number) <= LARGEST else FAULT


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.one_of(
        st.from_regex(r"\A[-+ .,0-9]{1,8}([eE][-+]?[0-9])?\Z"),
        st.sampled_from(WORDS),
        st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=6),
        st.floats(-1e30, 1e30).map(repr),
        st.floats(3e38, 1e300).map(repr),
    )
)
@example("9,4")
@example("see note")
@example("nan")
@example("NA")
@example(" -999.0 ")
@example("3.5e38")
@example("-1e39")
def test_a_field_is_a_number_or_missing_or_a_fault_and_the_same_at_every_door(tmp_path: Path, text: str) -> None:
    wanted = expected(text)
    for door in DOORS:
        try:
            found: float | str = door(text, tmp_path)
        except (DataError, BadRows):
            found = FAULT
        if door is monitored and found in (math.inf, -math.inf):
            found = FAULT  # it counts as out of range, and nothing is refused: test_monitor
        assert found == wanted or (found != found and wanted != wanted), (door.__name__, text)  # noqa: PLR0124


@pytest.mark.parametrize("text", ["9,4", "see note", "nan", "-"])
def test_a_label_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    labels = table(tmp_path / "labels.csv", csv_of(text, ("quality", "request_id")))
    with pytest.raises(DataError, match="must hold a number for every label"):
        read_labels([labels], "quality", NA)


def test_json_takes_the_recipes_words_for_null_and_no_others() -> None:
    schema = Schema(FEATURES)
    for value in ('"NA"', '" n/a "', "-999", "-999.0", "null", '""'):
        rows = schema.parse(f'{{"alcohol": {value}, "pH": 3}}'.encode(), max_rows=9)
        np.testing.assert_array_equal(rows, [[np.nan, 3]])
    for value in ('"9.4"', '"-"', "true", "[]", "{}"):
        with pytest.raises(BadRows):
            schema.parse(f'{{"alcohol": {value}, "pH": 3}}'.encode(), max_rows=9)


def test_a_word_for_missing_is_a_fault_where_nothing_may_be_missing() -> None:
    (fault,) = check_rows(pa.RecordBatch.from_pydict({"a": ["NA"]}), [Feature("a", na=NA)]).faults(np.array([1]))
    assert fault.text == "a: must not be missing. Got 'NA' instead."
    with pytest.raises(BadRows):
        Schema((Feature("a", na=NA),)).parse(b'{"a": -999}', max_rows=1)


@given(st.text("01.eE+-_infatyINFxn٣ ", max_size=12) | st.floats().map(repr) | st.decimals().map(str))
def test_a_text_is_a_number_where_python_reads_one_but_for_its_own_extras(text: str) -> None:
    try:
        is_number = not math.isnan(float(text)) and text.isascii() and "_" not in text and text == text.strip()
    except ValueError:
        is_number = False
    assert bool(re.match(NUMBER, text)) == is_number


@pytest.mark.parametrize(
    "text", ["1" * 100_000 + "x", "1." + "1" * 100_000 + "x", "." + "1" * 100_000 + "ee", "1e" + "1" * 100_000 + "."]
)
def test_a_long_text_that_is_no_number_is_found_out_as_fast_as_a_number(text: str) -> None:
    began = time.process_time()
    assert not re.match(NUMBER, text)
    assert time.process_time() - began < 3  # a minute, where each place to split the digits is tried
