"""History: the versions in Production, with time, user and reason."""

from __future__ import annotations

from typing import Any

from recipeline.cli.command import reading_command
from recipeline.cli.output.terminal import local_time
from recipeline.orchestration.session import Session
from recipeline.registry.history import Term, terms
from recipeline.reports.summary import tabulate


@reading_command("history")
def history(session: Session) -> tuple[Any, str]:
    """List the versions that were in Production: when, changed by whom, and why.

    \b
    Reads:  the ledger
    Example: recipeline history --json
    """
    served = terms(session.registry.ledger.read().changes)
    return served, show_terms(served, session.registry.name)


def show_terms(served: list[Term], name: str) -> str:
    """Return the terms as a table, newest first, in local time.

    Each term lasts until the one above it.
    """
    if not served:
        return f"Nothing was in Production of {name}."
    rows = [
        (
            term.version or "(none)",
            local_time(term.since),
            term.kind,
            f"{term.reason} (by {term.actor}@{term.host})",
        )
        for term in reversed(served)
    ]
    return tabulate(["version", "from", "how", "why"], rows)
