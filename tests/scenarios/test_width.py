"""On a terminal of 80 columns no line is wider, coloured or not."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recipeline.artifacts import ORDER
from tests.conftest import Project, find_command, undrawn

#: As a user types them, one after the other, each with what it needs; it must not matter whether one of them fails.
TYPED = (
    *((step, {}) for step in (*ORDER, "main")),
    ("main", {"model": "dt", "promote": "always"}),
    *((name, {}) for name in ("history", "why", "doctor", "report", "predict", "prune", "repair")),
    ("compare", {"before": "1", "after": "2"}),
    ("who_served", {"at": "now"}),
    ("monitor", {"data": "{data}"}),
    ("rollback", {"reason": "the grades of the last weeks were too high, says everybody who tasted the wines " * 2}),
    ("history", {}),
    ("backup", {"output": "{folder}/a folder/b.tar.gz"}),
    ("approve", {"version": "abc"}),
    ("train", {"model": "forest"}),
    ("ingest", {"data": "/nowhere/there is no such table in any of these folders/wines.csv"}),
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Let stdout and stderr be a terminal of 80 columns; give its text."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    sent: list[bytes] = []

    def read() -> None:
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # nobody holds the other end
                return
            sent.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with monkeypatch.context() as patch:
        stream = os.fdopen(follower, "w", encoding="utf-8")
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        yield sent
        stream.close()
    reader.join()
    os.close(leader)


def typed(project: Project, name: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch, *more: str) -> str:
    """Return what a terminal shows when a command is typed."""
    given = {"recipe": str(project.recipe_path), "profile": str(project.profile_path)} | options
    places = {"data": str(project.data), "folder": str(project.folder)}
    words = [word for key, value in given.items() for word in (f"--{key.replace('_', '-')}", value.format(**places))]
    with terminal(monkeypatch) as sent, undrawn(), pytest.raises(SystemExit):
        find_command(name).main([*words, *more])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return b"".join(sent).decode().replace("\r\n", "\n")


def too_wide(text: str) -> list[str]:
    """Return lines wider than 80 columns, but for a path, URL or ID alone.

    A counter overwrites itself: each state of it is a line.
    """
    lines = [line for line in re.split("[\r\n]", _COLOUR.sub("", text)) if len(line) > 80]
    return [line for line in lines if len(line.split()) > 1 and not Path(line.strip().split(": ")[-1]).exists()]


def test_every_command_that_prints_stays_within_80_columns(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = [(name, typed(project, name, options, monkeypatch)) for name, options in TYPED]
    assert {name: lines for name, text in shown if (lines := too_wide(text))} == {}
    assert all(text.strip() for _, text in shown)
    coloured = {name for name, text in shown if _COLOUR.search(text)}
    assert {"main", "promote", "doctor"} <= coloured
    assert not any("Traceback" in text for _, text in shown)


@pytest.mark.parametrize("name", [*ORDER, "main", "predict", "serve", "monitor", "retrain", "new", "upgrade", "history"])
def test_help_stays_within_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as sent, pytest.raises(SystemExit):
        find_command(name).main(["--help"])
    assert too_wide(b"".join(sent).decode()) == []


def test_there_are_no_colours_where_none_are_wanted_or_can_be_shown(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not _COLOUR.search(typed(trained, "doctor", {}, monkeypatch))
    monkeypatch.delenv("NO_COLOR")
    assert _COLOUR.search(typed(trained, "doctor", {}, monkeypatch))
    assert not _COLOUR.search(trained.ok("doctor").stdout)


def test_json_is_printed_as_it_is_whatever_the_width(trained: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    text = typed(trained, "history", {}, monkeypatch, "--json")
    assert max(map(len, text.splitlines())) > 80
    assert not _COLOUR.search(text)
