from __future__ import annotations

import io
import string

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recipeline.data.reading.header import SEPARATORS, detect_separator
from recipeline.errors import DataError
from tests.tables import fields, opened

COLUMNS = ["a", "b"]


@given(
    st.lists(st.text(string.ascii_letters + " ", min_size=1, max_size=6).map(str.strip), min_size=2, max_size=6, unique=True),
    st.sampled_from(list(SEPARATORS)),
    st.booleans(),
)
def test_the_separator_of_any_header_is_found(columns: list[str], separator: str, quoted: bool) -> None:
    assume(all(columns))
    header = separator.join(f'"{name}"' if quoted else name for name in columns)
    assert detect_separator(header, columns) == separator


@given(
    st.lists(st.text('ab,;|\t"', min_size=1, max_size=6).map(str.strip), min_size=2, max_size=4, unique=True),
    st.sampled_from(list(SEPARATORS)),
)
def test_separators_and_quotes_inside_of_quoted_names_are_no_others(columns: list[str], separator: str) -> None:
    assume(all(columns) and not any(name[0] == "\t" or name[-1] == "\t" for name in columns))
    header = separator.join('"' + name.replace('"', '""') + '"' for name in columns)
    assert detect_separator(header, columns) == separator
    row = separator.join("1" for _ in columns)
    assert opened(f"{header}\n{row}\n".encode(), ())[0].file.columns == columns


@pytest.mark.parametrize(("header", "row"), [("c;d,y", "1,2"), ("x, min, C;y", "1;2"), ("a|b|c\ty", "1\t2")])
def test_the_first_row_tells_the_separator_of_names_without_quotes(header: str, row: str) -> None:
    assert opened(f"{header}\n{row}\n".encode(), ())[0].file.columns[-1] == "y"


def test_a_header_of_one_long_name_is_told_as_one() -> None:
    assert detect_separator("a" * 200_000, ["a", "b"]) is None


@pytest.mark.parametrize("separator", list(SEPARATORS))
def test_a_csv_is_read_with_each_separator(separator: str) -> None:
    content = f"a{separator}b\n1.5{separator}2\n".encode()
    assert fields(opened(content, COLUMNS)) == {"a": ["1.5"], "b": ["2"]}


def test_a_parquet_file_is_read() -> None:
    buffer = io.BytesIO()
    pd.DataFrame({"a": [1.0], "b": [2.0]}).to_parquet(buffer)
    assert fields(opened(buffer.getvalue(), COLUMNS)) == {"a": [1.0], "b": [2.0]}


def test_a_byte_order_mark_and_windows_line_ends_are_no_obstacle() -> None:
    assert list(fields(opened("\ufeffa,b\r\n1,2\r\n".encode(), COLUMNS))) == COLUMNS


def test_a_cut_off_parquet_file_is_refused() -> None:
    buffer = io.BytesIO()
    pd.DataFrame({"a": range(1000), "b": range(1000)}).to_parquet(buffer)
    with pytest.raises(DataError, match="whole CSV or Parquet file"):
        opened(buffer.getvalue()[:-100], COLUMNS)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty file"),
        (b"  \n\n", "empty file"),
        (b"a&b\n1&2\n", "separated by semicolon, comma, tab, bar"),
        (b"x,y\n1,2\n", "its columns in its header"),
        (b"a,b\n1,\xff\n", "UTF-8"),
        (b"<html>\n<body>\n", "an HTML or XML page"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        list(opened(content, COLUMNS, "x.csv")[0].file.pieces())
    assert "x.csv" in error.value.sentence
    assert "\n" not in error.value.sentence


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_data_error(content: bytes) -> None:
    try:
        (table,) = opened(content, COLUMNS)
        pieces = list(table.file.pieces())
    except DataError:
        return
    lines = sorted(line for piece in pieces for line in (*piece.numbers.tolist(), *(row.number for row in piece.ragged)))
    assert lines == list(range(1, len(lines) + 1))


def test_the_word_na_is_the_text_it_is() -> None:
    assert fields(opened(b"a,b\nNA,1\n,2\n", COLUMNS))["a"] == ["NA", ""]


def test_a_column_that_is_there_twice_is_refused_also_where_a_further_one_has_the_name_that_pandas_would_give_it() -> None:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), stream)
    for content in (b"a,b,a\n1,2,3\n", b" a,b ,a \n1,2,3\n", stream.getvalue()):
        with pytest.raises(DataError, match=r"must name each column once\. Got 'a' twice"):
            opened(content, ["a", "b", "a.1"])


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_names_have_no_spaces_around_them_whatever_ends_the_lines(ends: str) -> None:
    content = f"{ends} a ;b {ends}1;2{ends}3;4{ends}".encode()
    assert fields(opened(content, COLUMNS)) == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize("separator", list(SEPARATORS))
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_name_over_several_lines_is_refused_by_that_reason(separator: str, end: str, place: int) -> None:
    names = ["a", "b"]
    names.insert(place, f'"one{end}two"')
    content = f"{separator.join(names)}{end}{separator.join('123')}{end}"
    for known in (COLUMNS, []):
        with pytest.raises(DataError, match=r"a name over several lines in .* Write each name of the header in one line"):
            opened(content.encode(), known)


@pytest.mark.parametrize("name", ['5" pipe', 'a "b', '"a ""b"" c"', '"a"" b"'])
def test_quotes_in_a_name_of_one_line_are_no_fault(name: str) -> None:
    assert len(fields(opened(f"{name},b\n1,2\n".encode(), ["b"]))) == 2
