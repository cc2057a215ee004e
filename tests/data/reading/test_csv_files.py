from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipeline.data.readers import open_rows
from recipeline.data.reading import csv_files
from recipeline.data.reading.formats import Format
from recipeline.data.reading.header import fault_of, read_header
from tests.tables import fields, opened

FIELDS = st.sampled_from(["", " ", "1", "2.5", "a", "b", "#", '"', "x y", "\ufeffa", "0,5"])
LINES = st.lists(st.lists(FIELDS, min_size=1, max_size=4), max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([24, 1 << 20]))
@example([["1", "2"], ["a", "b"], ["", ""], ["3", "4"]], "\n", 24)
@example([["1", "2", ""], ["a", "b", ""], ["", "", ""], ["3", "4"]], "\n", 24)
def test_a_file_has_the_rows_and_the_faults_that_the_rules_of_lines_give(
    monkeypatch: pytest.MonkeyPatch, lines: list[list[str]], end: str, block: int
) -> None:
    """Columns of a batch in a file, and one line of a request, are alike."""
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", block)
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end).writerows([["a", "b"], *lines])
    text = stream.getvalue()
    header = read_header(text, ["a", "b"])
    assert header is not None
    below = [line for line in csv.reader(io.StringIO(text[header.end :], newline=""), delimiter=header.separator) if line]
    wanted = {number: fault_of(line, header) for number, line in enumerate(below, 1)}
    (table,) = opened(text.encode(), ["a", "b"])
    rows: dict[int, tuple[str, ...]] = {}
    faults: dict[int, tuple[str, str]] = {}
    for piece in table.file.pieces():
        rows |= dict(zip(piece.numbers.tolist(), zip(*piece.rows.to_pydict().values(), strict=True), strict=True))
        faults |= {line.number: (line.rule, line.got) for line in piece.ragged}
    assert faults == {number: fault for number, fault in wanted.items() if fault}
    assert rows == {number: tuple(below[number - 1][:2]) for number, fault in wanted.items() if not fault}


TEXTS = st.lists(
    st.lists(st.sampled_from(["", "1", 'b"', "c\nd", "e\r\nf", "g,h", " "]), min_size=3, max_size=3), min_size=1, max_size=6
)


def count_rows(content: str) -> int:
    """Return the number of rows and of lines that are none."""
    (table,) = opened(content.encode(), ["a", "b", "c"])
    return sum(piece.rows.num_rows + len(piece.ragged) for piece in table.file.pieces())


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.sampled_from(["\n", "\r\n"]), st.integers(1, 3), st.integers(0, 3))
@example([["1", "2", "a"]], "\n", 3, 1)
@example([["1", "2", "c\nd"]], "\n", 1, 0)
def test_no_row_is_lost_in_a_value_behind_a_quote_that_is_never_closed(
    lines: list[list[str]], end: str, fields: int, more: int
) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *lines])
    assert count_rows(stream.getvalue()) == len(lines)
    broken = f"""{stream.getvalue()}{",".join(['"x'] * fields).replace('"x,', "1,")}{end}{f"7,8,9{end}" * more}"""
    if fields < 3 and not more:  # one line that is no row
        assert count_rows(broken) == len(lines) + 1
        return
    with pytest.raises(csv_files.DataError, match=rf"must close each quote .* row {len(lines) + 1}, the last one"):
        count_rows(broken)


def test_an_encoding_that_is_wrong_is_named(tmp_path: Path) -> None:
    (table,) = opened("a,b\né,1\n".encode("cp1252"), ["a", "b"], format=Format("cp1252"))
    assert fields([table])["a"] == ["é"]
    (tmp_path / "a.csv").write_bytes(b"a,b\n\x81,1\n")
    with pytest.raises(csv_files.DataError, match="CSV in cp1252"):
        open_rows(tmp_path / "a.csv", ["a", "b"], "a.csv", Format("cp1252"))


def test_a_header_of_many_names_is_read_whole() -> None:
    names = [f"gene {number}" for number in range(20_000)]
    content = ",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n"
    assert opened(content.encode(), names)[0].file.columns == names
