"""The manifest of an output folder: its beginning, and the parts that are done.

It lies in `_manifest/`: `folder.json`, written once, and a file for each part that is done, so that machines which share the
folder never write the same file. The name of a part is in it when its output is there as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from recipeline.batch.output import OutputFolder
from recipeline.batch.parts import InputFile, Part, Shard
from recipeline.data.reading.ranges import Span
from recipeline.engine.identity import differences
from recipeline.errors import UnavailableError, UsageError
from recipeline.records import RecordError, read_record, to_plain

#: The format of the manifest.
FORMAT = 1

_FOLDER, _PARTS, _COMPLETE = "_manifest/folder.json", "_manifest/parts", "_SUCCESS"

#: So many shards that are not done are named.
_NAMED = 10

T = TypeVar("T")


@dataclass(frozen=True)
class ModelIdentity:
    """The model of a folder: name, version, and the ID of what was logged."""

    name: str
    version: str
    model_id: str


@dataclass(frozen=True)
class Begun:
    """The beginning of a folder: model, parts, columns, code.

    All that decides on its bytes but the content of several files. `digest` and `spans` are those of a single file; `state` is
    the state in which it was read. `origin` and `state` may differ between machines. `code` has versions of libraries and
    digests of code, `reading` the recipe's format of tables.
    """

    model: ModelIdentity
    parts: tuple[str, ...]
    columns: tuple[str, ...]
    on_bad_rows: str
    code: Mapping[str, str]
    reading: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    spans: tuple[Span, ...] = ()
    origin: str = ""
    state: str = ""
    format: int = FORMAT

    @property
    def key(self) -> str:
        """The sha256 of what may not differ."""
        return hashlib.sha256(_as_json(replace(self, origin="", state=""))).hexdigest()


@dataclass(frozen=True)
class Written:
    """A file that was written: its bytes and their sha256."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Written:
        """Return a file as it is."""
        with path.open("rb") as file:
            return cls(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True)
class PartDone:
    """A part that is done: its beginning, input and output, and counts of rows.

    `begun` is the key of the folder's beginning, `digest` that of an input file that is a part by itself, `state` the file's
    state at that time. `rejects` is None where no row was rejected. `out_of_range` and `filtered` count rows by column.
    """

    name: str
    begun: str
    digest: str
    state: str
    output: Written
    rejects: Written | None
    rows: int
    rejected: int
    out_of_range: Mapping[str, int] = field(default_factory=dict)
    filtered: Mapping[str, int] = field(default_factory=dict)


class Manifest:
    """The manifest of a folder."""

    def __init__(self, folder: OutputFolder) -> None:
        self._folder = folder

    def read(self) -> Begun | None:
        """Return what the folder was begun with; None: it is empty.

        Raises
        ------
        UsageError : it has files and no manifest, or one of a later version.
        UnavailableError : the manifest is broken.
        """
        found = self._read(_FOLDER, Begun)
        names = {} if found else self._folder.sizes()
        if _FOLDER in names:  # another machine has begun it since
            found = self._read(_FOLDER, Begun)
        elif others := [it for it in names if not it.rpartition("/")[2].startswith(".")]:
            raise UsageError(
                "output must be an empty folder, or one that predict has begun.",
                got=f"'{self._folder.label}', with '{others[0]}'",
                fix="Name another folder.",
            )
        if found and found.format > FORMAT:
            raise UsageError(
                f"The manifest of {self._folder.label} must have the format {FORMAT} or an earlier one.",
                got=str(found.format),
                fix="Use the version of recipeline that began the folder.",
            )
        return found

    def begin(self, wanted: Begun) -> Begun:
        """Begin the folder, or go on with it; return what it was begun with.

        Raises
        ------
        UsageError : it was begun with another model, another input, other code, or another on_bad_rows.
        UnavailableError : another command is beginning it, and has not yet.
        """
        known = self.read()
        if known is None and self._folder.create(_FOLDER, _as_json(wanted)):
            return wanted
        return self._require(known or self.read(), wanted)

    def _require(self, known: Begun | None, wanted: Begun) -> Begun:
        if known is None:
            raise UnavailableError(
                f"{_FOLDER} of {self._folder.label} is not there.",
                fix="Type the command again when no other one begins the folder.",
            )
        if known.key != wanted.key:
            raise self._mixed(known, wanted)
        return known

    def _mixed(self, known: Begun, wanted: Begun) -> UsageError:
        def refuse(begun: str, got: str, fix: str = "") -> UsageError:
            other = "name another folder, or delete this one."
            fixed = f"{fix}, or {other}" if fix else other[0].upper() + other[1:]
            return UsageError(f"The folder {self._folder.label} was begun with {begun}.", got=got, fix=fixed)

        before, now = known.model, wanted.model
        if before.name != now.name or before.version != now.version:
            uri = f"models:/{before.name}/{before.version}" if before.name else f"models:/{before.version}"
            return refuse(_say(before), _say(now), f"Name that model with model_uri={uri}")
        if before != now:
            return refuse(f"another model that is {_say(before)} too ({before.model_id})", now.model_id)
        if known.on_bad_rows != wanted.on_bad_rows:
            return refuse(f"on_bad_rows={known.on_bad_rows}", wanted.on_bad_rows, f"Set on_bad_rows={known.on_bad_rows}")
        if known.code != wanted.code:
            before_too = {**dict.fromkeys(wanted.code, "none"), **known.code}
            return refuse("other code or libraries", differences(before_too, wanted.code))
        if known.reading != wanted.reading:
            was, got = (", ".join(f"{name}={value}" for name, value in it.reading.items()) for it in (known, wanted))
            return refuse(f"another format of tables ({was})", got, "Set the recipe's data as before")
        if known.digest != wanted.digest or known.parts != wanted.parts:
            return refuse(f"another input, {_count(len(known.parts))}", _other_input(known, wanted), "Name that input")
        return refuse(f"other columns ({', '.join(known.columns)})", ", ".join(wanted.columns), "Name that input")

    def find_done(self, parts: Sequence[Part], begun: str) -> dict[str, PartDone]:
        """Return the parts that are done and whose outputs are there, by name.

        Whether their inputs are as they were is not asked.

        Raises
        ------
        UsageError : a part was done with another beginning.
        """
        sizes = self._folder.sizes()
        found = {}
        for part in parts:
            name = f"{_PARTS}/{part.label}.json"
            done = self._read(name, PartDone) if name in sizes else None
            if done is None:
                continue
            if done.begun != begun:
                raise UsageError(
                    f"The part '{part.label}' of {self._folder.label} was done with another model or input.",
                    fix="Name another folder, or delete this one.",
                )
            has_output = sizes.get(part.output) == done.output.bytes
            if has_output and (not done.rejects or sizes.get(part.rejects) == done.rejects.bytes):
                found[part.label] = done
        return found

    def missing(self, parts: Sequence[Part]) -> list[int]:
        """Return the places of parts that no machine has done, or whose output is gone."""
        names = self._folder.sizes()
        wanted = ((place, {f"{_PARTS}/{part.label}.json", part.output}) for place, part in enumerate(parts))
        return [place for place, both in wanted if not both <= names.keys()]

    def add(self, done: PartDone) -> None:
        """Note a part whose output is there."""
        self._folder.write(f"{_PARTS}/{done.name}.json", _as_json(done))

    def close(self, begun: Begun) -> None:
        """Mark the folder as complete, as Hadoop does.

        Raises
        ------
        UsageError : a store that cannot make a file once has the beginning of another command.
        UnavailableError : it has none any more.
        """
        self._require(self._read(_FOLDER, Begun), begun)
        self._folder.write(_COMPLETE, b"")

    def reopen(self) -> None:
        """Remove the mark of a complete folder."""
        self._folder.delete(_COMPLETE)

    def _read(self, name: str, kind: Callable[..., T]) -> T | None:
        content = self._folder.read(name)
        if content is None:
            return None
        try:
            return read_record(kind, json.loads(content))
        except (ValueError, RecordError) as error:
            raise UnavailableError(
                f"The manifest of {self._folder.label} is broken: {name}: {str(error).rstrip('.')}.",
                fix="Delete that file: what it told is done again.",
            ) from None


def is_unchanged(file: InputFile, done: PartDone) -> bool:
    """Whether a file is the one whose part is done.

    It is read where its state differs. A range is a part of a file whose digest the folder was begun with.
    """
    return not done.digest or done.state == file.state or done.digest == file.digest()


def describe_shards(missing: Sequence[int], parts: int, shard: Shard) -> str:
    """Return what is left to do after a shard, in words."""
    if not missing:
        return f"All {_count(parts)} are done." if parts > 1 else "The only part is done."
    left = sorted({place % shard.of + 1 for place in missing})
    named = ", ".join(f"{it}/{shard.of}" for it in left[:_NAMED])
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return f"{parts - len(missing):,} of {_count(parts)} are done. Shards that are not: {named}{more}."


def _say(model: ModelIdentity) -> str:
    return f"version {model.version} of {model.name}" if model.name else f"the model {model.version}"


def _count(parts: int) -> str:
    return f"{parts:,} part{'s' * (parts != 1)}"


def _other_input(known: Begun, wanted: Begun) -> str:
    other = sorted({*known.parts} ^ {*wanted.parts})
    if len(known.parts) != len(wanted.parts):
        return _count(len(wanted.parts))
    return f"the part '{other[-1]}'" if other else "a file with another content"


def _as_json(record: object) -> bytes:
    return json.dumps(to_plain(record), indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
