"""The history of Production: terms of versions, read from the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import accumulate

from recipeline.errors import UsageError
from recipeline.registry.results import Entry

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Term:
    """A version's time in Production: from `since` until `until`, and its change.

    `until` is None for the present one. `version` is empty for a time without a version in Production.
    """

    version: str
    since: datetime
    until: datetime | None
    kind: str
    actor: str
    host: str
    reason: str
    evidence: str
    run_id: str
    entry: int


def terms(changes: Iterable[Entry]) -> list[Term]:
    """Return the terms of the ledger's `changes`, both oldest first.

    No term begins before its predecessor, even if the clock was set back between two entries.
    """
    entries = list(changes)
    times = [*accumulate((entry.when for entry in entries), max)]
    return [
        Term(e.after, since, until, e.kind, e.actor, e.host, e.reason, e.evidence, e.run_id, e.number)
        for e, since, until in zip(entries, times, [*times[1:], None], strict=False)
    ]


def during(served: Iterable[Term], start: datetime, end: datetime) -> list[Term]:
    """Return the terms that overlap the time from `start` to `end`, exclusive.

    For a moment, `end` = `start`.
    """
    until = max(end, start + timedelta(microseconds=1))
    return [term for term in served if term.since < until and (term.until is None or term.until > start)]


def parse_time(text: str, now: datetime) -> tuple[datetime, datetime]:
    """Return the start and end of the time in `text`: a day, a second or a moment.

    It is ISO 8601 (``2026-11-17``, ``2026-11-17T14:30``, ``2026-11-17T14:30+01:00``), ``now``, ``today``, ``yesterday``, or a
    weekday, the last one before today. Without an offset it is in the time zone of `now`.

    Raises
    ------
    UsageError : it is none of these.
    """
    word = text.strip().lower().removeprefix("last ")
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if word == "now":
        return now, now
    if word in ("today", "yesterday"):
        start = today - timedelta(days=word == "yesterday")
    elif word in _DAYS:
        start = today - timedelta(days=(today.weekday() - _DAYS.index(word) - 1) % 7 + 1)
    else:
        try:
            start = datetime.fromisoformat(text.strip())
        except ValueError:
            raise UsageError(
                "at must be a day or a moment.",
                got=f"'{text}'",
                fix="Examples: 2026-11-17, 2026-11-17T14:30, 2026-11-17T14:30+01:00, yesterday, tuesday.",
            ) from None
        start = start if start.tzinfo else start.replace(tzinfo=now.tzinfo)
        if not re.fullmatch(r"\d{4}-?\d\d-?\d\d|\d{4}-?W\d\d(-?\d)?", text.strip()):
            # `history` shows whole seconds: a time copied from there means all of its second.
            return start, start + timedelta(seconds=1) if re.search(r"[ T]\d\d:\d\d:\d\d(?![.,])", text) else start
    return start, start + timedelta(days=1)


class _LocalZone(tzinfo):
    """This machine's time zone, with the offset of each time.

    In July that may be another one than in December.
    """

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """Return the offset of a time; of one that comes twice, `fold` tells which."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:  # noqa: ARG002
        """Return None: how much of the offset is due to summer is not known."""
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        """Return the name of the zone at a time."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        """Return a time of UTC, which has this zone, in this zone."""
        local = dt.replace(tzinfo=UTC).astimezone()
        found = local.replace(tzinfo=self, fold=0)
        return found if found.utcoffset() == local.utcoffset() else found.replace(fold=1)


#: `datetime.astimezone` gives times the offset that they have themselves, which days and times beside them need not have.
LOCAL = _LocalZone()


def local_now() -> datetime:
    """Return the time now, in this machine's time zone."""
    return datetime.now(LOCAL)
