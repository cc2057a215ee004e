"""The installed library as a line of requirements.txt.

The line refers to the index, or to a wheel that the project keeps.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from recipeline.errors import UnavailableError

NAME = "recipeline"

#: Where a project keeps the wheel of a library that is in no index.
WHEELS = "wheels"

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Requirement:
    """The line that locks the library, its origin, and the files it refers to."""

    line: str
    origin: str
    files: dict[str, bytes] = field(default_factory=dict)

    def add_to(self, lock: bytes) -> bytes:
        """Return a lock with the library as its last package."""
        return lock.rstrip() + f"\n{self.line}\n".encode()

    def lock(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return a project's files with the library added to the lock."""
        return {**files, "requirements.txt": self.add_to(files["requirements.txt"]), **self.files}


def require_library() -> Requirement:
    """Return the library as it was installed.

    From the index: its version and the hashes of its files. From a wheel, git, a folder or a checkout: a wheel, which the
    project keeps, and its hash; pip builds it where there is none.

    Raises
    ------
    UnavailableError : the wheel is not where it was installed from, or pip, git or the index do not give it.
    """
    installed = _installed()
    if installed is None:
        return _built(str(_PACKAGE.parent), f"the checkout {_PACKAGE.parent}")
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    url = str(origin.get("url", ""))
    if not url:
        return _from_index(installed.version)
    if "vcs_info" in origin:
        kind, commit = origin["vcs_info"]["vcs"], origin["vcs_info"]["commit_id"]
        return _built(f"{kind}+{url}@{commit}", f"{kind}+{url} at {commit}")
    if "archive_info" not in origin:
        return _built(unquote(urlsplit(url).path), f"the folder {unquote(urlsplit(url).path)}")
    if not url.startswith("file:"):
        return _built(f"{NAME} @ {url}", url)
    return _from_file(Path(unquote(urlsplit(url).path)), origin["archive_info"])


def _installed() -> metadata.Distribution | None:
    """Return the distribution of this module; None in a checkout."""
    try:
        found = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return None
    is_own = Path(str(found.locate_file(NAME))).resolve() == _PACKAGE
    return found if is_own or "editable" in (found.read_text("direct_url.json") or "") else None


def _from_index(version: str) -> Requirement:
    """Return the version with its hash from the index."""
    words = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", f"{NAME}=={version}"]
    report: dict[str, Any] = json.loads(_pip(words))
    (found,) = report["install"]
    hashes = found["download_info"]["archive_info"]["hashes"]
    return Requirement(f"{NAME}=={version} --hash=sha256:{hashes['sha256']}", "the index")


def _from_file(path: Path, info: dict[str, Any]) -> Requirement:
    if path.suffix != ".whl":
        return _built(str(path), str(path))
    try:
        content: bytes | None = path.read_bytes()
    except OSError:
        content = None
    known = info.get("hashes", {}).get("sha256") or info.get("hash", "").removeprefix("sha256=")
    digest = hashlib.sha256(content or b"").hexdigest()
    if not content or (known and known != digest):
        raise UnavailableError(
            f"The wheel of the installed library {'no longer exists' if content is None else 'has changed'}: {path}.",
            fix="Install the library again from a wheel in a permanent folder, then repeat the command.",
        )
    return _as_wheel(path.name, content, path.name)


def _built(source: str, origin: str) -> Requirement:
    """Return the wheel that pip builds or downloads for a source."""
    with tempfile.TemporaryDirectory(prefix="recipeline-wheel-") as folder:
        _pip(["wheel", "--no-deps", "--quiet", "--wheel-dir", folder, source])
        (wheel,) = Path(folder).glob("*.whl")
        return _as_wheel(wheel.name, wheel.read_bytes(), origin)


def _as_wheel(name: str, content: bytes, origin: str) -> Requirement:
    place = f"{WHEELS}/{name}"
    return Requirement(f"./{place} --hash=sha256:{hashlib.sha256(content).hexdigest()}", origin, {place: content})


def _pip(words: list[str]) -> str:
    """Return the output of pip.

    Raises
    ------
    UnavailableError : pip fails; with the last line of its output.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise UnavailableError(
            f"pip cannot provide the library: {said[-1].strip() if said else f'exit code {done.returncode}'}.",
            fix=f"Try pip alone: python -m pip {' '.join(words)}",
        )
    return done.stdout
