"""The terminal: the one place where commands print."""

from __future__ import annotations

from typing import TextIO

import click

from recipeline.escape import for_terminal


def echo(text: str, *, err: bool = False, nl: bool = True, file: TextIO | None = None) -> None:
    """Print text to stdout, stderr or another stream; what a terminal would act upon is written out."""
    click.echo(for_terminal(text), err=err, nl=nl, file=file)
