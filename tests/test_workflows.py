"""Workflows of GitHub run what was reviewed, with the rights that they need and no more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = [*sorted((ROOT / ".github/workflows").glob("*.y*ml")), ROOT / "deploy/github-actions.yml"]
NAMES = [str(path.relative_to(ROOT)) for path in WORKFLOWS]


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_zizmor_finds_nothing_in_a_workflow(path: Path) -> None:
    zizmor = Path(sys.executable).parent / "zizmor"
    # Neither the user's settings nor comments that silence it; "auditor" is the persona that says most.
    words = [zizmor, "--offline", "--no-config", "--no-ignores", "--persona=auditor", path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_an_action_is_named_by_its_commit_and_beside_it_stands_its_version(path: Path) -> None:
    used = re.findall(r"^[ -]*uses: (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_workflows_use_the_same_commit_of_an_action() -> None:
    used = {found for path in WORKFLOWS for found in re.findall(r"uses: ([^@\s]+)@(.*)", path.read_text(encoding="utf-8"))}
    assert len(used) == len({action for action, _ in used})


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_a_job_may_read_the_repository_and_no_more_keeps_no_credentials_and_ends(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]
    for job in workflow["jobs"].values():
        assert job["permissions"] == {"contents": "read"}
        assert job["timeout-minutes"] <= 60
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False]
