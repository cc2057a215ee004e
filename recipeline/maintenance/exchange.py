"""The content of a folder exchanged so that no reader misses a file of either."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

#: Names of what `restore_archive` puts beside what it replaces: unfinished work, and the store that was there before.
UNFINISHED, BEFORE = ".{}.restore-", "{}.before-"


def working_folder(artifacts: Path) -> Path:
    """Return the working folder: the artifacts' parent, if on one disk and writable."""
    beside = next(folder for folder in artifacts.parents if folder.exists())
    return artifacts if artifacts.is_mount() or (artifacts.exists() and not os.access(beside, os.W_OK)) else beside


class Exchange:
    """The exchange of a folder's content for that of another one, file by file.

    Both are on one disk. The `undo` stack reverts a failure. The folder itself stays, since it may be a mount point.
    """

    def __init__(self, new: Path, folder: Path, stamp: str, undo: ExitStack) -> None:
        self._new, self._folder, self._undo = new, folder, undo
        #: Where the old content is afterwards.
        self.aside = working_folder(folder) / f"{BEFORE.format(folder.name)}{stamp}"
        self._own = tuple(words.format(folder.name) for words in (UNFINISHED, BEFORE))
        self._come = {path.relative_to(new) for path in new.rglob("*")}

    def bring_in(self) -> None:
        """Move all new files in; an old one of the same name is kept aside."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._undo.callback(_remove_empty, self.aside)
        for name in sorted(self._come):  # a folder comes before what is in it
            path, to = self._new / name, self._folder / name
            if path.is_dir():
                if to.is_symlink() or not to.is_dir():
                    self._put_aside(name)
                    to.mkdir()
                    self._undo.callback(to.rmdir)
                continue
            if to.is_file() and not to.is_symlink():
                self._keep(name)
            else:
                self._put_aside(name)
            path.replace(to)
            self._undo.callback(to.rename, path)

    def move_out(self, within: Path = Path()) -> None:
        """Move aside what is left of the old content."""
        for path in list((self._folder / within).iterdir()):
            name = path.relative_to(self._folder)
            if path.name.startswith(self._own) and within == Path():
                continue
            if name not in self._come:
                self._put_aside(name)
            elif path.is_dir() and not path.is_symlink():
                self.move_out(name)

    def _keep(self, name: Path) -> None:
        """Give an old file a second name aside: its own is never without a file."""
        path, to = self._folder / name, self.aside / name
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, to)
        except OSError:  # a disk without links
            self._put_aside(name)
        else:
            self._undo.callback(_give_back, to, path)

    def _put_aside(self, name: Path) -> None:
        path, to = self._folder / name, self.aside / name
        if path.exists() or path.is_symlink():
            to.parent.mkdir(parents=True, exist_ok=True)
            path.rename(to)
            self._undo.callback(to.rename, path)


def _give_back(kept: Path, path: Path) -> None:
    """Undo the second name of a file whose own may be free by now."""
    if path.exists():
        kept.unlink()
    else:
        kept.rename(path)


def _remove_empty(folder: Path) -> None:
    """Delete the empty folders of a tree, the tree itself included."""
    for path, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # it holds something
            Path(path).rmdir()
