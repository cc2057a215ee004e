"""Installed packages are known: licences, bill of materials, audit."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from recipeline import __version__
from tests.conftest import ROOT

PACKAGES = runpy.run_path(str(ROOT / "scripts/packages.py"))
PAGE = (ROOT / "docs/licences.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([\w.-]+) \| (.+) \| (\w+) \|$", PAGE, re.MULTILINE)[1:]


def test_every_licence_is_one_that_is_allowed() -> None:
    """The page's, with packages of other extras, and the installed ones."""
    here = {name: PACKAGES["licence_of"](name) for lock in PACKAGES["locks"]().values() for name in PACKAGES["locked"](lock)}
    found = [(name, licence) for name, licence, _ in ROWS] + [(name, licence) for name, licence in here.items() if licence]
    assert len(found) > 200
    assert [(name, licence) for name, licence in found if not PACKAGES["is_allowed"](licence)] == []


@pytest.mark.parametrize(
    ("licence", "is_allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only AND (MIT OR BSD-3-Clause)", False),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("Other/Proprietary License", False),
        ("unknown", False),
    ],
)
def test_an_expression_is_allowed_where_allowed_licences_meet_it(licence: str, is_allowed: bool) -> None:
    assert PACKAGES["is_allowed"](licence) == is_allowed


def test_the_page_has_every_package_of_every_lock_with_the_licence_that_it_states() -> None:
    rows = {(name, lock): licence for name, licence, lock in ROWS}
    wanted = {(name, lock) for lock, path in PACKAGES["locks"]().items() for name in PACKAGES["locked"](path)}
    assert {*rows} <= wanted
    elsewhere = {("pywin32", "core"), ("waitress", "core"), ("colorama", "test")}  # of Windows
    elsewhere |= {("xgboost", "xgboost")}  # of macOS
    assert wanted - {*rows} <= elsewhere
    text = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGES["locks"]().values())
    for (name, _), licence in rows.items():
        # Of two versions, for an older and a newer Python, the page has the licence of one.
        versions = {*re.findall(rf"^{re.escape(name)}==([^\s;]+)", text, re.MULTILINE)}
        assert len(versions) > 1 or PACKAGES["licence_of"](name) in (licence, None), f"{name}: make licences"


@pytest.mark.parametrize(
    ("about", "licence"),
    [
        ("License-Expression: MIT-0\nLicense: other", "MIT-0"),
        ("Classifier: License :: OSI Approved :: Apache Software License", "Apache-2.0"),
        ("Classifier: License :: OSI Approved\nLicense: Apache 2.0", "Apache-2.0"),
        (
            "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: OSI Approved :: BSD License",
            "BSD OR MIT",
        ),
        ("License: Mine\n        and a long text", "Mine"),
        ("Summary: says nothing", "unknown"),
    ],
)
def test_a_licence_is_what_the_metadata_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, about: str, licence: str) -> None:
    (tmp_path / "toy_of_this-1.dist-info").mkdir()
    (tmp_path / "toy_of_this-1.dist-info/METADATA").write_text(
        f"Metadata-Version: 2.4\nName: toy-of-this\nVersion: 1\n{about}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert PACKAGES["licence_of"]("toy-of-this") == licence


@pytest.mark.full
def test_the_bill_of_materials_is_valid_and_has_every_line_of_the_lock_with_its_hashes() -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator  # seconds, which `make test` need not take

    content = PACKAGES["sbom"](["s3", "postgres"])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(content) is None
    bill = json.loads(content)
    root, components = bill["metadata"]["component"], bill["components"]
    assert (root["name"], root["version"]) == ("recipeline", __version__)
    text = "\n".join(
        (ROOT / name).read_text() for name in ("requirements.txt", "requirements/s3.txt", "requirements/postgres.txt")
    )
    lines = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
    assert sorted((one["name"], one["version"]) for one in components) == sorted(lines)
    hashes = {
        one["content"] for part in components for reference in part["externalReferences"] for one in reference.get("hashes", [])
    }
    assert hashes == {*re.findall(r"--hash=sha256:([0-9a-f]{64})", text)}
    licensed = {one["name"] for one in components if one.get("licenses")}
    assert licensed == {name for name, _ in lines if PACKAGES["licence_of"](name)}


def test_an_audit_says_where_nobody_was_asked(tmp_path: Path) -> None:
    """Pip-audit calls a lock clean where its index has no data at all.

    Here it is a script.
    """
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    for name in ("requirements.txt", "requirements/s3.txt", "requirements-dev.txt"):
        (tmp_path / name).touch()
    (tmp_path / "scripts/audit").write_bytes((ROOT / "scripts/audit").read_bytes())
    tool = tmp_path / ".venv/bin/pip-audit"

    def audit(script: str) -> subprocess.CompletedProcess[str]:
        tool.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\n{script}\n')
        tool.chmod(0o755)
        words = ["bash", str(tmp_path / "scripts/audit"), "--vulnerability-service", "osv"]
        return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(tmp_path)})

    done = audit("exit 0")
    assert (done.returncode, "names no vulnerability of jinja2 2.10" in done.stderr) == (6, True)
    done = audit("exit 1")
    assert done.returncode == 1
    done = audit('case "$*" in *--no-deps*) exit 1;; esac')
    assert done.returncode == 0
    asked = (tmp_path / "asked").read_text().splitlines()[-3:]
    assert all({"--strict", "--require-hashes", "osv"} <= {*line.split()} for line in asked)
    assert [line.split("--requirement ")[1].split()[0] for line in asked] == [
        "requirements.txt",
        "requirements/s3.txt",
        "requirements-dev.txt",
    ]


def test_the_library_that_validates_the_bill_is_that_of_the_lock() -> None:
    locked = (ROOT / "requirements-dev.txt").read_text()
    assert f"cyclonedx-bom=={metadata.version('cyclonedx-bom')} " in locked


def test_a_wrong_use_of_the_script_is_told() -> None:
    for words in ([], ["all"], ["sbom", "none"], ["licences", "s3"]):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts/packages.py", *words], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
