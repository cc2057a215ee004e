"""Sources of rows: a recipe's download, loader or sample, a path, or a URI.

Every source ends as bytes with a digest, read once: the bytes that are hashed are the bytes that are parsed.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from recipeline.config.recipe import Recipe
from recipeline.config.table import SQL, SYNTHETIC, Download, Sql
from recipeline.data.origin.folders import RowPath, list_files
from recipeline.data.origin.made import draw_rows, load_rows
from recipeline.data.origin.paths import local_paths, split_uri
from recipeline.data.origin.sql import fetch_query
from recipeline.data.origin.uris import NoConnectionError, copy_uri, fetch, redact, within
from recipeline.data.readers import content_digest
from recipeline.data.reading.formats import Format
from recipeline.data.reading.pieces import Table
from recipeline.errors import DataError, UsageError, missing_file

if TYPE_CHECKING:
    from pandas import DataFrame

#: A download gets this many seconds in all, attempts, redirects and name look-up included.
DOWNLOAD_SECONDS = 10.0

#: With more paths than this, the parameter is shown as it was typed.
_SHOWN = 5


@dataclass(frozen=True)
class Source:
    """The files of rows and where they are from, without credentials.

    `kind` is the `data_source` tag: the name of the recipe's download, `file`, `sql` or `synthetic`. `notice` explains
    the choice to the user, if necessary; else it is empty. `folder` is the temporary folder of the files.
    """

    kind: str
    origin: str
    files: Sequence[RowPath]
    notice: str = ""
    folder: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", redact(self.origin))

    @cached_property
    def _digests(self) -> dict[str, tuple[RowPath, tuple[int, ...]]]:
        """The files by digest, each content once, with their states at that time."""
        found: dict[str, tuple[RowPath, tuple[int, ...]]] = {}
        for file in self.files:
            state = _state_of(file)
            found.setdefault(content_digest(file.path, file.label), (file, state))
        return found

    @property
    def parts(self) -> list[str]:
        """The digests of the files' contents, decompressed, in hex: each content once."""
        return list(self._digests)

    @property
    def notes(self) -> list[str]:
        """Notes on the choice, and on files that count once."""
        copies = len(self.files) - len(self.parts)
        same = f"note: {copies} of the {len(self.files)} files have the content of another, and count once"
        return [*([self.notice] if self.notice else []), *([same] if copies else [])]

    @property
    def sha256(self) -> str:
        """The digest of the bytes, in hex."""
        return self.parts[0] if len(self.parts) == 1 else hashlib.sha256("\n".join(self.parts).encode()).hexdigest()

    @property
    def is_synthetic(self) -> bool:
        """Whether the rows were made up."""
        return self.kind == SYNTHETIC

    def open(self, recipe: Recipe) -> list[Table]:
        """Return the tables, each content once. Raises DataError where one is none."""
        return [file.open(recipe.header, Format.of(recipe.data)) for file, _ in self._digests.values()]

    def require_unchanged(self) -> None:
        """Raise DataError where a file is another one than that whose digest was taken."""
        for file, state in self._digests.values():
            if _state_of(file) != state:
                raise DataError(f"{file.label} was changed while it was read.", fix="Try again.")


def _state_of(file: RowPath) -> tuple[int, ...]:
    """Return a file's state, which changes when the file is written to.

    Raises
    ------
    DataError : it cannot be read.
    """
    try:
        found = file.path.stat()
    except OSError:
        raise missing_file(file.path) from None
    return found.st_size, found.st_mtime_ns, found.st_ino


def read_source(
    data: str,
    recipe: Recipe,
    *,
    folder: Path,
    cache: Path,
    sql: Sql | None = None,
    root: Path | None = None,
    seconds: float = 0.0,
) -> Source:
    """Return the files that `data` names.

    Parameters
    ----------
    data : auto, synthetic, sql, the name of the recipe's download, paths relative to `folder` (a file, a folder, a list with
        commas, a pattern), or a URI.
    cache : the folder of finished downloads, shared by all checkouts.
    sql : the profile's query, which goes before the recipe's.
    root : the project's folder, in which a relative SQLite file lies; `folder` where it is not given.
    seconds : how long a URI may take; 0: a minute.

    Raises
    ------
    DataError : no such file, a folder with something else in it, or a download with the wrong digest.
    UnavailableError : the server cannot be reached or refuses.
    UsageError : the recipe has no such source.
    """
    download, query = recipe.data.download, sql or recipe.data.sql
    if data == SQL:
        return _ask_database(query, recipe, root or folder)
    if data == "auto":
        return _ask_database(query, recipe, root or folder) if recipe.data.sql else _automatic(recipe, cache)
    if data == SYNTHETIC:
        return _synthetic(recipe)
    if download and data == download.name:
        return _spooled(download.name, download.url, fetch_download(download, cache))
    paths = local_paths(data, folder, missing_file)
    if paths is None:
        return _fetch_uri(data, seconds)
    return Source("file", ", ".join(map(str, paths)) if len(paths) < _SHOWN else data, list_files(paths, str(paths[0])))


def is_named(data: str, recipe: Recipe) -> bool:
    """Whether `data` names one of the recipe's sources; else it is a path or URI."""
    download = recipe.data.download
    return data in ("auto", SYNTHETIC, SQL, download.name if download else "")


def check_source(data: str, recipe: Recipe, *, folder: Path) -> None:
    """Raise DataError where `data` is a path that does not exist; nothing is read."""
    if not is_named(data, recipe):
        local_paths(data, folder, missing_file)


def _automatic(recipe: Recipe, cache: Path) -> Source:
    """Return the recipe's own rows.

    The synthetic sample is used only if there is a download and no connection.
    """
    data = recipe.data
    if data.loader:
        return _spooled("file", data.loader.path, _as_csv(load_rows(recipe, data.loader), recipe))
    if data.download:
        try:
            return _spooled(data.download.name, data.download.url, fetch_download(data.download, cache))
        except NoConnectionError as error:
            if data.synthetic is None:
                raise
            source = _synthetic(recipe)
            host = split_uri(redact(data.download.url)).netloc.rpartition("@")[2]
            notice = (
                f"No connection to {host} ({error.reason}): these are SYNTHETIC rows, drawn to look like the real "
                "ones. Scores on them do not apply to real rows. Name a file with data=PATH to use real rows."
            )
            return replace(source, notice=notice)
    if data.synthetic:
        return _synthetic(recipe)
    raise UsageError(
        "No data.download, data.loader, data.sql or data.synthetic in the recipe for data=auto.",
        fix="Add one, or name a file with data=PATH.",
    )


def _synthetic(recipe: Recipe) -> Source:
    if recipe.data.synthetic is None:
        raise UsageError(
            "No data.synthetic in the recipe for data=synthetic.",
            fix="Name the function that draws the rows, or a file with data=PATH.",
        )
    content = _as_csv(draw_rows(recipe, recipe.data.synthetic), recipe)
    notice = "These are SYNTHETIC rows, as requested: drawn, not measured."
    return _spooled(SYNTHETIC, recipe.data.synthetic, content, notice)


def _ask_database(sql: Sql | None, recipe: Recipe, root: Path) -> Source:
    if sql is None:
        raise UsageError(
            "No data.sql in the recipe or profile for data=sql.",
            fix="State its url and query, or name a file with data=PATH.",
        )
    folder, data = tempfile.TemporaryDirectory(prefix="recipeline-"), recipe.data
    path = Path(folder.name) / "rows.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        fetch_query(sql, file, root=root, separator=_separator(recipe), mark=data.decimal)
    return Source(SQL, sql.url, [RowPath(path, redact(sql.url))], folder=folder)


def _separator(recipe: Recipe) -> str:
    """Return the separator for a CSV written here, as the recipe reads it."""
    return recipe.data.separator or (";" if recipe.data.decimal == "," else ",")


def _spooled(kind: str, origin: str, content: bytes, notice: str = "") -> Source:
    """Return bytes as a source of one file."""
    folder = tempfile.TemporaryDirectory(prefix="recipeline-")
    path = Path(folder.name) / "rows"
    path.write_bytes(content)
    return Source(kind, origin, [RowPath(path, redact(origin))], notice, folder)


def _as_csv(table: DataFrame, recipe: Recipe) -> bytes:
    content: bytes = table.to_csv(index=False, sep=_separator(recipe), decimal=recipe.data.decimal).encode()
    return content if recipe.data.encoding == "utf-8" else codecs.BOM_UTF8 + content


def _fetch_uri(uri: str, seconds: float) -> Source:
    """Return the file or folder at a URI of requests, MLflow or pandas."""
    folder = tempfile.TemporaryDirectory(prefix="recipeline-")
    return Source("file", uri, list_files([copy_uri(uri, Path(folder.name), seconds=seconds)], uri), folder=folder)


def fetch_download(download: Download, cache: Path, *, seconds: float = DOWNLOAD_SECONDS) -> bytes:
    """Return the bytes of the download, from `cache` if intact, else by HTTP.

    A cached file that does not match the digest is never used: it is downloaded again. New bytes are checked, then moved into
    the cache in one step; a read-only cache is no error.

    Raises
    ------
    DataError : the server's file does not match the pinned digest.
    NoConnectionError : no answer within `seconds` in all.
    UnavailableError : the server refuses.
    """
    path = cache / f"{download.sha256}{Path(split_uri(redact(download.url)).path).suffix}"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == download.sha256:
            return content
    except OSError:
        pass
    body = io.BytesIO()
    within(seconds, lambda deadline: fetch(download.url, deadline, body))
    content = body.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    if digest != download.sha256:
        raise DataError(
            f"{redact(download.url)} must have the sha256 {download.sha256} that the recipe pins.",
            got=digest,
            fix="The file was changed in transit or published again: get it another way and name it with data=PATH.",
        )
    _write_whole(path, content)
    return content


def _write_whole(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all; ignore a read-only cache."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
