"""The plan of a folder is read back where its file is still the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recipeline.batch import plan
from recipeline.batch.manifest import Manifest
from recipeline.batch.output import LocalFolder, StoredFolder
from recipeline.batch.parts import Shard
from recipeline.batch.plan import Plan
from recipeline.batch.scoring import predict_part
from recipeline.data.origin.stores import objects
from recipeline.data.origin.stores.objects import StoreFolder
from recipeline.data.reading import ranges
from recipeline.data.reading.formats import Format
from recipeline.data.reading.ranges import Division
from recipeline.errors import DataError, UsageError
from tests.batch.test_scoring import ASKED, wish
from tests.data.origin.stores.test_objects import MemoryBucket


def test_a_file_is_read_for_its_ranges_once_and_another_content_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "LEAST_PIECES", 1)
    source, folder = tmp_path / "rows.csv", LocalFolder(tmp_path / "out")
    source.write_text("acid,alcohol\n" + "4,10\n" * 2000)
    first = Plan.begin(folder, wish(source))
    assert [part.output for part in first.parts] == [f"rows-0000{it}-of-00002.predictions.csv" for it in (1, 2)]

    def refuse(*_: object) -> None:
        raise AssertionError("the file is read again")

    with monkeypatch.context() as patch:
        patch.setattr(plan, "divide", refuse)
        assert Plan.begin(folder, wish(source)) == first
        assert len(first.share(Shard(3, 3)).tasks) == 0
    source.touch()
    assert Plan.begin(folder, wish(source)).begun == first.begun
    source.write_text("acid,alcohol\n" + "5,10\n" * 2000)
    with pytest.raises(UsageError, match="a file with another content"):
        Plan.begin(folder, wish(source))


def test_a_file_that_changes_between_its_ranges_or_while_they_are_found_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "LEAST_PIECES", 1)
    source, folder = tmp_path / "rows.csv", LocalFolder(tmp_path / "out")
    source.write_text("acid,alcohol\n" + "4,10\n" * 2000)
    first, second = Plan.begin(folder, wish(source)).share(Shard(1, 1)).tasks
    predict_part(first, ASKED)
    source.touch()
    predict_part(second, ASKED)  # written again, with the same content
    source.write_text("acid,alcohol\n" + "5,10\n" * 2000)
    with pytest.raises(DataError, match=r"rows\.csv was changed while it was read"):
        predict_part(second, ASKED)

    def change(*_: object) -> Division:
        source.write_text("acid,alcohol\n6,10\n")
        return Division(())

    monkeypatch.setattr(plan, "divide", change)
    with pytest.raises(DataError, match=r"rows\.csv was changed while it was read"):
        Plan.begin(LocalFolder(tmp_path / "other"), wish(source))


def test_a_file_in_another_encoding_is_another_beginning(tmp_path: Path) -> None:
    """Its text is copied to the output."""
    source, folder = tmp_path / "rows.csv", LocalFolder(tmp_path / "out")
    source.write_bytes(b"acid,alcohol,name\n4,10,\x80\n")
    wanted = [replace(wish(source), format=Format(encoding=encoding)) for encoding in ("latin-1", "cp1252")]
    Plan.begin(folder, wanted[0])
    with pytest.raises(UsageError, match=r"another format of tables \(encoding=latin-1\)\. Got encoding=cp1252 instead"):
        Plan.begin(folder, wanted[1])


def test_a_file_of_another_kind_with_the_same_stem_is_another_input(tmp_path: Path) -> None:
    source, folder = tmp_path / "in", LocalFolder(tmp_path / "out")
    source.mkdir()
    for name in ("a.csv", "b.csv"):
        (source / name).write_text("acid,alcohol\n4,10\n")
    Plan.begin(folder, wish(source))
    (source / "b.csv").rename(source / "b.tsv")
    with pytest.raises(UsageError, match=r"another input, 2 parts\. Got the part 'b\.tsv'"):
        Plan.begin(folder, wish(source))


def test_bad_rows_of_an_attempt_that_was_killed_are_not_left_in_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = MemoryBucket()
    monkeypatch.setattr(objects, "_open", lambda *_: bucket)
    source, folder = tmp_path / "rows.csv", StoredFolder(StoreFolder("s3://x/out/"))
    source.write_text("acid,alcohol\n4,10\n")
    bucket.write(b"", "out/_rejects/rows.rejects.csv", is_new=True)
    bucket.write(b"", "out/_manifest/parts/x", is_new=True)
    monkeypatch.setattr(Manifest, "begin", lambda _, begun: begun)
    monkeypatch.setattr(Manifest, "read", lambda _: None)
    [task] = Plan.begin(folder, wish(source)).share(Shard(1, 1)).tasks
    predict_part(task, ASKED)
    assert "out/_rejects/rows.rejects.csv" not in bucket.objects
