"""Profiles, pages and Terraform of the clouds name what there is."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from flask import Flask

from recipeline.config.profile import find_profile, load_profile
from recipeline.errors import UsageError
from recipeline.scaffolding.project_files import for_wines
from recipeline.scaffolding.template import read_template
from recipeline.serving.http.health import add_health
from tests.conftest import ROOT, find_command

CLOUDS = ("aws", "azure", "gcp", "databricks")
MODULE = ROOT / "deploy/terraform/aws"
ENVIRONMENT = {"MLFLOW_TRACKING_URI": "https://mlflow.example", "DATA_URI": "s3://rows/wines.parquet"}


@pytest.mark.parametrize("name", CLOUDS)
def test_a_profile_of_a_cloud_loads_with_its_variables(name: str) -> None:
    path = find_profile(name, ROOT / "profiles", ROOT)
    profile = load_profile(path, ENVIRONMENT)
    assert (profile.store.tracking_uri, profile.data) == tuple(ENVIRONMENT.values())
    assert not profile.store.artifact_location
    assert profile.promote == "manual"
    directly = load_profile(path, ENVIRONMENT | {"ARTIFACT_LOCATION": "s3://bucket/mlflow"})
    assert directly.store.artifact_location == "s3://bucket/mlflow"


@pytest.mark.parametrize("unset", ENVIRONMENT)
@pytest.mark.parametrize("name", CLOUDS)
def test_a_profile_of_a_cloud_is_refused_in_one_sentence_without_one_of_them(name: str, unset: str) -> None:
    given = {key: value for key, value in ENVIRONMENT.items() if key != unset}
    with pytest.raises(UsageError, match=unset) as error:
        load_profile(find_profile(name, ROOT / "profiles", ROOT), given)
    assert "\n" not in error.value.sentence
    assert not any(key in error.value.sentence for key in given)


def test_a_new_project_has_the_profiles() -> None:
    files = for_wines(read_template(), "mine")
    assert {f"profiles/{name}.yaml" for name in CLOUDS} <= {*files}


def shell_lines(page: str) -> list[str]:
    """Return the lines of all shell blocks of a page, continued ones joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / f"docs/{page}.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """Return the name and the options of each of our commands in a text."""
    return [
        (step or command, shlex.split(words, comments=True))
        for step, command, words in re.findall(r"python -m (?:steps\.(\w+)|recipeline ([\w-]+))([^`\n]*)", text)
    ]


@pytest.mark.parametrize("page", CLOUDS)
def test_a_page_names_our_commands_with_options_that_they_have_and_its_own_profile(page: str) -> None:
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8").replace("\\\n", " ")
    found = commands_of(text)
    assert {name for name, _ in found} >= {"main", "check", "approve"}
    for name, words in found:
        command = find_command(name.replace("-", "_"))
        context = command.make_context(name, [*words])
        assert isinstance(context, click.Context)
        assert context.params["profile"] == page, words
    for line in shell_lines(page):
        if line.startswith("make setup"):
            extras = re.findall(r"EXTRAS=(\w+)", line)
            assert all((ROOT / f"requirements/{extra}.txt").is_file() for extra in extras)


@pytest.mark.parametrize("page", CLOUDS)
def test_a_page_sets_what_its_profile_needs_and_nothing_that_no_profile_reads(page: str) -> None:
    profile = (ROOT / f"profiles/{page}.yaml").read_text(encoding="utf-8")
    exported = {
        name
        for line in shell_lines(page)
        if line.startswith("export MLFLOW") or "DATA_URI" in line
        for name in re.findall(r"\b([A-Z_]+)=", line)
    }
    assert {*re.findall(r"\$\{(\w+)\}", profile)} <= exported
    assert {name for name in exported if not name.startswith("MLFLOW_")} <= {*re.findall(r"\$\{(\w+)", profile)}


@pytest.mark.parametrize("page", CLOUDS)
def test_a_page_has_its_parts_and_invents_no_price(page: str) -> None:
    text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert {"Commands", "Costs", "Limits", "What was checked"} <= {*headings}
    costs = text.partition("## Costs")[2].partition("\n## ")[0]
    assert re.search(r"\]\(https://[^)]*pric", costs)
    assert not re.search(r"[$€£]\s?\d|\d\s?(?:USD|EUR|dollars|euros)", text)


@pytest.mark.parametrize("path", ["docs/azure.md", "docs/gcp.md", "deploy/terraform/aws/tasks.tf"])
def test_a_server_is_started_with_options_or_variables_that_mlflow_has(path: str) -> None:
    from mlflow.cli import cli

    parameters = cli.commands["server"].params
    options, variables = {it for one in parameters for it in one.opts}, {one.envvar for one in parameters}
    text = (ROOT / path).read_text(encoding="utf-8")
    start = re.search(r"--command=mlflow|az containerapp create|\"mlflow\", \"server\"", text)
    assert start
    block = text[start.start() :].partition("```")[0].partition("    service = ")[0]
    own = "--host|--port|--workers|--backend-store-uri|--artifacts-destination|--allowed-hosts"
    named = {*re.findall(rf"({own})\b", block)} | {*re.findall(r"\b(MLFLOW_[A-Z_]+)=", block)}
    assert len(named) == 6
    assert named <= (options if path != "docs/azure.md" else variables)


def test_the_service_of_the_module_is_a_command_that_there_is() -> None:
    text = (MODULE / "tasks.tf").read_text(encoding="utf-8")
    [words] = re.findall(r'service = \["python", "-m", "recipeline", (.*)\]', text)
    name, *options = [word.strip('"') for word in words.split(", ")]
    context = find_command(name).make_context(name, options)
    assert (context.params["profile"], context.params["host"], context.params["port"]) == ("aws", "0.0.0.0", "8000")
    profile = (ROOT / "profiles/aws.yaml").read_text(encoding="utf-8")
    assert all(f"{name} " in text for name in re.findall(r"\$\{(\w+)\}", profile))


def test_a_task_of_the_service_is_healthy_without_a_version_in_production() -> None:
    """ECS replaces tasks of unhealthy targets; the first version comes later.

    It is made after the module is applied.
    """
    text = (MODULE / "network.tf").read_text(encoding="utf-8")
    [path] = re.findall(r'path += \{ mlflow = "/health", service = "(\S+)" \}', text)
    app = Flask("service")
    add_health(app, SimpleNamespace(state=lambda: {"status": "not ready"}, model=None))
    assert app.test_client().get("/readyz").status_code == 503
    assert app.test_client().get(path).status_code == 200


def terraform(*words: str, folder: Path = MODULE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Terraform; skip the test where it is not installed."""
    if shutil.which("terraform") is None:
        pytest.skip("there is no terraform here: the module is not checked")
    variables = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"} | environment
    return subprocess.run(["terraform", *words], cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_the_module_is_formatted_and_can_be_parsed() -> None:
    done = terraform("fmt", "-check", "-recursive", "-diff")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.full
def test_the_module_is_valid_and_plans_as_its_tests_say(tmp_path: Path) -> None:
    """With the provider's own schema, and a stand-in of its API.

    TERRAFORM_PLUGINS names a folder of providers.
    """
    folder = shutil.copytree(MODULE, tmp_path / "module", ignore=shutil.ignore_patterns(".terraform*"))
    plugins = os.environ.get("TERRAFORM_PLUGINS")
    done = terraform("init", "-backend=false", *([f"-plugin-dir={plugins}"] if plugins else []), folder=folder)
    if done.returncode:
        pytest.skip(f"the provider is not to be had, set TERRAFORM_PLUGINS: {' '.join(done.stderr.split())[-200:]}")
    done = terraform("validate", "-no-color", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    done = terraform("test", "-no-color", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed, 0 failed" in done.stdout
    # What is checked can fail: an argument that the provider does not know, and a database that all may reach.
    storage = (folder / "storage.tf").read_text(encoding="utf-8")
    (folder / "storage.tf").write_text(storage.replace("storage_encrypted ", "storage_encryption "), encoding="utf-8")
    assert terraform("validate", "-no-color", folder=folder).returncode != 0
    changed = re.sub(r"publicly_accessible( +)= false", r"publicly_accessible\1= true", storage)
    (folder / "storage.tf").write_text(changed, encoding="utf-8")
    assert "must be encrypted, private" in terraform("test", "-no-color", folder=folder).stderr
