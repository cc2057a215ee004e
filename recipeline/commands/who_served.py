"""Who served: the version that was in Production at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from recipeline.cli.command import reading_command
from recipeline.cli.live.log import find_own_log
from recipeline.commands.history import show_terms
from recipeline.escape import for_cell
from recipeline.orchestration.session import Session
from recipeline.registry.history import LOCAL, Term, during, local_now, parse_time, terms


@reading_command("who_served")
@click.option(
    "--at",
    default="now",
    show_default=True,
    help="A day or a moment: 2026-11-17, 2026-11-17T14:30, tuesday (the last one before today).",
)
@click.option(
    "--request",
    default="",
    show_default="none",
    help="The ID of a request, the header X-Request-ID of its answer: the version that answered it, as the service's log says.",
)
def who_served(session: Session, at: str, request: str) -> tuple[Any, str]:
    """Show the version that was in Production at a time or on a day.

    With a request, the version that answered it: on that day or at that moment, or in the whole log without one.

    \b
    Reads:  the ledger; with a request, the service's log and its archive
    Example: recipeline who-served --at tuesday
    """
    history = terms(session.registry.ledger.read().changes)
    # The clock may have been set back since the last change: now is not before it.
    start, end = parse_time(at, max([local_now(), *(term.since.astimezone(LOCAL) for term in history[-1:])]))
    if request:
        return _who_answered(session, request, history, (0.0 if at == "now" else start.timestamp(), end.timestamp()))
    served = during(history, start, end)
    span = f"{start:%Y-%m-%d %H:%M}" + (f" to {end:%Y-%m-%d %H:%M}" if end > start else "")
    text = show_terms(served, session.registry.name) if served else f"Nothing was in Production of {session.registry.name}."
    return served, f"{span}\n{text}"


def _who_answered(session: Session, request: str, history: list[Term], span: tuple[float, float]) -> tuple[Any, str]:
    """Return the terms of the versions that answered a request, and a text."""
    from recipeline.monitoring.live.log_lines import find_request

    own = find_own_log(session, span[1], span[0], instead=False)
    found = find_request(own.files, request, *span)
    if not found:
        return [], f"No row of the request '{for_cell(request)}' in the service's log {own.place}."
    lines, served = list[str](), list[Term]()
    for it in found:
        when = datetime.fromtimestamp(it.time, UTC).astimezone()
        rows = "1 row" if it.rows == 1 else f"{it.rows} rows"
        lines.append(f"{when:%Y-%m-%d %H:%M:%S}: version {it.version} answered {rows}.")
        known = [term for term in history if term.version == it.version and term.since <= when]
        served += [term for term in known[-1:] if term not in served]
    text = "\n".join(lines)
    return served, f"{text}\n{show_terms(served, session.registry.name)}" if served else text
