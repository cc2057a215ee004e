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
