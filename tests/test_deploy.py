"""The schedules in `deploy/` say what the commands understand."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.conftest import find_command as command

DEPLOY = ROOT / "deploy"
#: The schedules; the containers are in tests/test_compose.py.
FILES = sorted(path.name for path in DEPLOY.iterdir() if path.is_file() and path.name != "compose.yaml")


def commands(text: str) -> list[list[str]]:
    """Return the words of each command of the project in a file."""
    found = re.findall(r"python -m (?:steps\.|recipeline )(\w+.*)$", text, re.MULTILINE)
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".timer")])
def test_a_schedule_calls_commands_with_options_that_they_have(name: str) -> None:
    found = commands((DEPLOY / name).read_text(encoding="utf-8"))
    assert found
    for name_, *words in found:
        options = {option for parameter in command(name_).params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".timer")])
def test_a_schedule_names_a_profile_that_the_project_has(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    profiles = set(re.findall(r"(?:--profile |PROFILE=)([\w-]+)", text))
    assert profiles
    assert profiles <= {path.stem for path in (ROOT / "profiles").iterdir()}


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".timer")])
def test_a_schedule_that_retrains_after_drift_has_labels(name: str) -> None:
    """The service's log has no target."""
    found = [words for name_, *words in commands((DEPLOY / name).read_text(encoding="utf-8")) if name_ == "monitor"]
    assert found
    assert [words for words in found if "retrain" in words and not {"--labels", "--data"} & {*words}] == []


def test_every_way_to_install_the_crontab_keeps_the_lines_that_are_there(tmp_path: Path) -> None:
    """`crontab FILE` replaces all; `crontab` here keeps lines in a file."""
    kept = tmp_path / "kept"
    program = tmp_path / "crontab"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = -l ]; then cat "{kept}"; else cat "$1" > "{kept}.new"; mv "{kept}.new" "{kept}"; fi\n'
    )
    program.chmod(0o755)
    for file in ("deploy/cron", "docs/monitoring.md"):
        text = (ROOT / file).read_text(encoding="utf-8").replace("\\|", "|")
        found = re.findall(r"^#\s+(.*crontab.*)$|`(.*?crontab.*?)`", text, re.MULTILINE)
        installs = [
            " ".join(words).strip() for words in found if "cat deploy/cron" in " ".join(words) or "crontab d" in " ".join(words)
        ]
        assert installs
        for command_ in installs:
            for before in ("", "0 1 * * * backup\n"):
                kept.write_text(before)
                environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
                subprocess.run(["sh", "-c", command_], cwd=ROOT, env=environment, check=True)
                assert kept.read_text() == before + (DEPLOY / "cron").read_text()


def test_a_workflow_of_github_has_a_time() -> None:
    content = yaml.safe_load((DEPLOY / "github-actions.yml").read_text(encoding="utf-8"))
    assert len(content[True]["schedule"][0]["cron"].split()) == 5


@pytest.mark.parametrize("name", ["monitor.service", "monitor.timer"])
def test_a_unit_has_the_sections_of_its_kind(name: str) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string((DEPLOY / name).read_text(encoding="utf-8"))
    assert unit.has_option("Service", "ExecStart") if name.endswith(".service") else unit.has_option("Timer", "OnCalendar")


def test_the_page_about_monitoring_names_every_schedule_and_every_rule() -> None:
    text = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    assert all(f"deploy/{name}" in text for name in [*FILES, "kubernetes"])
    recipe = yaml.safe_load((ROOT / "recipe.yaml").read_text(encoding="utf-8"))
    for rule, limits in recipe["monitoring"].items():
        if isinstance(limits, dict):
            assert re.search(rf"^\| `{rule}` .*\| {limits['warn']:g} \| {limits['drift']:g} \|$", text, re.MULTILINE), rule


def test_the_paths_that_the_page_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")):
        assert (ROOT / "docs" / Path(target)).exists(), target
