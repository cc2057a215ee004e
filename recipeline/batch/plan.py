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
    """The parts of a folder that was begun, and why a single file is not divided."""

    wanted: Wanted
    folder: OutputFolder
    parts: tuple[Part, ...]
    begun: Begun
    reason: str

    @classmethod
    def begin(cls, folder: OutputFolder, wanted: Wanted) -> Plan:
        """Begin a folder, or go on with it.

        Raises
        ------
        UsageError : it was begun with something else.
        DataError : the input is broken.
        """
        manifest = Manifest(folder)
        division, digest = _divide(wanted, manifest.read())
        parts = make_parts(wanted.files, wanted.name, division.spans)
        begun = manifest.begin(
            Begun(
                model=wanted.model,
                parts=tuple(part.name for part in parts),
                columns=tuple(parts[0].open(wanted.names, wanted.format).file.columns),
                on_bad_rows="reject" if wanted.rejects else "stop",
                code=wanted.code,
                digest=digest,
                spans=division.spans,
                origin=wanted.origin,
                state=wanted.files[0].state if digest else "",
            )
        )
        return cls(wanted, folder, tuple(parts), begun, division.reason)

    def share(self, shard: Shard) -> Share:
        """Return what a shard has done, and what is left.

        Raises
        ------
        UsageError : a part was done with another model or input.
        """
        own = [part for place, part in enumerate(self.parts) if shard.has(place)]
        key, format, rejects = self.begun.key, self.wanted.format, self.wanted.rejects
        found = Manifest(self.folder).find_done(own, key)
        done = {part.name: found[part.name] for part in own if part.name in found and is_unchanged(part.file, found[part.name])}
        tasks = [
            PartTask(part, self.folder, key, self.begun.columns, format, rejects, had_rejects=part.name in found)
            for part in own
            if part.name not in done
        ]
        return Share(tuple(done.values()), tuple(tasks), changed=len(found) - len(done))


@dataclass(frozen=True)
class Share:
    """The parts of a shard: done ones, and tasks; `changed` of them again."""

    done: tuple[PartDone, ...]
    tasks: tuple[PartTask, ...]
    changed: int


def _divide(wanted: Wanted, known: Begun | None) -> tuple[Division, str]:
    """Return the ranges of a single file and its digest; none of several files.

    The file is not read again where the folder was begun with it in its present state.
    """
    files = wanted.files
    if len(files) > 1:
        return Division(()), ""
    if known and known.digest and known.state == files[0].state:
        return Division(known.spans), known.digest
    return divide(files, wanted.names, wanted.format), files[0].digest()
