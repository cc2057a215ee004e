"""A production ML pipeline on MLflow, from ingest to serve and monitor.

`Project` is the API of notebooks and programs. Nothing is imported here: every step's fingerprint covers this file, and
commands without a store start quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recipeline._version import __version__ as __version__
    from recipeline.project import Project as Project

_HOMES = {"__version__": "_version", "Project": "project"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"recipeline.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
