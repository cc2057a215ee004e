"""Looks and attempts in the ledger: the number of tries at a champion.

A look is a comparison of settings on the rows that the gate uses too: the best of many equal ones seems better than the
champion. An attempt is a measurement by the gate. Both are counted per champion, by settings and not by rows, and outlive
the runs and versions that they were made in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from recipeline.registry.ledger import ATTEMPT, LOOK, ChangedBy, Reading
from recipeline.registry.results import Entry
from recipeline.registry.versions import Registry

#: So many looks fit into an entry: 5000 characters, which every store takes.
_AT_ONCE = 100


def look_of(recipe_digest: str) -> str:
    """Return the form of a recipe's digest that the ledger keeps."""
    return recipe_digest[:16]


def record_looks(registry: Registry, settings: Mapping[str, int], changed_by: ChangedBy) -> None:
    """Record what is compared now, unless it was under this champion already.

    Parameters
    ----------
    settings : by digest of a candidate's recipe, as `look_of` has it, how many settings of it were tried.
    """
    with registry.locked():
        registry.create()
        champion = registry.champion()
        known = _looks(registry.ledger.read(), {str(champion.version) if champion else ""})
        new = [f"{digest}:{tried}" for digest, tried in settings.items() if known.get(digest, 0) < tried]
        for start in range(0, len(new), _AT_ONCE):
            part = new[start:][:_AT_ONCE]
            registry.record(LOOK, f"{len(part)} candidates were compared", changed_by, evidence=" ".join(part))


def take_looks(registry: Registry, entries: Iterable[Entry], changed_by: ChangedBy) -> None:
    """Record the looks of another registry, from whose ledger the `entries` are.

    They chose the challenger that was transferred from there. Those made since the champion was promoted here are looks under
    it; earlier ones too, unless this ledger has them: it took them with an earlier transfer.
    """
    reading = registry.ledger.read()
    since = reading.changes[-1].when if reading.changes else datetime.min.replace(tzinfo=UTC)
    known = _looks(reading, {entry.after for entry in reading.entries})
    settings: dict[str, int] = {}
    for entry in entries:
        for digest, tried in _looks(Reading((entry,)), {entry.after}).items():
            if entry.when > since or known.get(digest, 0) < tried:
                settings[digest] = max(settings.get(digest, 0), tried)
    record_looks(registry, settings, changed_by)


def count_looks(registry: Registry, champion: str, own: str = "") -> int:
    """Return the number of settings compared under `champion` or its predecessor.

    `champion` is empty for none. These comparisons chose the champion, and perhaps this challenger too; the champion's own
    recipe, of the digest `own`, is left out.
    """
    reading = registry.ledger.read()
    earlier = _looks(reading, {entry.before for entry in reading.changes if entry.after == champion})
    earlier.pop(own, None)
    now = _looks(reading, {champion})
    return sum(max(earlier.get(digest, 0), now.get(digest, 0)) for digest in {*earlier, *now})


def _looks(reading: Reading, champions: set[str]) -> dict[str, int]:
    """Return the most settings that were tried of each recipe under these champions."""
    found: dict[str, int] = {}
    for entry in reading.entries:
        if entry.kind == LOOK and entry.after in champions:
            for digest, _, tried in (look.partition(":") for look in entry.evidence.split()):
                found[digest] = max(found.get(digest, 0), int(tried))
    return found


def record_attempt(registry: Registry, key: str, champion: str, reason: str, changed_by: ChangedBy) -> int:
    """Record an attempt at `champion` before its measurement; return its number.

    `champion` is empty for none; numbers begin at 1.

    Parameters
    ----------
    key : a digest of everything that the measurement depends on: the same one again is the same attempt.
    """
    attempt = f"{champion or 'none'}:{key}"
    with registry.locked(goes_on=True):
        if attempt not in _attempts(registry, champion):
            registry.record(ATTEMPT, reason, changed_by, evidence=attempt)
        return _attempts(registry, champion).index(attempt) + 1


def _attempts(registry: Registry, champion: str) -> list[str]:
    """Return the attempts at `champion` by their keys, in their order."""
    entries, at = registry.ledger.read().entries, f"{champion or 'none'}:"
    return [it.evidence for it in entries if it.kind == ATTEMPT and it.evidence.startswith(at)]
