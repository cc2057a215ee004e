"""A project is locked to the installed library, with its hash."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from recipeline.errors import UnavailableError
from recipeline.scaffolding import library
from recipeline.scaffolding.library import Requirement, require_library

CONTENT = b"a wheel"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
WHEEL = "recipeline-9.9-py3-none-any.whl"


class Pip:
    """Stands for pip: makes WHEEL when asked, and keeps the question."""

    def __init__(self, fails: str = "") -> None:
        self.asked: list[list[str]] = []
        self._fails = fails

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(command[4:])
        if self._fails:
            return subprocess.CompletedProcess(command, 1, "", f"a warning\n{self._fails}\n")
        if command[4] == "wheel":
            (Path(command[command.index("--wheel-dir") + 1]) / WHEEL).write_bytes(CONTENT)
        found = {"download_info": {"archive_info": {"hashes": {"sha256": DIGEST}}}}
        return subprocess.CompletedProcess(command, 0, json.dumps({"install": [found]}), "")


def install(monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None, pip: Pip) -> None:
    """Let the library be installed from a place (PEP 610); None: the index."""
    text = None if origin is None else json.dumps(origin)
    own = Path(library.__file__).resolve().parents[1]
    found = types.SimpleNamespace(version="9.9", read_text=lambda _: text, locate_file=lambda _: own)
    monkeypatch.setattr(library.metadata, "distribution", lambda _: found)
    monkeypatch.setattr(library.subprocess, "run", pip)


def test_from_the_index_it_is_the_version_and_the_hash_that_the_index_has(monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip()
    install(monkeypatch, None, pip)
    found = require_library()
    assert (found.line, found.files) == (f"recipeline==9.9 --hash=sha256:{DIGEST}", {})
    assert pip.asked[0][-1] == "recipeline==9.9"


@pytest.mark.parametrize("info", [{}, {"hash": f"sha256={DIGEST}"}, {"hashes": {"sha256": DIGEST}}])
def test_from_a_wheel_it_is_that_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, info: dict[str, Any]) -> None:
    wheel = tmp_path / "a folder" / WHEEL
    wheel.parent.mkdir()
    wheel.write_bytes(CONTENT)
    pip = Pip()
    install(monkeypatch, {"url": wheel.as_uri(), "archive_info": info}, pip)
    found = require_library()
    assert found.line == f"./wheels/{WHEEL} --hash=sha256:{DIGEST}"
    assert found.files == {f"wheels/{WHEEL}": CONTENT}
    assert pip.asked == []


@pytest.mark.parametrize("content", [None, b"", b"another wheel"])
def test_a_wheel_that_is_gone_or_another_one_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    wheel = tmp_path / WHEEL
    if content is not None:
        wheel.write_bytes(content)
    install(monkeypatch, {"url": wheel.as_uri(), "archive_info": {"hashes": {"sha256": DIGEST}}}, Pip())
    with pytest.raises(UnavailableError, match="has changed" if content is not None else "no longer exists"):
        require_library()


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ({"url": "https://host/r.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}, "git+https://host/r.git@c0ffee"),
        ({"url": "file:///a%20folder", "dir_info": {"editable": True}}, "/a folder"),
        ({"url": "https://host/r.whl", "archive_info": {}}, "recipeline @ https://host/r.whl"),
        ({"url": "file:///a/r.tar.gz", "archive_info": {}}, "/a/r.tar.gz"),
    ],
    ids=["git", "a folder", "an address", "an archive of sources"],
)
def test_from_anywhere_else_pip_makes_a_wheel_of_the_same_source(
    monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any], source: str
) -> None:
    pip = Pip()
    install(monkeypatch, origin, pip)
    found = require_library()
    assert pip.asked[0][-1] == source
    assert found.line == f"./wheels/{WHEEL} --hash=sha256:{DIGEST}"
    assert found.files == {f"wheels/{WHEEL}": CONTENT}


def test_where_pip_fails_its_last_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, None, Pip(fails="ERROR: No matching distribution"))
    with pytest.raises(UnavailableError, match="pip cannot provide the library: ERROR: No matching distribution"):
        require_library()


def test_it_is_the_last_package_of_the_lock() -> None:
    requirement = Requirement("./wheels/r.whl --hash=sha256:00", "git")
    assert requirement.add_to(b"a==1 \\\n    --hash=sha256:11\n\n") == (
        b"a==1 \\\n    --hash=sha256:11\n./wheels/r.whl --hash=sha256:00\n"
    )


def test_this_suite_runs_from_a_checkout() -> None:
    assert Path(sys.modules["recipeline"].__path__[0]) == Path(library.__file__).parents[1]
    assert library._installed() is None
