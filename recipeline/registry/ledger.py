"""The ledger: every change of Production in order, chained by hashes.

It is a registered model of its own, ``<model>.ledger``, one version per entry: it lives with the registry, can be read in
MLflow's interface, and needs only MLflow's client. The order is total: a registry numbers versions atomically, and an
entry counts only if it names the hash of the entry before it. If two were appended at once, each naming the same one,
the first counts; the other is void, and its writer reads again.

It detects accidents. An administrator of the registry can rewrite it from the first entry on, unless the entries are
signed with a key that the administrator does not have.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.escape import for_markdown
from recipeline.registry.results import APPLIED, OPEN, REVERTED, Entry
from recipeline.registry.view import View
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import require_registered, search_versions
from recipeline.tracking.tags import LedgerTags, tags_in

#: The kinds of an entry: what changed Production.
PROMOTE, APPROVE, FORCED, ROLLBACK = "promote", "approve", "forced", "rollback"

#: Not a change of ours: one that was found (``external``), or damage to the ledger that was seen and taken note of.
EXTERNAL, ACKNOWLEDGE = "external", "acknowledge"

#: Not a change either: candidates that were compared, and a challenger that the gate measured.
LOOK, ATTEMPT = "look", "attempt"

#: The kinds of an entry that is only counted.
COUNTED = frozenset({LOOK, ATTEMPT})

#: The kinds of an entry that leaves Production as it is.
NOTES = frozenset({ACKNOWLEDGE, LOOK, ATTEMPT})

_ENTRY, _HASH, _MAC, _STATE, _HEAD = tags_in(LedgerTags)

_REASON_LENGTH = 1000

_MANY = 1000


@dataclass(frozen=True)
class Actor:
    """The user who makes a change, and the machine."""

    name: str
    host: str


@dataclass(frozen=True)
class Reading:
    """The valid entries of the ledger in order, and its faults by place."""

    entries: tuple[Entry, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    #: The highest number of an entry, valid or not.
    last: int = 0

    @property
    def head(self) -> Entry | None:
        """The newest entry."""
        return self.entries[-1] if self.entries else None

    @property
    def acknowledged(self) -> frozenset[str]:
        """The names of acknowledged faults.

        Faults of entries are acknowledged by a later entry.
        """
        places = [(name.partition(" "), entry.number) for entry in self.entries for name in entry.acknowledged]
        return frozenset(
            f"{kind} {which}"
            for (kind, _, which), number in places
            if kind != "entry" or (which.isdecimal() and int(which) < number)
        )

    @property
    def changes(self) -> tuple[Entry, ...]:
        """The entries that changed Production, oldest first.

        Reverted entries and notes are left out.
        """
        return tuple(entry for entry in self.entries if entry.state != REVERTED and entry.kind not in NOTES)

    @property
    def newest_change(self) -> Entry | None:
        """The newest entry that is not a note, reverted or not."""
        return next((entry for entry in reversed(self.entries) if entry.kind not in NOTES), None)


@dataclass(frozen=True)
class ChangedBy:
    """The user and the run that change the registry."""

    actor: Actor
    run_id: str


class Ledger:
    """The ledger of one registered model.

    `key` signs the entries (HMAC-SHA256) and checks the signatures.
    """

    def __init__(self, client: MlflowClient | View, model: str, *, key: str = "") -> None:
        self._client, self._model, self._key = client if isinstance(client, View) else View(client, model), model, key
        self.name = f"{model}.ledger"

    def read(self) -> Reading:
        """Return the valid entries, and every fault.

        A fault is an entry that is changed, missing, truncated or signed with another key.
        """
        entries: list[Entry] = []
        faults: dict[str, str] = {}
        expected, head = 1, ""
        for version in reversed(search_versions(self._client, self.name)):
            number = int(version.version)
            faults |= {f"entry {n}": f"Entry {n} of the ledger is missing." for n in range(expected, number)}
            expected = number + 1
            fault = self._fault(version)
            if fault:
                faults[f"entry {number}"] = f"Entry {number} of the ledger {fault}."
            entry = _parse(version)
            if entry is None:
                continue
            if entry.previous_hash != head and entry.previous_hash in {e.previous_hash for e in entries}:
                continue  # void: another one had followed already
            # After a changed or missing entry the chain goes on from what the next one names; the fault has been named.
            if entry.previous_hash != head and f"entry {number - 1}" not in faults:
                faults[f"entry {number}"] = f"Entry {number} of the ledger does not follow from the one before it."
            entries.append(entry)
            head = str(version.tags.get(_HASH, entry.hash))
        faults = {**self._head_faults(entries, expected), **faults}
        reading = Reading(tuple(entries), last=expected - 1)
        return replace(reading, faults={name: text for name, text in faults.items() if name not in reading.acknowledged})

    def append(
        self,
        *,
        kind: str,
        before: str,
        after: str,
        actor: Actor,
        reason: str,
        run_id: str,
        evidence: str = "",
        acknowledged: tuple[str, ...] = (),
        state: str = OPEN,
        expected: Entry | None,
        last: int | None = None,
    ) -> Entry | None:
        """Append an entry that follows `expected`; None if another one was first.

        `expected` is None for the first entry. `last` is the highest number of the reading that `expected` is from: an entry of
        the next number follows it, and need not be read again.

        Parameters
        ----------
        evidence : sha256 of the underlying decision; for a note, of what was compared or measured.
        run_id : the run that appends it; the entry leads to it.
        state : APPLIED for a note of which nothing remains to be done but to keep it as the head.
        """
        now = datetime.now(UTC)
        entry = Entry(
            previous_hash=expected.hash if expected else "",
            # Never before the one that it follows, also where the clock was set back or is another machine's.
            time=(max(now, expected.when) if expected else now).isoformat(timespec="milliseconds"),
            kind=kind,
            before=before,
            after=after,
            actor=actor.name,
            host=actor.host,
            reason=reason.encode(errors="replace").decode()[:_REASON_LENGTH],
            run_id=run_id,
            evidence=evidence,
            acknowledged=acknowledged,
        )
        self._make()
        tags = {_ENTRY: entry.content(), _HASH: entry.hash, _STATE: state}
        if self._key:
            tags[_MAC] = self._sign(entry)
        version = self._client.create_model_version(
            self.name,
            f"runs:/{run_id}/ledger",
            run_id=run_id,
            tags=tags,
            description=for_markdown(f"{before or 'none'} → {after or 'none'} ({kind}) by {actor.name}: {entry.reason}"),
        )
        if last is not None and int(version.version) == last + 1:
            return replace(entry, number=last + 1, state=state)
        self._client.reread()
        # The next one may have followed already: what counts is whether this one does.
        return next((found for found in self.read().entries if found.number == int(version.version)), None)

    def close(self, entry: Entry, state: str = APPLIED) -> None:
        """Say what became of an entry, and keep the head outside of the ledger too.

        A kept head that shows damage stays until somebody has taken note of it.
        """
        note = self._head_note()
        if entry.kind == ACKNOWLEDGE or not note or note in map(_note_of, self.read().entries):
            self._client.set_registered_model_tag(self._model, _HEAD, _note_of(entry))
        if entry.state != state:
            self._client.set_model_version_tag(self.name, str(entry.number), _STATE, state)

    def lags(self, head: Entry) -> bool:
        """Whether an earlier entry than `head` is kept as the newest one, or none yet.

        The command that appended it was stopped.
        """
        note, entries = self._head_note(), self.read().entries
        if not note:
            return all(entry.kind in COUNTED for entry in entries)
        return note != _note_of(head) and note in map(_note_of, entries)

    def _make(self) -> None:
        text = f"Every change of Production of {for_markdown(self._model)}, one version an entry. Written by the pipeline."
        require_registered(self._client, self.name, text)

    def _sign(self, entry: Entry) -> str:
        # A key from the environment may be any bytes.
        return hmac.new(self._key.encode(errors="surrogateescape"), entry.content().encode(), hashlib.sha256).hexdigest()

    def _fault(self, version: ModelVersion) -> str:
        entry = _parse(version)
        if entry is None:
            return "cannot be read"
        if entry.hash != version.tags.get(_HASH):
            return "was changed"
        if self._key and not hmac.compare_digest(self._sign(entry).encode(), str(version.tags.get(_MAC, "")).encode()):
            return "is not signed with this key"
        return ""

    def key_fault(self) -> str:
        """Return how the key differs from the one of the newest signed entry.

        Entries that are appended then are faults to those who have the other key. Empty: it does not differ, or none is signed.
        """
        newest = next((it for it in search_versions(self._client, self.name) if it.tags.get(_MAC)), None)
        if newest is None:
            return ""
        if not self._key:
            return f"Entries of {self.name} are signed, and RECIPELINE_LEDGER_KEY is not set."
        entry = _parse(newest)
        if entry is None or hmac.compare_digest(self._sign(entry).encode(), str(newest.tags[_MAC]).encode()):
            return ""
        return f"Entry {newest.version} of {self.name} is signed with another key than the present RECIPELINE_LEDGER_KEY."

    def _head_note(self) -> str:
        """Return the note of the newest entry, kept outside of the ledger.

        It is empty where there is none.
        """
        try:
            return str(self._client.get_registered_model(self._model).tags.get(_HEAD, ""))
        except MlflowException as error:
            if not is_missing(error):
                raise
            return ""

    def _head_faults(self, entries: list[Entry], expected: int) -> dict[str, str]:
        """Return the contradictions between the newest entry's note and the ledger.

        `expected` is the least number of the ledger's next version.
        """
        note = self._head_note()
        if note in map(_note_of, entries) or (not note and all(it.state == OPEN or it.kind in COUNTED for it in entries)):
            return {}
        text = note.partition(" ")[0]
        number = int(text) if text.isdecimal() else 0
        if not 0 < number < expected + _MANY:
            return {"head": "The note of the ledger's newest entry is not the one that was written."}
        if number < expected:
            return {f"entry {number}": f"Entry {number} of the ledger is not the one that was written."}
        return {f"entry {n}": f"Entry {n} of the ledger is missing." for n in range(expected, number + 1)}


def _note_of(entry: Entry) -> str:
    return f"{entry.number} {entry.hash}"


def _parse(version: ModelVersion) -> Entry | None:
    """Return the entry that the version is; None where its content is none."""
    try:
        values = json.loads(version.tags[_ENTRY])
        noted = values.pop("acknowledged")
        entry = Entry(**values, acknowledged=tuple(noted), number=int(version.version), state=version.tags.get(_STATE, OPEN))
        is_sound = isinstance(noted, list) and all(isinstance(text, str) for text in (*values.values(), *noted))
        if not is_sound or not entry.when.tzinfo or not entry.hash:
            return None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return entry
