from __future__ import annotations

import os
import pty
import re
import time
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from types import SimpleNamespace

import pytest

from recipeline.cli.output.progress import Progress, _Line, heartbeat


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Progress], object]], str]:
    """Return what a terminal is sent by what is done with a progress."""
    monkeypatch.setattr("recipeline.cli.output.progress._STDERR", _Line())  # nothing is shown that a test before it left

    def show(work: Callable[[Progress], object]) -> str:
        here, there = pty.openpty()
        with os.fdopen(there, "w", encoding="utf-8") as terminal, redirect_stderr(terminal):
            work(Progress())
        sent = b""
        with suppress(OSError):  # nobody is at the other end any more
            while more := os.read(here, 1 << 12):
                sent += more
        os.close(here)
        return sent.decode()

    return show


def test_a_line_is_said_on_stderr_and_an_empty_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.say("ingest: cache=off")
    progress.say("")
    assert capsys.readouterr() == ("", "ingest: cache=off\n")


def test_a_step_begins_with_its_reason_or_with_none(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.begin("register", "always run")
    progress.begin("retrain")
    assert capsys.readouterr().err == "register: always run\nretrain\n"


def test_where_there_is_no_terminal_every_tenth_and_the_last_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    for done in range(1, 24):
        progress.advance("Tree", done, 23)
    assert capsys.readouterr().err.splitlines() == [f"  {done}/23 fits, last Tree" for done in (10, 20, 23)]


def test_on_a_terminal_a_bar_overwrites_itself_and_is_gone_at_the_end(
    on_a_terminal: Callable[[Callable[[Progress], object]], str],
) -> None:
    sent = on_a_terminal(lambda progress: [progress.advance("Tree", done, 2) for done in (1, 2)])
    first, second = (f"  {bar} {done}/2 fits, last Tree" for bar, done in (("█" * 12 + "░" * 12, 1), ("█" * 24, 2)))
    wipe = f"\r{' ' * len(first)}\r"
    assert sent == f"{first}{wipe}{second}{wipe}"


def test_a_line_wipes_what_is_shown(on_a_terminal: Callable[[Callable[[Progress], object]], str]) -> None:
    def work(progress: Progress) -> None:
        progress.advance("Tree", 1, 2)
        progress.say("done")

    assert on_a_terminal(work).endswith("\rdone\r\n")


def test_what_has_no_known_end_is_said_after_a_second_and_then_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, progress = [100.0], Progress()
    monkeypatch.setattr("recipeline.cli.output.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    for seconds in range(25):
        now[0] = 100.0 + seconds
        progress.tick(f"{seconds} rows")
    assert capsys.readouterr().err.splitlines() == ["  1 rows", "  11 rows", "  21 rows"]


def shown_after_wipes(sent: str) -> list[str]:
    """Return what a terminal showed on the line that is overwritten, in order."""
    return [part for part in re.split(r"\r *\r|\r\n", sent) if part]


def test_where_nothing_is_shown_for_a_second_the_work_and_its_time_are_and_both_go_at_the_end(
    on_a_terminal: Callable[[Callable[[Progress], object]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipeline.cli.output.progress._QUIET", 0.05)
    monkeypatch.setattr("recipeline.cli.output.progress._BEAT", 0.01)

    def work(progress: Progress) -> None:
        with heartbeat("main"):
            time.sleep(0.3)
            progress.begin("evaluate", "code changed")
            time.sleep(0.3)
            progress.advance("Tree", 1, 2)
            time.sleep(0.3)
        progress.say("done")

    shown = shown_after_wipes(on_a_terminal(work))
    assert len(shown) > 8
    kinds = [re.sub(r" · [01] s$", " · N s", line) for line in shown]
    bar = f"  {'█' * 12}{'░' * 12} 1/2 fits, last Tree"
    changes = [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]
    assert changes == ["  main · N s", "evaluate: code changed", "  evaluate · N s", bar, f"{bar} · N s", "done"]


def test_work_that_goes_on_is_counted_from_its_beginning_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipeline.cli.output.progress._QUIET", 0.02)
    monkeypatch.setattr("recipeline.cli.output.progress._BEAT", 0.01)

    def seconds(name: str, *, goes_on: bool = False) -> list[int]:
        with heartbeat(name, goes_on=goes_on):
            time.sleep(0.4)
        return [int(it) for it in re.findall(rf"{name} · (\d+) s", capsys.readouterr().err)]

    now = time.monotonic
    assert max(seconds("predict", goes_on=True)) < 100
    monkeypatch.setattr("recipeline.cli.output.progress.time.monotonic", lambda: now() + 100)
    assert min(seconds("predict")) >= 100
    assert max(seconds("predict")) < 100  # another command


def test_a_line_that_is_overwritten_is_not_wider_than_the_terminal(
    on_a_terminal: Callable[[Callable[[Progress], object]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    shown = shown_after_wipes(on_a_terminal(lambda progress: progress.advance("A" * 100, 1, 2)))
    assert [len(line) for line in shown] == [59]


def test_where_there_is_no_terminal_a_long_silence_is_broken_by_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for quiet, lines in ((0.01, {"  main · 0 s"}), (10.0, set())):
        monkeypatch.setattr("recipeline.cli.output.progress._QUIET", quiet)
        with heartbeat("main"):
            time.sleep(0.4)
        out, err = capsys.readouterr()
        assert (out, set(err.splitlines())) == ("", lines)
