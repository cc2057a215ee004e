"""A version of another store written into a registry, as its challenger.

Nothing in the registry points to what is written until all of it is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import filelock
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import VERSION
from recipeline.errors import UnavailableError
from recipeline.evaluation.results import RegisteredVersion
from recipeline.orchestration.session import Session
from recipeline.orchestration.transfer.leftovers import delete_left
from recipeline.orchestration.transfer.source import REGISTER, TRAIN, SourceVersion, without_description
from recipeline.registry.ledger import ChangedBy
from recipeline.registry.tries import take_looks
from recipeline.tracking.lineage import lineage_of_version
from recipeline.tracking.models import model_id_of
from recipeline.tracking.run_copies import CopyWriter, OpenCopy
from recipeline.tracking.tags import PREFIX, RunTags, VersionTags, bare, run_id_tag

#: Tags of a version about the registry that it is in: its gate, its champion, its rollback.
_LOCAL = (
    VersionTags.GATE_RULE,
    VersionTags.GATE_GAIN,
    VersionTags.GATE_LOWER,
    VersionTags.HELD_AGAINST,
    VersionTags.GATE_PASSED,
    VersionTags.GATE_RUN_ID,
    VersionTags.WITHDRAWN,
    VersionTags.IDENTITY,
)

#: How long a transfer waits for another one to the same model.
_WAIT_SECONDS = 3600


@dataclass(frozen=True)
class Transferred:
    """A version in the target, and its run of register there.

    `is_new`: it was not there before.
    """

    version: str
    register_run_id: str
    is_new: bool


def write_version(target: Session, source: SourceVersion) -> Transferred:
    """Register a version of another registry in that of the target.

    A version of the same identity and files that is there already is taken for it. The next transfer finishes or deletes the
    remains of one that was stopped. One machine transfers to a model one version at a time.

    Raises
    ------
    UnavailableError : the target cannot be written to; another transfer takes too long.
    """
    with _alone(target):
        writing = _Writing(target, source)
        there = writing.find()
        if there and not target.reader.faults(there.tags[VersionTags.REGISTER_RUN_ID]):
            done = Transferred(str(there.version), there.tags[VersionTags.REGISTER_RUN_ID], is_new=False)
        else:
            done = writing.write(there)
        delete_left(target, writing.copy_tags)
        take_looks(target.registry, source.looks, ChangedBy(target.actor, done.register_run_id))
        return done


@contextmanager
def _alone(target: Session) -> Iterator[None]:
    """Keep other transfers of this machine to the same model out of the block."""
    name = hashlib.sha256(target.registry.name.encode()).hexdigest()[:16]
    lock = filelock.FileLock(f"{target.store.lock().lock_file}-{name}")
    try:
        try:
            lock.acquire(timeout=0.2)
        except filelock.Timeout:
            target.reporter.say(f"waiting for another transfer to {target.registry.name}")
            lock.acquire(timeout=_WAIT_SECONDS)
    except filelock.Timeout:
        raise UnavailableError(
            f"Another command has been transferring to {target.registry.name} for more than {_WAIT_SECONDS // 60} minutes.",
            fix="Wait for that command, or stop it, and try again.",
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Writing:
    """Writes a version into the target, by this machine's only transfer to it."""

    def __init__(self, target: Session, source: SourceVersion) -> None:
        self._target, self._source, self._client = target, source, target.store.client

    @property
    def copy_tags(self) -> dict[str, str]:
        """The tags of all runs that a transfer from this source writes."""
        target = self._target
        return {
            RunTags.SOURCE_URI: self._source.uri,
            RunTags.SOURCE_HOST: target.actor.host,
            RunTags.MODEL_NAME: target.registry.name,
        }

    def find(self) -> ModelVersion | None:
        """Return the version of the target with the same identity and files.

        Its run of register may be incomplete, where a transfer was interrupted.
        """
        same = [it for it in self._target.registry.of_identity(self._source.identity) if self._has_same_files(it)]
        return same[-1] if same else None

    def _has_same_files(self, version: ModelVersion) -> bool:
        """Whether a version has the files of the source's model, all of them whole."""
        lineage = lineage_of_version(version, self._target.upstream(REGISTER))
        if [*lineage] != [*self._target.upstream(REGISTER)]:
            return False
        reader = self._target.reader
        with suppress(UnavailableError):
            files = without_description(reader.model_digests(model_id_of(version), lineage[TRAIN]))
            return files == self._source.files and not any(reader.faults(run_id) for run_id in lineage.values())
        return False

    def write(self, there: ModelVersion | None) -> Transferred:
        """Write what is missing of runs and model, and register the version.

        `there` is the version whose run of register is missing, None for a new one.
        """
        target, source, registry = self._target, self._source, self._target.registry
        writer = CopyWriter(
            self._client,
            target.experiment_id,
            ids=self._known_ids(there),
            profile=f"{source.facts.tags.get('profile', target.profile_name)} (transferred)",
            tags=self.copy_tags,
        )
        if source.lineage[TRAIN] not in writer.ids:
            self._write_runs(writer)
        ids = writer.ids
        register = writer.open_run(source.register)
        writer.write_files(register, without=[VERSION])
        facts, is_new = self._facts(ids, register), False
        if there is None:
            there, is_new = registry.register(
                source=f"models:/{ids[source.model_id]}",
                run_id=ids[source.entity.run_id],
                model_id=ids[source.model_id],
                identity=source.identity,
                tags={bare(name): value for name, value in self._version_tags(writer, register).items()},
                description=writer.replace(source.entity.description or ""),
                is_same=self._has_same_files,
            )
        number = str(there.version)
        if not is_new and not target.reader.faults(there.tags[VersionTags.REGISTER_RUN_ID]):
            # A machine that does not share our lock was faster: nothing leads to ours, which are deleted.
            return Transferred(number, there.tags[VersionTags.REGISTER_RUN_ID], is_new=False)
        about = source.facts
        named = RegisteredVersion(
            about.candidate,
            ids.get(about.run_id, about.run_id),
            ids.get(about.model_id, about.model_id),
            about.verdict,
            about.criteria,
            name=registry.name,
            version=number,
            new=True,
            tags=facts,
        )
        writer.save(register, VERSION, named)
        writer.close(register)
        if not is_new:
            registry.note(number, {VersionTags.REGISTER_RUN_ID: register.id})
        return Transferred(number, register.id, is_new)

    def _known_ids(self, there: ModelVersion | None) -> dict[str, str]:
        """Return the IDs in the target of what it has already, by those in the source."""
        source = self._source
        before = {step: run_id for step, run_id in source.lineage.items() if step != REGISTER}
        if there is not None:
            known = {run_id: there.tags[run_id_tag(step)] for step, run_id in before.items()}
            return {**known, source.entity.run_id: there.run_id, source.model_id: model_id_of(there)}
        if source.model is None:  # the same store
            return {it: it for it in (*before.values(), source.entity.run_id, source.model_id)}
        return {}

    def _write_runs(self, writer: CopyWriter) -> None:
        """Write the runs before register, and the model of the candidate's run."""
        source, say = self._source, self._target.reporter.say
        assert source.model
        assert source.candidate
        opened: dict[str, OpenCopy] = {}
        for step, run in source.runs.items():
            opened[step] = writer.open_run(run)
            if step == TRAIN:
                opened["candidate"] = writer.open_run(source.candidate)
                model_id, digests = writer.write_model(source.model, opened["candidate"])
                opened[step].writer.add_model(model_id, digests)
        say(f"transferred the model {source.model_id} as {model_id}")
        for copy in opened.values():
            writer.write_files(copy)
            writer.close(copy)

    def _version_tags(self, writer: CopyWriter, register: OpenCopy) -> dict[str, str]:
        """Return the tags of the version in the target, by full name."""
        source = self._source
        kept = {
            name: writer.replace(str(value))
            for name, value in source.entity.tags.items()
            if name.startswith(PREFIX) and name not in _LOCAL
        }
        return {**kept, run_id_tag(REGISTER): register.id, **self._origin()}

    def _origin(self) -> dict[str, str]:
        """Return the tags that lead back to the source."""
        source = self._source
        return {
            VersionTags.SOURCE_URI: source.uri,
            VersionTags.SOURCE_VERSION: source.title,
            VersionTags.SOURCE_RUN_ID: source.lineage[REGISTER],
        }

    def _facts(self, ids: Mapping[str, str], register: OpenCopy) -> dict[str, str | float]:
        """Return the facts of version.json, with the runs of both stores."""
        source = self._source
        facts = {name: ids.get(str(value), value) for name, value in source.facts.tags.items()}
        return {
            **facts,
            f"{REGISTER}_run_id": register.id,
            **{bare(name): value for name, value in self._origin().items()},
            **{f"source_{step}_run_id": run_id for step, run_id in source.lineage.items()},
        }
