"""History: who was in Production from when to when, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from recipeline.cli.command import reading_command
from recipeline.orchestration.session import Session
from recipeline.registry.history import Term, terms
from recipeline.reports.summary import tabulate


@reading_command("history")
def history(session: Session) -> tuple[Any, str]:
    """Show which version was in Production from when to when, who changed it, and why.

    \b
    Reads:  the ledger
    Example: recipeline history --json
    """
    served = terms(session.registry.ledger.read().changes)
    return [term.as_dict() for term in served], show_terms(served, session.registry.name)


def show_terms(served: list[Term], name: str) -> str:
    """Return the terms as a table, newest first, times in this machine's time zone."""
    if not served:
        return f"Nothing was in Production of {name}."
    rows = [
        (
            term.version or "(none)",
            _local(term.since),
            _local(term.until) if term.until else "now",
            term.kind,
            f"{term.actor}@{term.host}",
            term.reason,
        )
        for term in reversed(served)
    ]
    return tabulate(["version", "from", "until", "how", "by", "why"], rows)


def _local(time: datetime) -> str:
    """Return a time as `who-served` takes it, with this machine's offset."""
    return time.astimezone().isoformat(sep=" ", timespec="seconds")
