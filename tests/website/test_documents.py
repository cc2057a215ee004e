"""Documents say what is so: badges, the development container, the entrance."""

from __future__ import annotations

import json
import re
import tomllib

import jsonschema_rs

from tests.conftest import ROOT
from tests.shell_lines import faults_of
from website.staging import pages

METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_badges_are_files_of_their_own_and_true() -> None:
    opening = read("README.md").partition("\n## ")[0]
    badges = re.findall(r"!\[([^\]]+)\]\((docs/[a-z]+\.svg)\)", opening)
    assert [name for _, name in badges][:2] == ["docs/python.svg", "docs/licence.svg"]
    first, last = re.findall(r"3\.(\d+)", METADATA["requires-python"])
    versions = [f"3.{minor}" for minor in range(int(first), int(last))]
    assert re.findall(r"3\.\d+", badges[0][0]) == versions
    assert re.findall(r"3\.\d+", read("docs/python.svg").partition("<title>")[2].partition("<")[0]) == versions
    assert f"licence {METADATA['license']}<" in read("docs/licence.svg")
    assert read("LICENSE").startswith("MIT")


#: The rules of https://containers.dev/implementors/json_schema for a container of an image, for the properties that ours has.
CONTAINER = {
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string"},
        "postCreateCommand": {
            "type": ["string", "array", "object"],
            "items": {"type": "string"},
            "additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}},
        },
        "forwardPorts": {
            "type": "array",
            "items": {
                "oneOf": [
                    {"type": "integer", "minimum": 0, "maximum": 65535},
                    {"type": "string", "pattern": r"^([a-z0-9-]+):(\d{1,5})$"},
                ]
            },
        },
        "portsAttributes": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "label": {"type": "string"},
                    "protocol": {"enum": ["http", "https"]},
                    "onAutoForward": {"enum": ["notify", "openBrowser", "openBrowserOnce", "openPreview", "silent", "ignore"]},
                },
            },
        },
        "customizations": {"type": "object"},
    },
}


def test_the_development_container_is_one_and_its_rules_are_none_that_all_pass() -> None:
    is_valid = jsonschema_rs.validator_for(CONTAINER).is_valid
    container = json.loads(read(".devcontainer/devcontainer.json"))
    assert is_valid(container)
    for change in (
        {"image": 3},
        {"postCreateComand": "make"},
        {"postCreateCommand": 1},
        {"forwardPorts": [70000]},
        {"forwardPorts": ["5000"]},
        {"portsAttributes": {"5000": {"onAutoForward": "shout"}}},
    ):
        assert not is_valid({**container, **change}), change
    assert not is_valid({key: value for key, value in container.items() if key != "image"})


def test_the_development_container_has_a_python_of_the_lock_and_commands_that_exist() -> None:
    container = json.loads(read(".devcontainer/devcontainer.json"))
    first, last = re.findall(r"3\.(\d+)", METADATA["requires-python"])
    image, _, minor = container["image"].partition(":3.")
    assert image == "mcr.microsoft.com/devcontainers/python"
    assert int(first) <= int(minor) < int(last)
    assert faults_of(container["postCreateCommand"]) == []
    assert {*map(str, container["forwardPorts"])} == {*container["portsAttributes"]}
    assert container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"].endswith("/.venv/bin/python")


def test_the_index_names_every_page_or_has_a_heading_for_its_folder() -> None:
    index = read("docs/index.md")
    headings = re.findall(r"^## (.*)$", index, re.MULTILINE)
    assert headings == ["Tutorial", "How-to guides", "Explanation", "Reference", "Project"]
    named = {f"docs/{name}" for name in re.findall(r"\]\(([^)#.][^)#]*\.md)", index)}
    here = {name for name in pages() if name.startswith("docs/explanation/")}
    assert here <= named


def test_the_comparison_says_when_it_was_made_and_from_what() -> None:
    text = read("docs/comparison.md")
    assert re.search(r"^As of \w+ 20\d\d", text, re.MULTILINE)
    for name in ("MLflow Recipes", "ZenML", "Kedro", "Metaflow", "DVC"):
        assert re.search(rf"^\| {name} \|", text, re.MULTILINE)
        assert name.removesuffix(" Recipes") in text.partition("Sources:")[2]
