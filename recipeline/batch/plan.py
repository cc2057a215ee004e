"""The plan of a folder: its parts, and those that a shard has left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recipeline.batch.manifest import Begun, Manifest, ModelIdentity, PartDone, is_unchanged
from recipeline.batch.output import OutputFolder
from recipeline.batch.parts import InputFile, Part, Shard, divide, make_parts
from recipeline.batch.scoring import PartTask
from recipeline.data.reading.formats import Format
from recipeline.data.reading.ranges import Division


@dataclass(frozen=True)
class Wanted:
    """A prediction: files, their format, columns of the model, and code.

    `name` is that of a single file, `origin` the input without secrets, `code` versions of libraries and digests of code.
    """

    files: Sequence[InputFile]
    format: Format
    names: Sequence[str]
    model: ModelIdentity
    code: Mapping[str, str]
    name: str
    origin: str
    rejects: bool


@dataclass(frozen=True)
class Plan:
    """The parts of a folder that was begun, and why a single file is not divided.

    `state` is that of a single file on this machine.
    """

    wanted: Wanted
    folder: OutputFolder
    parts: tuple[Part, ...]
    begun: Begun
    reason: str
    state: str = ""

    @classmethod
    def begin(cls, folder: OutputFolder, wanted: Wanted) -> Plan:
        """Begin a folder, or go on with it.

        Raises
        ------
        UsageError : it was begun with something else.
        DataError : the input is broken.
        """
        manifest = Manifest(folder)
        division, digest, state = _divide(wanted, manifest.read())
        parts = make_parts(wanted.files, wanted.name, division.spans)
        begun = manifest.begin(
            Begun(
                model=wanted.model,
                parts=tuple(part.label for part in parts),
                columns=tuple(parts[0].open(wanted.names, wanted.format).file.columns),
                on_bad_rows="reject" if wanted.rejects else "stop",
                code=wanted.code,
                reading=_describe(wanted.format),
                digest=digest,
                spans=division.spans,
                origin=wanted.origin,
                state=state,
            )
        )
        return cls(wanted, folder, tuple(parts), begun, division.reason, state)

    def share(self, shard: Shard) -> Share:
        """Return what a shard has done, and what is left.

        Raises
        ------
        UsageError : a part was done with another model or input.
        """
        own = [part for place, part in enumerate(self.parts) if shard.has(place)]
        key, format, rejects = self.begun.key, self.wanted.format, self.wanted.rejects
        found = Manifest(self.folder).find_done(own, key)
        done = {name: found[name] for part in own if (name := part.label) in found and is_unchanged(part.file, found[name])}
        before = self.folder.sizes("_rejects/") if rejects else {}
        tasks = [
            PartTask(
                part,
                self.folder,
                key,
                self.begun.columns,
                format,
                rejects,
                had_rejects=part.rejects in before,
                digest=self.begun.digest,
                state=self.state,
            )
            for part in own
            if part.label not in done
        ]
        return Share(tuple(done.values()), tuple(tasks), changed=len(found) - len(done))


@dataclass(frozen=True)
class Share:
    """The parts of a shard: done ones, and tasks; `changed` of them again."""

    done: tuple[PartDone, ...]
    tasks: tuple[PartTask, ...]
    changed: int


def _divide(wanted: Wanted, known: Begun | None) -> tuple[Division, str, str]:
    """Return ranges, digest and state of a single file; none of several files.

    The file is not read again where the folder was begun with it in its present state.

    Raises
    ------
    DataError : it is broken, or changes meanwhile.
    """
    files = wanted.files
    if len(files) > 1:
        return Division(()), "", ""
    file = files[0]
    state = file.state
    if known and known.digest and known.state == state:
        return Division(known.spans), known.digest, state
    division, digest = divide(files, wanted.names, wanted.format), file.digest()
    if file.state != state:
        raise file.changed()
    return division, digest, state


def _describe(format: Format) -> dict[str, str]:
    """Return a format as the manifest has it: what is not set is left out."""
    renamed = {f"rename.{name}": to for name, to in format.rename.items()}
    settings = {"encoding": format.encoding, "separator": format.separator, **renamed}
    return {name: value for name, value in settings.items() if value}
