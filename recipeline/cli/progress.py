"""Progress, on stderr or in a notebook."""

from __future__ import annotations

import sys
import time
from typing import TextIO

import click

from recipeline.cli.terminal import echo


class Progress:
    """Progress as lines; on a terminal or in a notebook, a counter in place."""

    def __init__(self, stream: TextIO | None = None, *, overwrites: bool | None = None) -> None:
        """Write to `stream`; None: stderr.

        `overwrites`: a counter stays on one line; None: on a terminal only.
        """
        self._stream, self._overwrites = stream, overwrites
        self._shown = ""
        self._next_tick: float | None = None

    def say(self, text: str) -> None:
        """Show `text`."""
        self._wipe()
        if text:
            self._write(f"{text}\n")

    def advance(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done, the last of them `label`."""
        if not self._is_live:
            if done == total or done % 10 == 0:
                self._write(f"  {done}/{total} fits, last {label}\n")
            return
        self._wipe()
        width = 24
        bar = "█" * (width * done // total)
        self._shown = f"  {bar:░<{width}} {done}/{total} fits, last {label}"
        self._write(self._shown)
        if done == total:
            self._wipe()

    def tick(self, text: str) -> None:
        """Show the progress of work of unknown length.

        Twice a second on a terminal, else every ten seconds.
        """
        now = time.monotonic()
        self._next_tick = now + 1 if self._next_tick is None else self._next_tick
        if now < self._next_tick:
            return
        self._next_tick = now + (0.5 if self._is_live else 10)
        self._wipe()
        self._shown = f"  {text}" if self._is_live else ""
        self._write(self._shown or f"  {text}\n")

    @property
    def _is_live(self) -> bool:
        return (self._stream or sys.stderr).isatty() if self._overwrites is None else self._overwrites

    def _write(self, text: str) -> None:
        echo(text, file=self._stream or sys.stderr, nl=False)

    def _wipe(self) -> None:
        if self._shown:
            click.echo("\r" + " " * len(self._shown) + "\r", file=self._stream or sys.stderr, nl=False)
            self._shown = ""
