"""Versions of the registered model, and which of them is the champion.

Alias `champion` is the truth and stage `Production` its mirror. Every change of it is written to the ledger first, as an open
entry, then carried out, then closed: `reconcile` finishes what an earlier command left open, whoever that was.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError, UsageError
from recipeline.registry.ledger import ACKNOWLEDGE, EXTERNAL, NOTES, ROLLBACK, Actor, Ledger
from recipeline.registry.results import OPEN, REVERTED, Entry
from recipeline.registry.stages import CHAMPION, PREVIOUS, PRODUCTION, Stages, files_are_there, holder
from recipeline.tracking.failures import is_missing
from recipeline.tracking.runs import TAG_LENGTH
from recipeline.tracking.store import Store, held, require_registered, search_versions
from recipeline.tracking.tags import PREFIX, Tag, VersionTags

#: How long a command may take from an outdated write of the alias to mending it.
_SLOW_SECONDS, _PAUSE_SECONDS = 10, 0.25


@dataclass(frozen=True)
class ChangedBy:
    """The user and the run that change the registry."""

    actor: Actor
    run_id: str


class Registry:
    """The versions of one registered model; changes are made under a lock."""

    def __init__(self, store: Store, name: str, *, ledger_key: str = "", description: str = "") -> None:
        """Use the registered model `name` of a store.

        A new one is created with the `description`, in Markdown.
        """
        self._store, self._client, self.name = store, store.client, name
        self._description = description
        self._stages = Stages(store.client, name)
        self.ledger = Ledger(store.client, name, key=ledger_key)

    def version(self, version: str) -> ModelVersion:
        """Return a version.

        Raises
        ------
        UnavailableError : there is none.
        UsageError : it is not a number.
        """
        if not re.fullmatch("[0-9]+", version):
            raise UsageError(
                "version must be the number of a version.", got=f"'{version}'", fix="See `history` for the numbers."
            )
        try:
            return self._client.get_model_version(self.name, version)
        except MlflowException as error:
            if not is_missing(error):
                raise
            raise UnavailableError(
                f"No version {version} of {self.name} in the registry.",
                fix="See `history` for the versions.",
            ) from None

    def holder(self, alias: str) -> ModelVersion | None:
        """Return the version with the alias; None where none has it."""
        return holder(self._client, self.name, alias)

    def champion(self) -> ModelVersion | None:
        """Return the version in Production; None where there is none."""
        return self.holder(CHAMPION)

    def versions(self) -> list[ModelVersion]:
        """Return all versions, newest first; none where the model is not registered."""
        return search_versions(self._client, self.name)

    def register(
        self, *, source: str, run_id: str, model_id: str, identity: str, tags: Mapping[str, str | float], description: str
    ) -> tuple[ModelVersion, bool]:
        """Return the version of the model, and whether it is new.

        It becomes the challenger unless it is the champion. A model whose `identity` (training rows, recipe and environment) is
        registered already is not registered again.
        """
        with self.locked():
            require_registered(self._client, self.name, self._description or None)
            self._finish()
            self._stages.sync()
            same = [version for version in self.versions() if version.tags.get(VersionTags.IDENTITY) == identity]
            twins = [version for version in same if files_are_there(self._client, version)]
            if twins:
                version = twins[0]
            else:
                self._require_run(run_id)
                texts = {f"{PREFIX}{name}": str(value)[:TAG_LENGTH] for name, value in tags.items()}
                version = self._client.create_model_version(
                    self.name,
                    source,
                    run_id=run_id,
                    tags={**texts, VersionTags.IDENTITY: identity},
                    description=description,
                    model_id=model_id,
                )
            champion = self.holder(CHAMPION)
            if champion is None or champion.version != version.version:
                self._stages.challenge(version.version)
            return self.version(str(version.version)), not twins

    def _require_run(self, run_id: str) -> None:
        """Raise UnavailableError if the run of a model was deleted.

        `prune` deletes runs under this lock.
        """
        try:
            is_there = self._client.get_run(run_id).info.lifecycle_stage == "active"
        except MlflowException as error:
            if not is_missing(error):
                raise
            is_there = False
        if not is_there:
            raise UnavailableError(f"The run {run_id} of the model was deleted meanwhile.", fix="Train the candidates again.")

    def describe(self, version: str, description: str) -> None:
        """Give a version another description."""
        self._client.update_model_version(self.name, version, description=description)

    def change(
        self, version: str, *, expected: str, kind: str, reason: str, changed_by: ChangedBy, evidence: str = ""
    ) -> Entry | None:
        """Make `version` the champion if `expected` is it now; return the entry.

        `expected` is empty for none. None is returned if another version is the champion. The version before is archived;
        after a rollback it is withdrawn too. A version that returns is no longer withdrawn.
        """
        with self.locked():
            self.reconcile(changed_by)
            reading = self.ledger.read()
            recorded = reading.changes[-1].after if reading.changes else ""
            # The ledger is ahead of the alias where a command that does not share our lock is carrying its entry out.
            if self._champion() != expected or recorded != expected or version == expected:
                return None
            self.version(version)
            entry = self.ledger.append(
                kind=kind,
                before=expected,
                after=version,
                actor=changed_by.actor,
                reason=reason,
                evidence=evidence,
                run_id=changed_by.run_id,
                expected=reading.head,
            )
            if entry is not None:
                self._carry_out(entry)
                if not self._exists(version):  # a machine that does not share our lock deleted it
                    self._finish()
                    self.version(version)
            return entry

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands from changing the registry during the block."""
        with held(self._store.lock(), self._store.uri):
            yield

    def reconcile(self, changed_by: ChangedBy) -> list[str]:
        """Complete interrupted changes, record external ones, and update stages.

        Returns a sentence for each external change.
        """
        with self.locked():
            self._finish()
            notes = self._record_external_change(changed_by)
            self._stages.sync()
            return notes

    def acknowledge(self, names: tuple[str, ...], reason: str, changed_by: ChangedBy) -> None:
        """Record in the ledger that the faults `names` were acknowledged."""
        self.record(ACKNOWLEDGE, reason, changed_by, acknowledged=names)

    def record(
        self, kind: str, reason: str, changed_by: ChangedBy, *, evidence: str = "", acknowledged: tuple[str, ...] = ()
    ) -> None:
        """Write a note into the ledger: an entry that leaves Production as it is."""
        with self.locked():
            require_registered(self._client, self.name, self._description or None)
            self._finish()
            champion, entry = self._champion(), None
            while entry is None:  # another one was there before, by a command that does not share our lock
                entry = self.ledger.append(
                    kind=kind,
                    before=champion,
                    after=champion,
                    actor=changed_by.actor,
                    reason=reason,
                    run_id=changed_by.run_id,
                    evidence=evidence,
                    acknowledged=acknowledged,
                    expected=self.ledger.read().head,
                )
            self.ledger.close(entry)

    def withdrawn(self, version: ModelVersion) -> str:
        """Return why the version is withdrawn; empty if it may be promoted."""
        return str(version.tags.get(VersionTags.WITHDRAWN, ""))

    def note(self, version: str, tags: Mapping[Tag, str | float]) -> None:
        """Set tags on a version."""
        with self.locked():  # two that set one tag for the first time break each other
            for name, value in tags.items():
                self._client.set_model_version_tag(self.name, version, name, str(value)[:TAG_LENGTH])

    def _champion(self) -> str:
        champion = self.holder(CHAMPION)
        return str(champion.version) if champion else ""

    def _finish(self) -> None:
        """Complete the newest change of the ledger, and close a note.

        They are left open by a command that was stopped.
        """
        reading = self.ledger.read()
        head, change = reading.head, reading.newest_change
        if head is not None and head.state == OPEN and head.kind in NOTES:
            self.ledger.close(head)
        if change is None or change.state != OPEN:
            return
        if self._exists(change.after):
            self._carry_out(change)
        elif change.kind == EXTERNAL:
            self.ledger.close(change)
        else:
            self._undo(change)

    def _undo(self, entry: Entry) -> None:
        """Restore the state before `entry`, whose version is deleted.

        The alias is restored too if it had been moved.
        """
        if self._exists(entry.before):
            if not self._champion():
                self._client.set_registered_model_alias(self.name, CHAMPION, entry.before)
            if self.withdrawn(self.version(entry.before)):
                self._client.delete_model_version_tag(self.name, entry.before, VersionTags.WITHDRAWN)
            earlier = [e.before for e in self.ledger.read().changes if e.after == entry.before and self._exists(e.before)]
            if earlier:
                self._client.set_registered_model_alias(self.name, PREVIOUS, earlier[-1])
            elif self.holder(PREVIOUS):
                self._client.delete_registered_model_alias(self.name, PREVIOUS)
            self._stages.sync()
        self.ledger.close(entry, REVERTED)

    def _carry_out(self, entry: Entry) -> None:
        """Apply `entry` to the registry and close it.

        If a newer one was appended meanwhile, that one is applied.
        """
        while True:
            newest = self.ledger.read().newest_change
            entry = newest if newest is not None and newest.number > entry.number else entry
            if not self._exists(entry.after):
                return
            try:
                if self._apply(entry) and not self._newer(entry):
                    return
            except (MlflowException, UnavailableError):
                if self._exists(entry.after) and (not entry.before or self._exists(entry.before)):
                    raise
                # A machine that does not share our lock deleted a version meanwhile.

    def _apply(self, entry: Entry) -> bool:
        """Apply `entry` to the registry and close it; False if a newer one exists."""
        # The truth first: whatever happens from here on, `reconcile` leads to the same end.
        if self._champion() != entry.after:
            self._client.set_registered_model_alias(self.name, CHAMPION, entry.after)
        if self._newer(entry):
            return False
        if self._exists(entry.before) and entry.before != entry.after:
            self._client.set_registered_model_alias(self.name, PREVIOUS, entry.before)
            if entry.kind == ROLLBACK:
                note = f"{entry.time} by {entry.actor}: {entry.reason}"
                self._client.set_model_version_tag(self.name, entry.before, VersionTags.WITHDRAWN, note)
        if self.withdrawn(self.version(entry.after)):
            self._client.delete_model_version_tag(self.name, entry.after, VersionTags.WITHDRAWN)
        self._stages.sync()
        self.ledger.close(entry)
        return True

    def _newer(self, entry: Entry) -> bool:
        """Whether a change was appended after `entry`, by a writer without our lock."""
        newest = self.ledger.read().newest_change
        return newest is not None and newest.number > entry.number

    def _record_external_change(self, changed_by: ChangedBy) -> list[str]:
        """Record in the ledger that the alias was moved outside of the pipeline."""
        for _ in range(int(_SLOW_SECONDS / _PAUSE_SECONDS)):
            reading, champion = self.ledger.read(), self._champion()
            recorded = reading.changes[-1].after if reading.changes else ""
            newest = reading.newest_change
            is_open = newest is not None and newest.state == OPEN  # by a command that does not share our lock
            if champion == recorded or is_open:
                return []
            is_recent = newest is not None and datetime.now(UTC) - newest.when < timedelta(seconds=60)
            if self._store.is_file or not is_recent:
                break
            # Perhaps a command that does not share our lock is about to see that it was overtaken.
            time.sleep(_PAUSE_SECONDS)
        if not champion and self._exists(recorded) and self.version(recorded).current_stage == PRODUCTION:
            self._client.set_registered_model_alias(self.name, CHAMPION, recorded)
            return [f"The alias {CHAMPION} of {self.name} was deleted; it is restored to version {recorded}, in Production."]
        reason = "changed outside of the pipeline; detected now"
        entry = self.ledger.append(
            kind=EXTERNAL,
            before=recorded,
            after=champion,
            actor=Actor("unknown", changed_by.actor.host),
            reason=reason,
            run_id=changed_by.run_id,
            expected=reading.head,
        )
        if entry is None:
            return []  # a command that does not share our lock was changing it
        self.ledger.close(entry)
        if self._exists(recorded):
            self._client.set_registered_model_alias(self.name, PREVIOUS, recorded)
        return [
            f"Production of {self.name} was changed outside of the pipeline: from version {recorded or 'none'} to "
            f"{champion or 'none'}. The change is recorded in the ledger."
        ]

    def _exists(self, version: str) -> bool:
        return bool(version) and any(str(v.version) == version for v in self.versions())
