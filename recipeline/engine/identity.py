"""The code and the library versions of a process, which decide on its digits."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

#: Distributions whose versions decide on digits.
_DISTRIBUTIONS = ("numpy", "scipy", "pandas", "scikit-learn", "joblib", "pyarrow")


@cache
def identify(packages: tuple[str, ...]) -> dict[str, str]:
    """Return this process's library versions and digests of its code of `packages`."""
    found = {"Python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}}
    return found | {f"code of {name}": _digest(name) for name in packages}


def _digest(package: str) -> str:
    """Return a digest of the files of a module or package; "missing" without it."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return "missing"
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = [(path.relative_to(folder), path) for folder in folders for path in folder.rglob("*.py")]
    if not folders and spec.origin:
        files = [(Path(spec.origin).relative_to(Path(spec.origin).parent), Path(spec.origin))]
    digest = hashlib.sha256()
    for name, path in sorted(files):
        digest.update(f"{name.as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def differences(here: Mapping[str, str], there: Any) -> str:
    """Return where the identity of another process differs.

    `there` may be the error of asking for it.
    """
    if not isinstance(there, Mapping):
        return " ".join(str(there).split())[:300] or type(there).__name__
    return ", ".join(
        f"{name} {there.get(name, 'missing')} instead of {value}" for name, value in here.items() if there.get(name) != value
    )
