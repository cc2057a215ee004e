"""The plan of a folder is read from it where the file is the one that it was begun with."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.batch import plan
from recipeline.batch.output import LocalFolder
from recipeline.batch.parts import Shard
from recipeline.batch.plan import Plan
from recipeline.data.reading import ranges
from recipeline.errors import UsageError
from tests.batch.test_scoring import wish


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
