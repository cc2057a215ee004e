from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from recipeline.maintenance.exchange import Exchange
from tests.faults import in_fork

#: Files of both folders: of the old one, of the new one, and of both, of which one is the same and one a folder in the other.
_OLD = {"toy/1/a.txt": "same", "toy/1/b.txt": "old", "toy/2/a.txt": "old", "gone/a.txt": "old", "kind": "old"}
_NEW = {"toy/1/a.txt": "same", "toy/1/b.txt": "new", "toy/3/a.txt": "new", "come/a.txt": "new", "kind/a.txt": "new"}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def read(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    write(tmp_path / "runs", _OLD)
    write(tmp_path / "new", _NEW)
    return Exchange(tmp_path / "new", tmp_path / "runs", "now", ExitStack())


@pytest.mark.parametrize("links", [True, False])
def test_the_new_content_is_there_and_the_old_one_aside(
    exchange: Exchange, tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    exchange.bring_in()
    assert read(tmp_path / "runs") == {name: text for name, text in _OLD.items() if name != "kind"} | _NEW
    exchange.move_out()
    assert (read(tmp_path / "runs"), read(exchange.aside)) == (_NEW, _OLD)


@pytest.mark.parametrize("links", [True, False])
def test_what_fails_at_its_end_is_undone(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links")

    write(tmp_path / "runs", _OLD)
    write(tmp_path / "new", _NEW)
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    with ExitStack() as undo:
        exchange = Exchange(tmp_path / "new", tmp_path / "runs", "now", undo)
        exchange.bring_in()
        exchange.move_out()
    assert (read(tmp_path / "runs"), read(tmp_path / "new"), read(exchange.aside)) == (_OLD, _NEW, {})
    assert not exchange.aside.exists()


def test_whenever_it_is_killed_no_file_is_missing(tmp_path: Path) -> None:
    """The old database finds its files until it is replaced."""
    both = ("toy/1/a.txt", "toy/1/b.txt", "toy/2/a.txt", "gone/a.txt")
    for moment in range(100):
        place = tmp_path / str(moment)
        write(place / "runs", _OLD)
        write(place / "new", _NEW)
        exchange = Exchange(place / "new", place / "runs", "now", ExitStack())
        ended = in_fork(partial(bring_in_until, exchange, moment))
        assert {*both} <= {*read(place / "runs")}, moment
        kept = [*read(place / "runs").items(), *read(exchange.aside).items()]
        assert {*_OLD.items()} <= {*kept}, moment
        if ended == 0:
            break
    assert 5 < moment < 99


def bring_in_until(exchange: Exchange, moment: int) -> None:
    seen = 0

    def hook(name: str, _: object) -> None:
        nonlocal seen
        if name in ("os.rename", "os.link", "os.mkdir"):
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(hook)
    exchange.bring_in()
