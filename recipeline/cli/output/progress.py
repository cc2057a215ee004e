"""Progress, on stderr or in a notebook."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from recipeline.cli.output.terminal import echo

#: How long a terminal may stay as it is while a command works, in seconds, and how often that is looked at.
_QUIET, _BEAT = 1.0, 0.1


class _Line:
    """The last line of a stream, which may be overwritten.

    `text` is the progress that it shows, `name` the work that it is of; `begun` is when work began that goes on, by name.
    """

    def __init__(self, stream: TextIO | None = None, overwrites: bool | None = None) -> None:
        self._stream, self._overwrites = stream, overwrites
        self._shown = self.text = self.name = ""
        self._changed = 0.0
        self.begun: dict[str, float] = {}
        self._lock = threading.RLock()

    @property
    def is_live(self) -> bool:
        """Whether it can be overwritten."""
        return (self._stream or sys.stderr).isatty() if self._overwrites is None else self._overwrites

    def write(self, text: str) -> None:
        """Write whole lines, in the place of what is shown."""
        with self._lock:
            self.wipe()
            echo(text, file=self._stream or sys.stderr, nl=False)

    def show(self, text: str, more: str = "") -> None:
        """Show a text, and `more` of it, until something else is shown."""
        with self._lock:
            self.wipe()
            self.text, self._shown = text, f"{text}{more}"[: shutil.get_terminal_size().columns - 1]
            echo(self._shown, file=self._stream or sys.stderr, nl=False)

    def wipe(self) -> None:
        """Take away what is shown."""
        with self._lock:
            self._changed = time.monotonic()
            if self._shown and self.is_live:
                click.echo("\r" + " " * len(self._shown) + "\r", file=self._stream or sys.stderr, nl=False)
            self._shown = self.text = ""

    def beat(self, seconds: float) -> None:
        """Show the duration of the work if its line is silent for a second.

        Ten seconds without a terminal.
        """
        with self._lock:
            quiet, is_live = time.monotonic() - self._changed, self.is_live
            if is_live and quiet >= _QUIET:
                self.show(self.text, f"{'' if self.text else f'  {self.name}'} · {seconds:.0f} s")
            elif not is_live and quiet >= 10 * _QUIET:
                self.write(f"  {self.name} · {seconds:.0f} s\n")


#: The one of stderr, shared by all who write there.
_STDERR = _Line()


class Progress:
    """Progress as lines; on a terminal or in a notebook, a counter in place."""

    def __init__(self, stream: TextIO | None = None, *, overwrites: bool | None = None) -> None:
        """Write to `stream`; None: stderr.

        `overwrites`: a counter stays on one line; None: on a terminal only.
        """
        self._line = _STDERR if stream is None and overwrites is None else _Line(stream, overwrites)
        self._next_tick: float | None = None

    def begin(self, name: str, reason: str = "") -> None:
        """Show that the step `name` begins, and why."""
        self._line.name = name
        self.say(f"{name}: {reason}" if reason else name)

    def say(self, text: str) -> None:
        """Show `text`."""
        self._line.wipe()
        if text:
            self._line.write(f"{text}\n")

    def advance(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done, the last of them `label`."""
        if not self._line.is_live:
            if done == total or done % 10 == 0:
                self._line.write(f"  {done}/{total} fits, last {label}\n")
            return
        width = 24
        bar = "█" * (width * done // total)
        self._line.show(f"  {bar:░<{width}} {done}/{total} fits, last {label}")
        if done == total:
            self._line.wipe()

    def tick(self, text: str) -> None:
        """Show the progress of work of unknown length.

        Twice a second on a terminal, else every ten seconds.
        """
        now = time.monotonic()
        self._next_tick = now + 1 if self._next_tick is None else self._next_tick
        if now < self._next_tick:
            return
        is_live = self._line.is_live
        self._next_tick = now + (0.5 if is_live else 10)
        if is_live:
            self._line.show(f"  {text}")
        else:
            self._line.write(f"  {text}\n")


@contextmanager
def heartbeat(name: str, *, goes_on: bool = False) -> Iterator[None]:
    """Show that `name` is at work whenever the block is silent for a second.

    Ten seconds without a terminal. With `goes_on` the next block of this name counts on from this one's beginning.
    """
    started, over = _STDERR.begun.pop(name, time.monotonic()), threading.Event()
    before = _STDERR.name
    _STDERR.wipe()
    _STDERR.name = name

    def beat() -> None:
        while not over.wait(_BEAT):
            _STDERR.beat(time.monotonic() - started)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _STDERR.wipe()
        _STDERR.name = before
        if goes_on:
            _STDERR.begun[name] = started
