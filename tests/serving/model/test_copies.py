from __future__ import annotations

from pathlib import Path

import pytest

from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.model.copies import fetch_version, mark_served, newest_copy
from recipeline.serving.model.loading import load_copy
from tests.conftest import NAME, Project
from tests.serving.helpers import store_of


def test_a_version_is_fetched_once_and_whole_or_not_at_all(
    trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = store_of(trained), tmp_path / "copies"
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    monkeypatch.setattr("shutil.copytree", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        fetch_version(store, champion, folder)
    assert newest_copy(folder) is None
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    copy = fetch_version(store, champion, folder)
    assert fetch_version(store, champion, folder) == copy == newest_copy(folder)
    assert load_copy(copy).version == str(champion.version)


def test_few_copies_are_kept_and_the_newest_is_the_one_served_last(tmp_path: Path) -> None:
    import os

    for number in range(6):
        copy = tmp_path / f"{number}-m"
        copy.mkdir()
        (copy / "version.json").touch()
        os.utime(copy, (number, number))
    mark_served(tmp_path / "2-m")
    assert newest_copy(tmp_path) == tmp_path / "2-m"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2-m", "4-m", "5-m"]
