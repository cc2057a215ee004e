from __future__ import annotations

import glob
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from recipeline.data.writers import Layout, check_output, open_sink
from recipeline.errors import UnavailableError, UsageError
from recipeline.inference.model_info import Feature
from tests.batches import FEATURES, run, write


def test_the_same_input_is_the_same_bytes(tmp_path: Path, out: Path) -> None:
    source = write(tmp_path / "in.csv", "acid,alcohol\n" + "4.1,10.3\n" * 50)
    for suffix in (".csv", ".csv.gz", ".parquet"):
        first, second = out.with_name(f"a{suffix}"), out.with_name(f"b{suffix}")
        run(source, first)
        run(source, second)
        assert first.read_bytes() == second.read_bytes()


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
        with pytest.raises(UnavailableError, match="output cannot be written to"):
            run(source, out.with_name(f"o{suffix}"), features=tuple(Feature(f.name) for f in FEATURES))

    assert in_fork(fill) == 0
    assert list(out.parent.iterdir()) == []


def test_an_output_that_would_be_the_input_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", "acid;alcohol\n4;10\n")
    (tmp_path / "link.csv").symlink_to(source)
    (tmp_path / "hard.csv").hardlink_to(source)
    for name in ("in.csv", "link.csv", "hard.csv"):
        with pytest.raises(UsageError, match="must differ from the input"):
            check_output(tmp_path / name, [source])
    with pytest.raises(UsageError, match="outside of the input folder"):
        check_output(tmp_path / "new.csv", [tmp_path])
    (tmp_path / "deeper/still").mkdir(parents=True)
    with pytest.raises(UsageError, match="outside of the input folder"):
        check_output(tmp_path / "deeper/still/new.csv", [tmp_path])
    with pytest.raises(UsageError, match="a folder that exists"):
        check_output(tmp_path / "nowhere/new.csv", [source])
    with pytest.raises(UsageError, match="must be a file"):
        check_output(tmp_path, [source])


def test_a_layout_is_extended_by_columns_with_the_separator_it_has() -> None:
    layout = Layout('"a";b', ";", pa.schema([("a", pa.string()), ("b", pa.string())]))
    extended = layout.extended([("c;d", pa.float64())])
    assert extended.header == '"a";b;"c;d"'
    assert extended.schema.names == ["a", "b", "c;d"]


def test_values_are_quoted_only_where_they_must_be(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.float64())])
    with open_sink(tmp_path / "t.csv", Layout("a,b", ",", schema)) as write_rows:
        write_rows(pa.RecordBatch.from_pydict({"a": ["x", None], "b": [0.1, 2.0]}, schema=schema))
        write_rows(pa.RecordBatch.from_pydict({"a": ['say "x", y', ""], "b": [1e-9, None]}, schema=schema))
    assert (tmp_path / "t.csv").read_text() == 'a,b\nx,0.1\n,2\n"say ""x"", y",1e-9\n,\n'


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(write(tmp_path / "there.csv", "before"))
    with open_sink(tmp_path / "link.csv", Layout("a", ",", pa.schema([("a", pa.string())]))):
        pass
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there.csv").read_text() == "a\n"


def test_parquet_has_a_dictionary_of_values_that_repeat_themselves_and_none_of_unique_ones(tmp_path: Path) -> None:
    columns = {
        "unique": pa.array(np.arange(2000) / 7),
        "few": pa.array(np.arange(2000.0) % 9),
        "word": pa.array(["red", "white"] * 1000),
        "a.b": pa.array([None, 1] * 1000),
        "coded": pa.array([str(number) for number in range(2000)]).dictionary_encode(),
        "id": pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([number.to_bytes(16) for number in range(2000)], pa.binary(16))
        ),
    }
    rows = pa.RecordBatch.from_pydict(columns)
    with open_sink(tmp_path / "t.parquet", Layout("", ",", rows.schema)) as write_rows:
        for part in (rows.slice(0, 1200), rows.slice(1200)):
            write_rows(part)
    file = pyarrow.parquet.ParquetFile(tmp_path / "t.parquet")
    assert file.read().equals(pa.Table.from_batches([rows]))
    group = file.metadata.row_group(0)
    found = {group.column(place).path_in_schema: group.column(place).has_dictionary_page for place in range(6)}
    assert found == {"unique": False, "few": True, "word": True, "a.b": True, "coded": True, "id": False}


@pytest.mark.parametrize(
    "columns", [{"a": np.arange(999.0)}, {"a": np.arange(2000.0), "b": [[1], [2, 3]] * 1000}], ids=["few rows", "lists"]
)
def test_parquet_has_dictionaries_where_nothing_is_known_of_the_values(columns: dict[str, Any], tmp_path: Path) -> None:
    rows = pa.RecordBatch.from_pydict(columns)
    with open_sink(tmp_path / "t.parquet", Layout("", ",", rows.schema)) as write_rows:
        write_rows(rows)
    group = pyarrow.parquet.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0)
    assert all(group.column(place).has_dictionary_page for place in range(len(columns)))


@pytest.mark.parametrize("name", ["a.csv", "a[1].csv.gz", "é .parquet"])
def test_what_killed_processes_left_of_an_output_goes_with_the_next_and_nothing_else(tmp_path: Path, name: str) -> None:
    layout = Layout("x", ",", pa.schema([("x", pa.int64())]))
    path, other = tmp_path / name, tmp_path / f".other-{name}.0badcafe.part"
    other.write_text("of another output", encoding="utf-8")
    for end in (signal.SIGKILL, signal.SIGKILL, 0):
        pid = os.fork()
        if not pid:
            with open_sink(path, layout) as write:
                write(pa.RecordBatch.from_pydict({"x": [1, 2]}))
                if end:
                    os.kill(os.getpid(), end)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -end
        assert path.exists() is (end == 0)
        assert len(list(tmp_path.glob(f".{glob.escape(name)}.*.part"))) == (1 if end else 0)
    assert sorted(tmp_path.iterdir()) == sorted([path, other])


def test_what_a_living_process_writes_of_the_same_output_stays(tmp_path: Path) -> None:
    layout = Layout("x", ",", pa.schema([("x", pa.int64())]))
    with open_sink(tmp_path / "a.csv", layout) as first:
        first(pa.RecordBatch.from_pydict({"x": [1]}))
        with open_sink(tmp_path / "a.csv", layout):
            pass
        assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "x\n"
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "x\n1\n"
