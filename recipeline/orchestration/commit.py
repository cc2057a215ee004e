"""The git commit of the project that made a result."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

#: The environment variable with the commit that an image was built from; an image has no checkout.
COMMIT = "RECIPELINE_GIT_COMMIT"


def describe_commit(root: Path) -> dict[str, str]:
    """Return `git_commit` and `git_dirty`; `unknown` outside of a checkout.

    `git_dirty` is true if tracked files differ from the commit. Outside of a checkout the commit is the one that
    `RECIPELINE_GIT_COMMIT` names, and whether files differed is unknown.
    """
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return {"git_commit": os.environ.get(COMMIT) or "unknown", "git_dirty": "unknown"}
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": "unknown" if changes is None else str(bool(changes)).lower()}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
