"""Parts of an input, in shards of any number: together the bytes of one go."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recipeline.batch.manifest import Manifest, ModelIdentity
from recipeline.batch.output import LocalFolder
from recipeline.batch.parts import InputFile, Shard
from recipeline.batch.plan import Plan, Wanted
from recipeline.batch.scoring import predict_part
from recipeline.data.origin.folders import list_files
from recipeline.data.reading import csv_files, formats, ranges
from recipeline.data.reading.formats import PLAIN
from recipeline.errors import DataError
from recipeline.inference.tally import BadRowsError
from tests.batches import asked, run


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a block have a few lines, and a range at least two of them."""
    monkeypatch.setattr(csv_files, "BLOCK_BYTES", 120)
    monkeypatch.setattr(formats, "START_BYTES", 60)
    monkeypatch.setattr(ranges, "LEAST_PIECES", 2)


def wish(source: Path, *, rejects: bool = True, **changes: object) -> Wanted:
    files = [InputFile(it.path, it.label, it.name) for it in list_files([source], source.name)]
    whole = {"model": ModelIdentity("Toy", "7", "m-1"), "code": {"numpy": "2"}, "name": source.name, "origin": source.name}
    return Wanted(files, PLAIN, asked().names, rejects=rejects, **whole | changes)


#: The last bit of an answer may depend on the rows that it is made with; here it does.
ASKED = asked(predict=lambda rows: rows @ [0.1, 10.0] + len(rows) / 1024)


def predict(source: Path, output: Path, shards: Iterator[Shard] | list[Shard], **changes: object) -> None:
    output.mkdir(exist_ok=True)
    for shard in shards:
        plan = Plan.begin(LocalFolder(output), wish(source, **changes))
        for task in plan.share(shard).tasks:
            predict_part(task, ASKED)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6) | st.sampled_from(['"', 'a"b', "\n", ""])
VALUE = st.floats(0, 25).map(repr) | st.sampled_from(["7", "7.50", "31", "", "x"])
ROWS = st.lists(st.tuples(TEXT, VALUE, VALUE), min_size=1, max_size=60)
PLAIN_ROWS = [("n", "4", "10")] * 60


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, bytes]:
    """Return the files of an input by name: one or several, plain or compressed."""

    def table() -> bytes:
        written = io.StringIO()
        end = draw(st.sampled_from(["\n", "\r\n"]))
        rows = draw(ROWS) if draw(st.booleans()) else PLAIN_ROWS + draw(ROWS)
        csv.writer(written, lineterminator=end).writerows([("name", "acid", "alcohol"), *rows])
        return written.getvalue().encode()

    files: dict[str, bytes] = {}
    for name in ["a", "b/c", "d"][: draw(st.integers(1, 3))]:
        packed = draw(st.booleans())
        files[f"{name}.csv{'.gz' * packed}"] = gzip.compress(table(), mtime=0) if packed else table()
    return files


ONE_FILE = {"a.csv": b"name,acid,alcohol\n" + b"n,4,10\n" * 50 + b'"q\n""",4,99\n' + b"n,5,11\n" * 40}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inputs(), st.integers(1, 5), st.randoms())
@example(ONE_FILE, 3, __import__("random").Random(0))
@example(ONE_FILE | {"b.csv.gz": gzip.compress(ONE_FILE["a.csv"])}, 2, __import__("random").Random(0))
def test_shards_in_any_order_are_the_folder_and_the_file_of_one_go(
    tmp_path: Path, files: dict[str, bytes], of: int, random: object
) -> None:
    for name in ("in", "one", "many", "out"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    for name, content in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    source = tmp_path / "in" if len(files) > 1 else next(path for path in (tmp_path / "in").rglob("*.csv*"))
    shards = [Shard(number, of) for number in range(1, of + 1)]
    random.shuffle(shards)
    predict(source, tmp_path / "many", shards)
    predict(source, tmp_path / "one", [Shard(1, 1)])
    one = contents(tmp_path / "one")
    assert contents(tmp_path / "many") == one
    assert "_manifest/folder.json" in one

    (tmp_path / "out").mkdir()
    run(source, tmp_path / "out/scored.csv", reject=True, predict=ASKED.predict)
    for kind, whole in (("predictions", "scored.csv"), ("rejects", "scored.rejects.csv")):
        expected = (tmp_path / "out" / whole).read_bytes()
        header = expected.split(b"\n")[0] + b"\n"
        found = [one[name].removeprefix(header) for name in sorted(one) if name.endswith(f".{kind}.csv")]
        assert header + b"".join(found) == expected


def test_the_parts_of_a_parquet_file_are_the_file_of_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ranges, __import__("recipeline.data.reading.parquet_files", fromlist=["x"])):
        monkeypatch.setattr(module, "BATCH_ROWS", 50)
    source = tmp_path / "rows.parquet"
    pd.DataFrame({"acid": np.linspace(4, 16, 500), "alcohol": 10.0}).to_parquet(source, row_group_size=70)
    predict(source, tmp_path / "many", [Shard(2, 2), Shard(1, 2)])
    run(source, tmp_path / "out.parquet", predict=ASKED.predict)
    parts = sorted((tmp_path / "many").glob("*.parquet"))
    assert len(parts) == 5
    whole = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(pd.concat(map(pd.read_parquet, parts), ignore_index=True), whole)


def test_what_is_done_is_not_done_again_unless_it_is_gone_or_its_input_has_changed(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in "abc":
        (source / f"{name}.csv").write_text(f"acid,alcohol\n4,1{ord(name) % 7}\n99,x\n")
    predict(source, output, [Shard(1, 1)])
    before = contents(output)

    def left() -> list[str]:
        share = Plan.begin(LocalFolder(output), wish(source)).share(Shard(1, 1))
        assert len(share.done) + len(share.tasks) == 3
        return [task.part.name for task in share.tasks]

    assert left() == []
    (output / "a.predictions.csv").unlink()
    (output / "_rejects/b.rejects.csv").write_text("half")
    (output / "_manifest/parts/c.csv.json").unlink()
    assert left() == ["a", "b", "c"]
    predict(source, output, [Shard(1, 1)])
    assert contents(output) == before
    (source / "a.csv").touch()
    assert left() == []
    (source / "b.csv").write_text("acid,alcohol\n5,10\n")
    assert left() == ["b"]
    predict(source, output, [Shard(1, 1)])
    assert not (output / "_rejects/b.rejects.csv").exists()
    assert contents(output)["b.predictions.csv"].count(b"\n") == 2


def test_a_part_with_bad_rows_stops_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, row in (("a", "4,10"), ("b", "4,x")):
        (source / f"{name}.csv").write_text(f"acid,alcohol\n{row}\n")
    with pytest.raises(BadRowsError, match=r"b\.csv, row 1, alcohol: must be a number"):
        predict(source, output, [Shard(1, 1)], rejects=False)
    assert sorted(contents(output)) == ["_manifest/folder.json", "_manifest/parts/a.csv.json", "a.predictions.csv"]


def test_a_part_with_other_columns_or_that_changes_is_refused(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.csv").write_text("acid,alcohol\n4,10\n")
    (source / "b.csv").write_text("acid,alcohol,more\n4,10,1\n")
    with pytest.raises(DataError, match=r"b\.csv must have the same columns as the first file\. Got a further 'more'"):
        predict(source, output, [Shard(1, 1)])
    (source / "b.csv").write_text("acid,alcohol\n4,10\n")
    [task] = Plan.begin(LocalFolder(output), wish(source)).share(Shard(1, 1)).tasks

    def change(rows: np.ndarray) -> np.ndarray:
        (source / "b.csv").write_text("acid,alcohol\n4,10\n5,11\n")
        return rows.sum(axis=1)

    with pytest.raises(DataError, match=r"b\.csv was changed while it was read"):
        predict_part(task, asked(predict=change))
    assert Manifest(LocalFolder(output)).find_done([task.part], task.begun) == {}
