"""Isolation: the modules of one project in a process that calls several."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from recipeline.engine.dask import stop_clusters
from recipeline.engine.local import stop_workers

_LIBRARY = Path(__file__).resolve().parents[1]


class ProjectModules:
    """The modules below a project's folder: `steps`, `custom`, and others by name.

    The library and installed packages are excluded, even if they lie below that folder.
    """

    #: Whose modules the worker processes have imported.
    _in_workers: Path | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._modules: dict[str, ModuleType] = {}

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Let imports in the block find only this project's modules.

        `sys.path` is restored afterwards.
        """
        path = list(sys.path)
        names = {entry.stem for entry in self.folder.iterdir() if entry.is_dir() or entry.suffix == ".py"}
        aside = {
            name: module
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] in names and not self._is_own(module) and not _is_installed(module)
        }
        for name in aside:
            del sys.modules[name]
        known = set(sys.modules)
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self.folder))
        if ProjectModules._in_workers not in (None, self.folder):
            stop_workers()
            stop_clusters()
        ProjectModules._in_workers = self.folder
        try:
            yield
        finally:
            sys.path[:] = path
            new = [name for name, module in list(sys.modules.items()) if name not in known and self._is_own(module)]
            self._modules = {name: sys.modules.pop(name) for name in new}
            sys.modules.update(aside)

    def _is_own(self, module: ModuleType) -> bool:
        return any(self.folder in place.parents for place in _places(module)) and not _is_installed(module)


def _is_installed(module: ModuleType) -> bool:
    """Whether a module is built in, of an installed package, or of the library."""
    places = _places(module)
    return not places or any(_LIBRARY in (place, *place.parents) or "site-packages" in place.parts for place in places)


def _places(module: ModuleType) -> list[Path]:
    """Return the file of a module, or the folders of a package without one."""
    file = getattr(module, "__file__", None)
    return [Path(place).resolve() for place in ([file] if file else getattr(module, "__path__", None) or [])]
