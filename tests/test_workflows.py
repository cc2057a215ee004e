"""Workflows of GitHub run reviewed code, with the rights that they need."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, find_command
from tests.schemas import RESULT

WORKFLOWS = [*sorted((ROOT / ".github/workflows").glob("*.y*ml")), ROOT / "deploy/github-actions.yml"]
DEPENDABOT = ROOT / ".github/dependabot.yml"
NAMES = [str(path.relative_to(ROOT)) for path in WORKFLOWS]


def test_zizmor_finds_nothing_in_a_workflow() -> None:
    zizmor = Path(sys.executable).parent / "zizmor"
    # Neither the user's settings nor comments that silence it; "auditor" is the persona that says most.
    words = [zizmor, "--offline", "--no-config", "--no-ignores", "--persona=auditor", *WORKFLOWS, DEPENDABOT]
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


#: What a job may do besides reading the repository.
MORE = {("release.yml", "wheel"): {"id-token": "write", "attestations": "write"}}


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_a_job_may_read_the_repository_and_no_more_keeps_no_credentials_and_ends(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert (workflow.get("concurrency") or job["concurrency"])["group"]
        assert job["permissions"] == {"contents": "read"} | MORE.get((path.name, name), {})
        assert job["timeout-minutes"] <= 60
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_a_job_that_has_a_secret_is_of_an_environment(path: Path) -> None:
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        assert ("secrets." in str(job)) <= ("environment" in job)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_a_run_that_awaits_a_reviewer_keeps_no_other_run_from_its_work(path: Path) -> None:
    """A run holds its workflow's group until it ends.

    All but the newest of those that wait for it are cancelled.
    """
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    reviewed = {name: job for name, job in workflow["jobs"].items() if job.get("environment") == "production"}
    assert bool(reviewed) == (path.name in ("retrain.yml", "approve.yml", "to-prod.yml"))
    if reviewed:
        assert "concurrency" not in workflow
        assert {job["concurrency"]["group"] for job in reviewed.values()} == {"production"}
        assert "production" not in {
            job["concurrency"]["group"] for name, job in workflow["jobs"].items() if name not in reviewed
        }


def attested(release: dict[str, Any], name: str) -> set[str]:
    """Return the paths that an action of the release is given."""
    (step,) = (it for job in release["jobs"].values() for it in job["steps"] if name in it.get("uses", ""))
    return {*(step["with"].get("subject-path") or step["with"]["path"]).split()}


def test_every_file_of_a_release_has_a_signed_statement() -> None:
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    assert (
        attested(release, "attest-build-provenance")
        == attested(release, "upload-artifact")
        == {"dist/*.whl", "build/sbom.json"}
    )


def check_schema(schema: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    words = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, *paths]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("schema", "paths"), [("vendor.dependabot", [DEPENDABOT]), ("vendor.github-workflows", WORKFLOWS)])
def test_files_are_as_github_s_schemas_say(schema: str, paths: list[Path]) -> None:
    done = check_schema(schema, *paths)
    assert done.returncode == 0, done.stdout


def test_a_key_that_github_does_not_know_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("timeout-minutes", "timeout_minutes"), encoding="utf-8")
    assert "timeout_minutes" in check_schema("vendor.github-workflows", wrong).stdout


def scripts(path: Path) -> Iterator[str]:
    for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
        yield from (step["run"] for step in job["steps"] if "run" in step)


def lines() -> list[str]:
    return [line.strip() for path in WORKFLOWS for script in scripts(path) for line in script.splitlines()]


def test_every_make_target_that_a_workflow_names_exists() -> None:
    makefile = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "development.mk"))
    targets = {name for line in re.findall(r"^([\w -]+):(?!=)", makefile, re.MULTILINE) for name in line.split()}
    used = {word for line in lines() if line.startswith("make ") for word in shlex.split(line)[1:] if "=" not in word}
    assert {"setup", "setup-dev", "docs", "sbom", "audit"} <= used
    assert used <= targets


def test_every_command_that_a_workflow_names_exists_with_its_options() -> None:
    typed = [re.sub(r"-m steps\.", "-m recipeline ", line.partition(">")[0]) for line in lines()]
    found = [shlex.split(line) for line in typed if "-m recipeline " in line]
    assert {words[words.index("recipeline") + 1] for words in found} >= {"retrain", "approve", "promote", "monitor", "check"}
    for words in found:
        name, *options = words[words.index("recipeline") + 1 :]
        command = find_command(name.replace("-", "_"))
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in options if word.startswith("--")} <= known


def test_every_other_program_and_path_that_a_workflow_names_exists() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    packages = {re.split(r"[<>=\[]", it)[0] for it in stated}
    for line in lines():
        assert {*re.findall(r"\.venv/bin/([\w-]+)", line)} <= {"python", *packages}
    assert {line.split()[0] for line in lines()} <= {
        "make",
        "bash",
        "docker",
        "jq",
        "test",
        ".venv/bin/hatchling",
        ".venv/bin/python",
    }
    targets = {word for line in lines() for word in re.findall(r"--target (chain|service)", line)}
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert targets == {"chain", "service"} <= {*re.findall(r"^FROM \S+ AS (\w+)", dockerfile, re.MULTILINE)}


def test_what_the_retraining_reads_of_a_result_is_in_the_schema() -> None:
    schema = json.loads(RESULT.read_text(encoding="utf-8"))
    paths = {path for line in lines() for path in re.findall(r"\.((?:values|output|error)[\w.]*)", line)}
    assert len(paths) == 4
    for path in paths:
        assert has_path(schema, schema, path.split("."), "retrain"), path


def has_path(whole: Any, schema: Any, keys: list[str], command: str) -> bool:
    """Whether a schema, or one that it refers to, has nested properties."""
    if not keys:
        return True
    if "$ref" in schema:
        target = whole
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return has_path(whole, target, keys, command)
    rules = [it["then"] for it in schema.get("allOf", []) if it["if"]["properties"]["command"]["const"] == command]
    if any(has_path(whole, it, keys, command) for it in [*rules, *schema.get("anyOf", [])]):
        return True
    inner = schema.get("properties", {}).get(keys[0])
    return inner is not None and (inner != {} or len(keys) == 1) and has_path(whole, inner, keys[1:], command)


def test_dependabot_leaves_the_lock_to_make_lock() -> None:
    content = yaml.safe_load(DEPENDABOT.read_text(encoding="utf-8"))
    assert [it["package-ecosystem"] for it in content["updates"]] == ["github-actions", "docker"]


def test_a_workflow_gives_a_command_the_variables_that_a_profile_of_a_server_needs() -> None:
    profiles = [path.read_text(encoding="utf-8") for path in (ROOT / "profiles").glob("*.yaml") if path.stem != "ci"]
    wanted = {name for text in profiles for name in re.findall(r"\$\{(\w+)", text)}
    assert wanted >= {"MLFLOW_TRACKING_URI", "DATA_URI", "ARTIFACT_LOCATION"}
    for name in ("retrain.yml", "approve.yml", "to-prod.yml"):
        for job in yaml.safe_load((ROOT / ".github/workflows" / name).read_text(encoding="utf-8"))["jobs"].values():
            assert wanted <= {*job["env"]}


def test_an_input_reaches_a_script_as_a_variable_only() -> None:
    """Else whoever starts the workflow writes the script."""
    assert [line for line in lines() if "${{" in line] == []
