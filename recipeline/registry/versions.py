"""Versions of the registered model, and which of them is the champion.

Alias `champion` is the truth and stage `Production` its mirror. Every change of it is written to the ledger first, as an open
entry, then carried out, then closed: `reconcile` finishes what an earlier command left open, whoever that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from recipeline.errors import UnavailableError
from recipeline.registry.ledger import ACKNOWLEDGE, COUNTED, ChangedBy, Ledger
from recipeline.registry.lookup import Lookup
from recipeline.registry.reconciling import Reconciler
from recipeline.registry.results import APPLIED, OPEN, Entry
from recipeline.registry.stages import CHAMPION, Stages, files_are_there
from recipeline.registry.view import View
from recipeline.tracking.connection.failures import is_missing
from recipeline.tracking.connection.store import Store, held, require_registered
from recipeline.tracking.models import model_id_of
from recipeline.tracking.runs import TAG_LENGTH
from recipeline.tracking.tags import PREFIX, Tag, VersionTags

#: So often stages are made to follow an alias that others go on moving.
_SYNCS = 3


class Registry(Lookup):
    """The versions of one registered model; changes are made under a lock."""

    def __init__(self, store: Store, name: str, *, ledger_key: str = "", description: str = "") -> None:
        """Use the registered model `name` of a store.

        A new one is created with the `description`, in Markdown.
        """
        self._view = View(store.client, name)
        super().__init__(self._view, name)
        self._store, self._description = store, description
        self._stages = Stages(self._view, name)
        self.ledger = Ledger(self._view, name, key=ledger_key)
        self._reconciler = Reconciler(store, self._view, self.ledger, self, self._stages)
        #: The interrupted change that the last `reconcile` completed; None: there was none.
        self.completed: Entry | None = None

    def register(
        self,
        *,
        source: str,
        run_id: str,
        model_id: str,
        identity: str,
        tags: Mapping[str, str | float],
        description: str,
        is_same: Callable[[ModelVersion], bool] | None = None,
    ) -> tuple[ModelVersion, bool]:
        """Return the version of the model, and whether it is new.

        It becomes the challenger unless it is the champion. A model whose `identity` (training rows, recipe and environment) is
        registered already is not registered again; with `is_same`, if that says so of the version.
        """
        with self.locked():
            self.create()
            # The caller has just checked the files of the model itself.
            is_same = is_same or (lambda it: model_id_of(it) == model_id or files_are_there(self._client, it))
            same = self.of_identity(identity)
            known = {version.version for version in same}
            twins = [version for version in same if is_same(version)]
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
                self.refresh()  # another machine may have promoted a version since `twins` was read
                before = [it for it in self.of_identity(identity) if int(it.version) < int(version.version)]
                twins = [it for it in before if it.version not in known and is_same(it)]
                if twins:  # or registered the same one: the first of the two stays
                    self._client.delete_model_version(self.name, str(version.version))
                    version = twins[-1]
                    self.refresh()
            self._reconciler.finish()
            self._sync()
            champion = self.holder(CHAMPION)
            if (champion is None or champion.version != version.version) and self._stages.challenge(version.version):
                self.refresh()  # the earlier challenger may have been promoted just before it was archived
                self._sync()
            return self.version(str(version.version)), not twins

    def of_identity(self, identity: str) -> list[ModelVersion]:
        """Return the versions of an identity, newest first."""
        return [version for version in self.versions() if version.tags.get(VersionTags.IDENTITY) == identity]

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

    def newest(self, kind: str) -> Entry | None:
        """Return the newest change of Production if it is of `kind`; else None."""
        change = self.ledger.read().newest_change
        return change if change is not None and change.kind == kind else None

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
            if self.champion_number() != expected or recorded != expected or version == expected:
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
                last=reading.last,
            )
            if entry is not None:
                self._reconciler.carry_out(entry)
                if not self.exists(version):  # a machine that does not share our lock deleted it
                    self._reconciler.finish()
                    self.version(version)
            return entry

    @contextmanager
    def locked(self, *, goes_on: bool = False) -> Iterator[None]:
        """Keep other commands from changing the registry during the block.

        The registry is read afresh, once in the block. With `goes_on` the reading may be as old as the last block: for notes,
        which the ledger takes only if they follow what was read.
        """
        with held(self._store.lock(), self._store.uri), self._view.pinned(goes_on=goes_on):
            yield

    def refresh(self) -> None:
        """Read the registry again in this block, before what cannot be undone.

        A command on another machine, which does not share the lock, may have changed it.
        """
        self._view.forget()

    def create(self) -> None:
        """Create the registered model if there is none."""
        require_registered(self._client, self.name, self._description or None)

    def known_version(self, version: str) -> ModelVersion:
        """Return a version as the last change under the lock left it."""
        return self._view.known_version(version) or self.version(version)

    def reconcile(self, changed_by: ChangedBy) -> list[str]:
        """Complete interrupted changes, record external ones, and update stages.

        Returns a sentence for each external change, and one where the key of the ledger is missing or another one; `completed`
        is the interrupted change.
        """
        with self.locked():
            self.completed = self._reconciler.finish()
            notes = self._reconciler.record_external_change(changed_by)
            self._sync()
            if fault := self.ledger.key_fault():
                notes.append(f"{fault} Set the key: `doctor` finds fault with the entries that are written without it.")
            return notes

    def _sync(self) -> None:
        """Make the stages follow the alias, also one that was moved meanwhile.

        Another machine may promote a version between the reading and the writes here: what was changed is read again.
        """
        for _ in range(_SYNCS):
            if not self._stages.lag():
                return
            self._stages.sync()
            self.refresh()

    def acknowledge(self, names: tuple[str, ...], reason: str, changed_by: ChangedBy) -> None:
        """Record in the ledger that the faults `names` were acknowledged."""
        self.record(ACKNOWLEDGE, reason, changed_by, acknowledged=names)

    def record(
        self, kind: str, reason: str, changed_by: ChangedBy, *, evidence: str = "", acknowledged: tuple[str, ...] = ()
    ) -> None:
        """Write a note into the ledger: an entry that leaves Production as it is."""
        with self.locked():
            self.create()
            self._reconciler.finish()
            entry = None
            while entry is None:
                champion, reading = self.champion_number(), self.ledger.read()
                entry = self.ledger.append(
                    kind=kind,
                    before=champion,
                    after=champion,
                    actor=changed_by.actor,
                    reason=reason,
                    run_id=changed_by.run_id,
                    evidence=evidence,
                    acknowledged=acknowledged,
                    state=APPLIED if kind in COUNTED else OPEN,
                    expected=reading.head,
                    last=reading.last,
                )
                if entry is None:  # another one was there before, by a command that does not share our lock
                    self.refresh()
            self.ledger.close(entry)

    def note(self, version: str, tags: Mapping[Tag, str | float]) -> None:
        """Set tags on a version."""
        with self.locked():  # two that set one tag for the first time break each other
            for name, value in tags.items():
                self._client.set_model_version_tag(self.name, version, name, str(value)[:TAG_LENGTH])
