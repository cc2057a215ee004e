from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from recipeline.registry.stages import CHAMPION
from recipeline.registry.versions import Registry
from recipeline.serving.model.copies import discard, fetch_version, mark_served, served_copies
from recipeline.serving.model.loading import load_copy
from recipeline.tracking.artifacts.manifest import Reader
from tests.conftest import NAME, Project
from tests.serving.helpers import store_of


def test_a_version_is_fetched_once_and_whole_or_not_at_all(
    trained: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = store_of(trained), tmp_path / "copies"
    champion = Registry(store, NAME).holder(CHAMPION)
    assert champion is not None
    monkeypatch.setattr(Reader, "copy_model", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        fetch_version(store, champion, folder)
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    copy = fetch_version(store, champion, folder)
    assert fetch_version(store, champion, folder) == copy
    assert served_copies(folder) == []
    mark_served(copy)
    assert served_copies(folder) == [copy]
    assert load_copy(copy).version == str(champion.version)


def make_copy(folder: Path, name: str, *, served_at: int | None = None, age: float = 0) -> Path:
    copy = folder / name
    copy.mkdir(parents=True)
    if served_at is not None:
        (copy / "served").touch()
        os.utime(copy / "served", (served_at, served_at))
    os.utime(copy, (time.time() - age, time.time() - age))
    return copy


def test_few_of_the_copies_that_were_served_are_kept_the_last_ones(tmp_path: Path) -> None:
    copies = [make_copy(tmp_path, f"{number}-m", served_at=number) for number in range(6)]
    mark_served(copies[2])
    assert served_copies(tmp_path) == [copies[2], copies[5], copies[4]]
    assert sorted(tmp_path.iterdir()) == [copies[2], copies[4], copies[5]]


def test_the_copy_that_was_served_last_is_the_first_also_where_the_clock_was_set_back(tmp_path: Path) -> None:
    """As on a machine that asks for the time some time after its start."""
    later = int(time.time()) + 10**6
    ahead, behind, old = (make_copy(tmp_path, f"{it}-m", served_at=it) for it in (later, later - 1, 1))
    for copy in (old, behind, ahead, old, old):
        mark_served(copy)
        assert served_copies(tmp_path)[0] == copy
    assert served_copies(tmp_path) == [old, ahead, behind]


def test_a_copy_that_never_was_served_is_no_copy_to_recall_however_new_it_is(tmp_path: Path) -> None:
    served = make_copy(tmp_path, "1-m", served_at=1)
    make_copy(tmp_path, "2-m")
    make_copy(tmp_path, ".unfinished-x", served_at=9)
    assert served_copies(tmp_path) == [served]


def test_what_a_killed_worker_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    served, fetching = make_copy(tmp_path, "1-m", served_at=1, age=9999), make_copy(tmp_path, "2-m", age=60)
    for name in ("3-m", ".unfinished-x"):
        make_copy(tmp_path, name, age=9999)
    mark_served(served)
    assert sorted(tmp_path.iterdir()) == [served, fetching]


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = make_copy(tmp_path, "1-m", served_at=1)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("touch", "rename", "mkdir"):
        monkeypatch.setattr(Path, name, fail)
    mark_served(copy)
    discard(copy)
    assert served_copies(tmp_path) == [copy]
