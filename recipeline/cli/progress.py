"""Progress on stderr."""

from __future__ import annotations

import sys
import time

import click


class Progress:
    """Progress on stderr: lines, and on a terminal a counter that overwrites itself."""

    def __init__(self) -> None:
        self._shown = ""
        self._next_tick: float | None = None

    def say(self, text: str) -> None:
        """Show `text`."""
        self._wipe()
        if text:
            click.echo(text, err=True)

    def advance(self, label: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done, the last of them `label`."""
        if not sys.stderr.isatty():
            if done == total or done % 10 == 0:
                click.echo(f"  {done}/{total} fits, last {label}", err=True)
            return
        self._wipe()
        width = 24
        bar = "█" * (width * done // total)
        self._shown = f"  {bar:░<{width}} {done}/{total} fits, last {label}"
        click.echo(self._shown, nl=False, err=True)
        if done == total:
            self._wipe()

    def tick(self, text: str) -> None:
        """Show how far something is whose end is not known: twice a second on a terminal, else every ten."""
        now = time.monotonic()
        self._next_tick = now + 1 if self._next_tick is None else self._next_tick
        if now < self._next_tick:
            return
        self._next_tick = now + (0.5 if sys.stderr.isatty() else 10)
        self._wipe()
        self._shown = f"  {text}" if sys.stderr.isatty() else ""
        click.echo(f"  {text}", nl=not self._shown, err=True)

    def _wipe(self) -> None:
        if self._shown:
            click.echo("\r" + " " * len(self._shown) + "\r", nl=False, err=True)
            self._shown = ""
