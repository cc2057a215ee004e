"""Paths of a parameter: one, a list, or a pattern.

It imports little: commands use it before they open anything.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from recipeline.errors import DataError
from recipeline.escape import is_remote

Missing = Callable[[Path], DataError]


def split_uri(uri: str) -> SplitResult:
    """Return the parts of a URI; a host that cannot be read is part of the path.

    People mistype brackets, and Python's own function raises a ValueError then. Who opens the URI says what is wrong.
    """
    try:
        return urlsplit(uri)
    except ValueError:
        scheme, _, rest = uri.partition(":")
        return SplitResult(scheme.lower(), "", re.split("[?#]", rest, maxsplit=1)[0], "", "")


def local_path(data: str, folder: Path) -> Path | None:
    """Return the path that `data` names, a relative one in `folder`.

    None for a remote URI.
    """
    if data.startswith("file:"):
        return Path(unquote(split_uri(data).path))
    return None if is_remote(data) else folder / _expand_user(Path(data))


def local_paths(data: str, folder: Path, missing: Missing) -> list[Path] | None:
    """Return the paths that `data` names, each once; None for a remote URI.

    A remote URI is never split. An existing file or folder is taken as it is written, also with a comma or a star in its
    name. Otherwise `data` is a list of parts with commas between, each a path, or a pattern (``rows/*.csv``, ``**`` for
    folders at any depth), without hidden files and those whose names begin with ``_``.

    Raises
    ------
    DataError : a part does not exist, or its pattern matches nothing; as `missing` makes it.
    """
    whole = local_path(data, folder)
    if whole is None:
        return None
    if _exists(whole):
        return [whole]
    if data.startswith("file:"):
        raise missing(whole)
    found: dict[Path, None] = {}
    for part in [part.strip() for part in data.split(",") if part.strip()] or [data]:
        path = folder / _expand_user(Path(part))
        fitting = [path] if _exists(path) else _find_fitting(part, folder)
        if not fitting:
            raise missing(path)
        found |= dict.fromkeys(fitting)
    return list(found)


def _find_fitting(pattern: str, folder: Path) -> list[Path]:
    """Return what fits a pattern, in the order of the names; nothing where it is none."""
    if not glob.has_magic(pattern):
        return []
    try:
        found = glob.glob(str(_expand_user(Path(pattern))), root_dir=folder, recursive=True)  # noqa: PTH207 - any path
    except OSError:
        return []
    return [folder / name for name in sorted(found) if not _is_hidden(name)]


def _is_hidden(name: str) -> bool:
    return os.path.basename(name.rstrip("/")).startswith((".", "_"))  # noqa: PTH119


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises of a name that is too long


def _expand_user(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user, and so no such file
        return path
