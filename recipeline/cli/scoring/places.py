"""Input and output of batch prediction: files, objects, folders, shards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recipeline.batch.output import LocalFolder, OutputFolder, StoredFolder
from recipeline.batch.parts import InputFile, Shard
from recipeline.cli.rows import local_rows
from recipeline.data.origin.folders import list_files
from recipeline.data.origin.paths import local_path, split_uri
from recipeline.data.origin.stores.objects import StoreFolder, find_stored, is_store
from recipeline.data.origin.uris import redact
from recipeline.data.writers import CSV_SUFFIXES, PARQUET_SUFFIXES
from recipeline.errors import UsageError
from recipeline.escape import is_remote
from recipeline.orchestration.session import Session

_SHARD = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


def parse_shard(word: str) -> Shard | None:
    """Return the shard that an option names, such as 3/16; None for an empty one.

    Raises
    ------
    UsageError : it names none.
    """
    found = _SHARD.fullmatch(word)
    if found and int(found[1]) <= int(found[2]):
        return Shard(int(found[1]), int(found[2]))
    if word:
        raise UsageError("shard must be a number and how many there are: 1/16 to 16/16.", got=f"'{word}'")
    return None


def find_folder(output: str, cwd: Path) -> OutputFolder | None:
    """Return the folder that `output` names; None where it is a file of this machine.

    A folder ends with a slash, exists, or is a URI of an object store.

    Raises
    ------
    UsageError : it is another URI, or that of a file.
    """
    path = local_path(output, cwd)
    if path is not None:
        return LocalFolder(path.resolve()) if output.endswith("/") or path.is_dir() else None
    is_file = split_uri(output).path.lower().endswith((*CSV_SUFFIXES, *PARQUET_SUFFIXES, ".gz"))
    if not is_store(output) or is_file:
        raise UsageError(
            "output must be a local file, or a folder here or in an object store (s3://, gs://, az://).",
            got=f"'{redact(output)}'",
            fix="Name a folder, which ends with a slash, or a local file.",
        )
    return StoredFolder(StoreFolder(output))


@contextmanager
def input_files(session: Session, input: str) -> Iterator[list[InputFile]]:
    """Yield the files of the rows to predict; those of an object store stay there.

    The file of another URI is copied for the block.

    Raises
    ------
    DataError : there are none.
    UnavailableError : they cannot be reached.
    """
    if is_remote(input) and is_store(input):
        found = find_stored(input)
        yield [InputFile(file, redact(file.uri), name) for name, file in found]
        return
    with local_rows(session, input, "input") as paths:
        yield [InputFile(it.path, it.label, it.name) for it in list_files(paths, input)]
