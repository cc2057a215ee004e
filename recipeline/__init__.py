"""A production ML pipeline around MLflow: ingest, split, train, evaluate, register, promote, serve and monitor.

Nothing is imported here: every step's fingerprint covers this file, and a light command stays light.
"""

from __future__ import annotations


def __getattr__(name: str) -> str:
    if name == "__version__":
        from recipeline._version import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
