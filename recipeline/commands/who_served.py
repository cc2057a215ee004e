"""Who served: the version that was in Production at a time."""

from __future__ import annotations

from typing import Any

import click

from recipeline.cli.command import reading_command
from recipeline.commands.history import show_terms
from recipeline.orchestration.session import Session
from recipeline.registry.history import during, local_now, parse_time, terms


@reading_command("who_served")
@click.option("--at", default="now", show_default=True, help="A day or a moment: 2026-11-17, 2026-11-17T14:30, tuesday.")
def who_served(session: Session, at: str) -> tuple[Any, str]:
    """Show the version that was in Production at a time or on a day.

    \b
    Reads:  the ledger
    Example: recipeline who-served --at tuesday
    """
    history = terms(session.registry.ledger.read().changes)
    # The clock may have been set back since the last change: now is not before it.
    start, end = parse_time(at, max([local_now(), *(term.since.astimezone() for term in history[-1:])]))
    served = during(history, start, end)
    span = f"{start:%Y-%m-%d %H:%M}" + (f" to {end:%Y-%m-%d %H:%M}" if end > start else "")
    text = show_terms(served, session.registry.name) if served else f"Nothing was in Production of {session.registry.name}."
    return served, f"{span}\n{text}"
