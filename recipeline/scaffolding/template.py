"""The files of a new project, and comparison of a project with the template."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from recipeline._version import __version__
from recipeline.errors import UnavailableError, UsageError

#: The record of the template's written files, by path, and of the library's version.
RECORD = ".recipeline.json"

_PACKAGE = Path(__file__).resolve().parents[1]
#: The files of a checkout that are the same in every project; a wheel has them in its folder `template`.
_SHARED = (
    *("MLproject", "Makefile", "conda.yaml", "python_env.yaml", "recipe.yaml", "requirements.txt"),
    *("Dockerfile", ".dockerignore"),
)
_SHARED_FOLDERS = ("custom", "profiles", "requirements", "steps")
_SCRIPTS = ("scripts/help", "scripts/step", "scripts/venv")
#: Files whose names a wheel, or git, would take for their own.
_RENAMED = {"gitignore": ".gitignore"}

Files = Mapping[str, bytes]
State = Literal["new", "changed here", "changed in the template", "changed in both", "no longer in the template"]


class FileRecord(NamedTuple):
    """The sha256 of a file as written and as in the template; "" for no file."""

    written: str
    template: str


@dataclass(frozen=True)
class Difference:
    """A file that differs from the template: path, who changed it, both contents.

    A content is None where the file does not exist. `is_safe`: the template's file replaces no text that the project's owner
    wrote or that was rendered for the project.
    """

    path: str
    state: State
    is_safe: bool
    mine: bytes | None
    theirs: bytes | None


def read_template() -> dict[str, bytes]:
    """Return the template's files by path, from the wheel or from the checkout.

    Raises
    ------
    UnavailableError : the library was installed without them.
    """
    installed, checkout = _PACKAGE / "template", _PACKAGE.parent
    if installed.is_dir():
        places = {path.relative_to(installed).as_posix(): path for path in _files_below(installed)}
    elif (checkout / "template").is_dir():
        own = checkout / "template"
        shared = [checkout / name for name in (*_SHARED, *_SCRIPTS)]
        shared += [path for folder in _SHARED_FOLDERS for path in _files_below(checkout / folder)]
        places = {path.relative_to(checkout).as_posix(): path for path in shared}
        places |= {path.relative_to(own).as_posix(): path for path in _files_below(own)}
    else:
        raise UnavailableError(f"No project template among the library's files in {_PACKAGE}.", fix="Install recipeline again.")
    return {_RENAMED.get(name, name): path.read_bytes() for name, path in sorted(places.items())}


def _files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def write_project(folder: Path, files: Files, template: Files, *, library: str) -> None:
    """Write a new project, whole or not at all, with a record of its template.

    Raises
    ------
    UsageError : the folder is not empty, or cannot be created.
    """
    record = {path: FileRecord(_digest(files.get(path)), _digest(template.get(path))) for path in {*files, *template}}
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"The folder of a new project must be empty or new: {folder}.", fix="Name another folder.")
        is_there = folder.is_dir()  # somebody's working folder, perhaps: it stays, and is filled
        (folder if is_there else folder.parent).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".recipeline-new-", dir=folder if is_there else folder.parent) as name:
            made = Path(name) / "project"
            for path, content in {**files, RECORD: _as_json(record, library)}.items():
                _write(made / path, content)
            if is_there:
                for part in made.iterdir():
                    part.rename(folder / part.name)
            else:
                made.rename(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"The project cannot be written to {folder}: {reason}.", fix="Name another folder.") from None


def _as_json(record: Mapping[str, FileRecord], library: str) -> bytes:
    files = {path: it._asdict() for path, it in sorted(record.items())}
    return (json.dumps({"version": __version__, "library": library, "files": files}, indent=1) + "\n").encode()


def _digest(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


def read_record(folder: Path) -> dict[str, FileRecord]:
    """Return the template's record by path; empty without a readable record."""
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {str(path): FileRecord(str(it["written"]), str(it["template"])) for path, it in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def compare_project(folder: Path, template: Files) -> list[Difference]:
    """Return the files of a project that differ from the template, by path.

    Files that are unchanged since they were written are left out. A file that is not in the record counts as the owner's; a
    file that the owner removed counts as changed in the project.
    """
    record, found = read_record(folder), []
    for path in sorted({*template, *record}):
        mine = (folder / path).read_bytes() if (folder / path).is_file() else None
        theirs, known = template.get(path), record.get(path)
        state = _state(known, mine, theirs)
        if mine == theirs or state is None:
            continue
        is_own = known is not None and known.written == known.template
        is_safe = state == "new" or (state == "changed in the template" and is_own)
        found.append(Difference(path, state, is_safe, mine, theirs))
    return found


def _state(known: FileRecord | None, mine: bytes | None, theirs: bytes | None) -> State | None:
    """Return who changed a file; None if nobody did."""
    if theirs is None:
        return None if mine is None else "no longer in the template"
    if known is None:
        return "new" if mine is None else "changed in both"
    mine_changed, theirs_changed = _digest(mine) != known.written, _digest(theirs) != known.template
    if mine_changed and theirs_changed:
        return "changed in both"
    return "changed here" if mine_changed else "changed in the template" if theirs_changed else None


def apply_differences(folder: Path, differences: Sequence[Difference], template: Files, *, library: str) -> None:
    """Write the files that are safe to write, and update the record.

    The record of the other files is unchanged, so that the next comparison reports them again.
    """
    record, left = read_record(folder), {it.path for it in differences if not it.is_safe}
    for it in differences:
        if it.is_safe and it.theirs is not None:
            _write(folder / it.path, it.theirs)
            record[it.path] = FileRecord(_digest(it.theirs), _digest(it.theirs))
    for path in {*template} - left - {*record}:
        record[path] = FileRecord(_digest(template[path]), _digest(template[path]))
    _write(folder / RECORD, _as_json(record, library))


def _write(path: Path, content: bytes) -> None:
    """Write a file whole; make a script executable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).chmod(0o755 if path.parent.name == "scripts" else 0o644)
        shutil.move(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
