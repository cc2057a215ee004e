"""Changes of the ledger carried out, completed and undone; external ones recorded.

Callers hold the store's lock; writers on other machines may not share it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError
from recipeline.registry.ledger import COUNTED, EXTERNAL, NOTES, ROLLBACK, Actor, ChangedBy, Ledger
from recipeline.registry.lookup import Lookup
from recipeline.registry.results import OPEN, REVERTED, Entry
from recipeline.registry.stages import CHAMPION, PREVIOUS, PRODUCTION, Stages
from recipeline.registry.view import View
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import Store
from recipeline.tracking.tags import VersionTags

#: How long a command may take from an outdated write of the alias to mending it.
_SLOW_SECONDS, _PAUSE_SECONDS = 10, 0.25


class Reconciler:
    """Makes alias, stages and tags of one registered model follow its ledger."""

    def __init__(self, store: Store, view: View, ledger: Ledger, versions: Lookup, stages: Stages) -> None:
        self._store, self._client, self._name = store, view, versions.name
        self._ledger, self._versions, self._stages = ledger, versions, stages

    def finish(self) -> Entry | None:
        """Complete the newest change of the ledger, and close a note; return the change.

        They are left open by a command that was stopped. None: there was no such change, or it was undone.
        """
        reading = self._ledger.read()
        head, change = reading.head, reading.newest_change
        if head is not None and (
            (head.state == OPEN and head.kind in NOTES) or (head.kind in COUNTED and self._ledger.lags(head))
        ):
            self._ledger.close(head)
        if change is None or change.state != OPEN:
            return None
        if self._versions.exists(change.after):
            self.carry_out(change)
            return change
        if change.kind == EXTERNAL:
            self._ledger.close(change)
        else:
            self._undo(change)
        return None

    def _undo(self, entry: Entry) -> None:
        """Restore the state before `entry`, whose version is deleted.

        The alias is restored too if it had been moved. If a newer entry was appended meanwhile, that one is applied.
        """
        try:
            self._restore(entry)
        except (MlflowException, UnavailableError) as error:
            if isinstance(error, MlflowException) and not is_missing(error):
                raise
            self._client.forget()
            self._restore(entry)  # without a version that another machine deleted meanwhile
        self._apply_newer(entry)

    def _restore(self, entry: Entry) -> None:
        if self._versions.exists(entry.before):
            if not self._versions.champion_number():
                self._client.set_registered_model_alias(self._name, CHAMPION, entry.before)
            if self._versions.withdrawn(self._versions.version(entry.before)):
                self._client.delete_model_version_tag(self._name, entry.before, VersionTags.WITHDRAWN)
            before = [change.before for change in self._ledger.read().changes if change.after == entry.before]
            earlier = [version for version in before if self._versions.exists(version)]
            if earlier:
                self._client.set_registered_model_alias(self._name, PREVIOUS, earlier[-1])
            elif self._versions.holder(PREVIOUS):
                self._client.delete_registered_model_alias(self._name, PREVIOUS)
            self._stages.sync()
        self._ledger.close(entry, REVERTED)

    def carry_out(self, entry: Entry) -> None:
        """Apply `entry` to the registry and close it.

        If a newer one was appended meanwhile, that one is applied.
        """
        while True:
            newest = self._ledger.read().newest_change  # as the lock's holder, or the last check for a newer one, has seen it
            entry = newest if newest is not None and newest.number > entry.number else entry
            if not self._versions.exists(entry.after):
                return
            try:
                if self._apply(entry) and not self._newer(entry):
                    return
            except (MlflowException, UnavailableError):
                if self._are_there(entry.after, entry.before):
                    raise
                # A machine that does not share our lock deleted a version meanwhile.
            self._client.forget()

    def _are_there(self, *numbers: str) -> bool:
        """Whether there are these versions, after a write that failed.

        The registry is read again: that a version is in what was read before says nothing about the failure.
        """
        self._client.forget()
        return all(not number or self._versions.exists(number) for number in numbers)

    def _apply(self, entry: Entry) -> bool:
        """Apply `entry` to the registry and close it; False if a newer one exists."""
        # The truth first: whatever happens from here on, `reconcile` leads to the same end.
        if self._versions.champion_number() != entry.after:
            self._client.set_registered_model_alias(self._name, CHAMPION, entry.after)
        if self._newer(entry):
            return False
        if self._versions.exists(entry.before) and entry.before != entry.after:
            self._client.set_registered_model_alias(self._name, PREVIOUS, entry.before)
            if entry.kind == ROLLBACK:
                note = f"{entry.time} by {entry.actor}: {entry.reason}"
                self._client.set_model_version_tag(self._name, entry.before, VersionTags.WITHDRAWN, note)
        if self._versions.withdrawn(self._versions.version(entry.after)):
            self._client.delete_model_version_tag(self._name, entry.after, VersionTags.WITHDRAWN)
        self._stages.sync()
        self._ledger.close(entry)
        return True

    def _apply_newer(self, entry: Entry) -> None:
        """Apply the change that was appended after `entry`, if one was.

        Its writer may have moved the aliases before this command did.
        """
        if self._newer(entry):
            self._client.forget()
            self.carry_out(entry)

    def _newer(self, entry: Entry) -> bool:
        """Whether a change was appended after `entry`, by a writer without our lock."""
        self._client.reread()
        newest = self._ledger.read().newest_change
        return newest is not None and newest.number > entry.number

    def record_external_change(self, changed_by: ChangedBy) -> list[str]:
        """Record in the ledger that the alias was moved outside of the pipeline."""
        for attempt in range(int(_SLOW_SECONDS / _PAUSE_SECONDS)):
            champion, reading = self._versions.champion_number(), self._ledger.read()
            recorded = reading.changes[-1].after if reading.changes else ""
            newest = reading.newest_change
            is_open = newest is not None and newest.state == OPEN  # by a command that does not share our lock
            if champion == recorded or is_open:
                return []
            is_recent = newest is not None and datetime.now(UTC) - newest.when < timedelta(seconds=60)
            if self._store.is_file or not is_recent:
                if attempt:
                    break
            else:  # perhaps a command that does not share our lock is about to see that it was overtaken
                time.sleep(_PAUSE_SECONDS)
            self._client.forget()  # alias and ledger were read one after the other: a change between them is none from outside
        if not champion and self._versions.exists(recorded) and self._versions.version(recorded).current_stage == PRODUCTION:
            self._client.set_registered_model_alias(self._name, CHAMPION, recorded)
            self._apply_newer(reading.changes[-1])
            return [f"The alias {CHAMPION} of {self._name} was deleted; it is restored to version {recorded}, in Production."]
        reason = "changed outside of the pipeline; detected now"
        entry = self._ledger.append(
            kind=EXTERNAL,
            before=recorded,
            after=champion,
            actor=Actor("unknown", changed_by.actor.host),
            reason=reason,
            run_id=changed_by.run_id,
            expected=reading.head,
            last=reading.last,
        )
        if entry is None:
            return []  # a command that does not share our lock was changing it
        self._ledger.close(entry)
        if self._versions.exists(recorded):
            try:
                self._client.set_registered_model_alias(self._name, PREVIOUS, recorded)
            except MlflowException as error:  # another machine deleted it meanwhile
                if not is_missing(error):
                    raise
        self._apply_newer(entry)
        return [
            f"Production of {self._name} was changed outside of the pipeline: from version {recorded or 'none'} to "
            f"{champion or 'none'}. The change is recorded in the ledger."
        ]
