"""Parts of an input: files, or ranges of one file, each with its own output."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recipeline.data.origin.stores.objects import StoredFile
from recipeline.data.readers import open_rows, split_name
from recipeline.data.reading.formats import PLAIN, Format
from recipeline.data.reading.pieces import Table
from recipeline.data.reading.ranges import Division, Span, divide_file
from recipeline.errors import DataError, missing_rows


@dataclass(frozen=True)
class InputFile:
    """A file of the input: its place, its label in errors, and its name among others.

    The name of a single file is "".
    """

    place: Path | StoredFile
    label: str
    name: str = ""

    def open(self, wanted: Sequence[str], format: Format = PLAIN, span: Span | None = None) -> Table:
        """Return it, or a range of it, as a table. Raises DataError as `open_rows` does."""
        return Table(open_rows(self.place, wanted, self.label, format, span), self.label, self.name)

    @property
    def state(self) -> str:
        """Its state, which changes when it is written to.

        Raises
        ------
        DataError : it is gone.
        """
        if isinstance(self.place, StoredFile):
            return f"{self.place.found.size} bytes, {self.place.found.mark}"
        try:
            found = self.place.stat()
        except OSError:
            raise missing_rows(self.place) from None
        return f"{found.st_size} bytes, {found.st_mtime_ns}"

    def digest(self) -> str:
        """Return the sha256 of its bytes; of an object the store's own mark.

        Raises
        ------
        DataError : it cannot be read.
        """
        if isinstance(self.place, StoredFile):
            return self.state
        try:
            with self.place.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{self.label} cannot be read: {error.strerror or error}.", fix="Check its permissions.") from None

    def changed(self) -> DataError:
        """Return the error for a file that was written to while it was read."""
        return DataError(f"{self.label} was changed while it was read.", fix="Try again.")


@dataclass(frozen=True)
class Part:
    """A file of the input, or a range of it, and the name of its output.

    `name` has neither suffix nor the word predictions; folders of the input are a part of it.
    """

    name: str
    suffix: str
    file: InputFile
    span: Span | None = None

    @property
    def label(self) -> str:
        """Its name among all parts: a.csv and a.parquet are two."""
        return f"{self.name}{self.suffix}"

    @property
    def output(self) -> str:
        """The name of its predictions in the folder."""
        return f"{self.name}.predictions{self.suffix}"

    @property
    def rejects(self) -> str:
        """The name of its bad rows: a folder of tables leaves it out."""
        return f"_rejects/{self.name}.rejects{self.suffix}"

    def open(self, wanted: Sequence[str], format: Format) -> Table:
        """Return its rows. Raises DataError as `open_rows` does."""
        return self.file.open(wanted, format, self.span)


def make_parts(files: Sequence[InputFile], name: str, spans: Sequence[Span]) -> list[Part]:
    """Return the parts of an input: the ranges of a single file, or all files.

    `name` is that of a single file. The output of a part has the suffix of its file.

    Raises
    ------
    DataError : two files would have one output.
    """
    if len(files) == 1:
        stem, suffix = split_name(name or Path(files[0].label).name)
        stem, suffix = stem or "input", suffix or _suffix(files[0])
        if len(spans) < 2:
            return [Part(stem, suffix, files[0])]
        width = max(len(str(len(spans))), 5)
        names = [f"{stem}-{place:0{width}}-of-{len(spans):0{width}}" for place in range(1, len(spans) + 1)]
        return [Part(name, suffix, files[0], span) for name, span in zip(names, spans, strict=True)]
    names = [it.name for it in files]
    if any(os.path.isabs(it) for it in names):  # noqa: PTH117 - files of several folders with the same names
        root = os.path.commonpath(names)
        names = [os.path.relpath(it, root) for it in names]
    parts: dict[str, Part] = {}
    for file, whole in zip(files, names, strict=True):
        folder, _, last = whole.rpartition("/")
        stem, suffix = split_name(last)
        part = Part(f"{folder}/{stem}" if folder else stem, suffix or _suffix(file), file)
        other = parts.setdefault(part.output, part)
        if other is not part:
            raise DataError(
                "Each file of the input must have an output of its own.",
                got=f"'{other.file.name}' and '{file.name}', both '{part.output}',",
                fix="Rename one of them.",
            )
    return list(parts.values())


def _suffix(file: InputFile) -> str:
    """Return the suffix of a table's output where the name of the file has none."""
    with file.place.open("rb") as opened:
        return ".parquet" if opened.read(4) == b"PAR1" else ".csv"


def divide(files: Sequence[InputFile], wanted: Sequence[str], format: Format) -> Division:
    """Return the ranges of a single file; several files are not divided.

    Raises
    ------
    DataError : it cannot be read, or is no table.
    """
    if len(files) > 1:
        return Division((), "")
    return divide_file(files[0].place, wanted, files[0].label, format)


@dataclass(frozen=True)
class Shard:
    """One of `of` shards, counted from 1: each has every `of`-th part."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, place: int) -> bool:
        """Whether the part at a place, counted from 0, is one of its own."""
        return place % self.of == self.number - 1
