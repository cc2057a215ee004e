"""Snippets of the documents hold.

Commands and options exist, keys are known, code runs and prints what is shown.

Commands of the README and the guide are run by tests/scenarios/test_readme.py, those of the tutorial by test_tutorial.py.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from flask import Flask
from pydantic import ValidationError, create_model

from recipeline.config.candidate import Candidate
from recipeline.config.profile import Profile
from recipeline.config.recipe import Recipe
from recipeline.config.settings import Settings
from tests.shell_lines import faults_of, lines_of
from tests.snippets import DOCUMENTS, Block, all_blocks, blocks_of, outputs

PYTHON = all_blocks("python")
#: Code with its output below it; that of docs/notebooks.md, which needs a project, runs in tests/test_project.py.
OUTPUTS = outputs()


@pytest.mark.parametrize("block", all_blocks("sh"), ids=lambda block: block.place)
def test_a_block_of_commands_is_shell_and_names_what_exists(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
    lines = list(lines_of(block.text))
    assert lines
    assert [fault for line in lines for fault in faults_of(line)] == []


INLINE = re.compile(r"`((?:make|recipeline|mlflow run|python -m|\.venv/bin/\w+) [^`]+)`")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_command_in_running_text_names_what_exists(path: Path) -> None:
    prose = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for line in INLINE.findall(prose) if not re.search(r"[<…|]|FOLDER|\.\.\.", line)]
    assert [fault for line in lines for fault in faults_of(line)] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("make pipelin", "no target pipelin"),
        ('make train ARGS="modle=rf"', "train has no option --modle"),
        ("make train ARG=x", "no variable ARG"),
        ("python -m steps.train --folds 3", "train has no option --folds"),
        ("recipeline predic", "no command predic"),
        ("split=$(python -m steps.split --nowhere x | tail -1)", "split has no option --nowhere"),
        ("mlflow run . -e train -P modle=rf", "train has no parameter modle"),
        ("mlflow run . -e trian", "no entry point trian"),
        ("mkae train", "no program mkae, make?"),
        ("(umask 77 && make tset)", "no target tset"),
        ("python -m steps.train --model rf | grep x", ""),
        ("echo 'a", "a quote is not closed: echo 'a"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, fault: str) -> None:
    assert faults_of(line) == ([fault] if fault else [])


def key_faults(text: str) -> list[str]:
    """Return what the type of a recipe, profile or candidate refuses in a fragment."""
    keys = list(yaml.safe_load(text))
    model = max((Recipe, Profile, Candidate), key=lambda it: len({*keys} & {*_names(it)}))
    content = model.write_out(yaml.safe_load(text))
    faults = [f"no key {key}" for key in content if key not in _names(model)]
    for key in content.keys() & _names(model).keys():
        # A recipe has two columns at least; a fragment may show one.
        value = {**content[key], "another one": {}} if key == "columns" else content[key]
        try:
            _alone(model, key).model_validate_json(json.dumps({key: value}, default=str))
        except ValidationError as error:
            faults += [f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors()]
    return faults


def _names(model: type[Settings]) -> dict[str, str]:
    """Return the names of a model's fields by their keys."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def _alone(model: type[Settings], key: str) -> type[Settings]:
    """Return a model of one key of another, with the same rules for its value."""
    name = _names(model)[key]
    field = model.model_fields[name]
    definition: dict[str, Any] = {name: (field.annotation, field)}
    return create_model("Alone", __base__=Settings, **definition)


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=lambda block: block.place)
def test_a_fragment_of_yaml_has_known_keys_and_possible_values(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if isinstance(content, list):  # rules for Prometheus
        assert all({"alert", "expr"} <= set(rule) for rule in content)
    elif "apiVersion" in content:  # a manifest: tests/test_kubernetes.py tries what it says
        assert {"apiVersion", "kind"} <= set(content)
    else:
        assert key_faults(block.text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("split: {groop: person}", "split.groop: Extra inputs are not permitted"),
        ("colums: {}", "no key colums"),
        ("promotion: {alpha: 2}", "promotion.alpha: Input should be less than 1"),
        ("service: {wrokers: 1}", "service.wrokers: Extra inputs are not permitted"),
    ],
)
def test_a_key_that_does_not_exist_is_found(text: str, fault: str) -> None:
    assert key_faults(text) == [fault]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.place)
def test_code_is_python_whose_imports_exist(block: Block) -> None:
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert [name.name for name in node.names if not hasattr(module, name.name)] == []
        elif isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)


def defined(name: str) -> Any:
    """Return a function that a document shows."""
    [block] = [block for block in PYTHON if f"def {name}(" in block.text]
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(block.text, block.place, "exec"), names)
    return names[name]


def test_rules_of_splits_return_what_the_page_says() -> None:
    regions = pd.DataFrame({"region": [7, 3, 7]})
    assert defined("by_region")(regions).tolist() == [True, False, True]
    assert defined("by_region")(regions, region=3).tolist() == [False, True, False]
    tests, folds = defined("by_site")(pd.DataFrame({"site": ["south", "north", "west"]}))
    assert (tests.tolist(), folds.tolist()) == ([False, True, False], [0, -1, 2])


def test_the_hook_of_the_page_changes_answers() -> None:
    app = Flask("service")
    app.add_url_rule("/", view_func=lambda: "here")
    defined("add_hooks")(app)
    assert app.test_client().get("/").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("block", "shown"), OUTPUTS, ids=lambda block: block.place)
def test_the_output_that_is_shown_below_code_is_its_output(
    block: Block, shown: Block, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(block.text, block.place, "exec"), {"__name__": "snippet"})
    assert capsys.readouterr().out == shown.text


def test_pages_that_explain_have_examples_that_run() -> None:
    explained = {path for path in DOCUMENTS if path.parent.name == "explanation"}
    assert len(explained) >= 8
    assert explained == {block.path for block, _ in OUTPUTS} & explained


@pytest.mark.parametrize("block", all_blocks("json"), ids=lambda block: block.place)
def test_json_is_json_but_for_what_is_left_out(block: Block) -> None:
    text = re.sub(r",\s*…|…", "", block.text)
    assert json.JSONDecoder().raw_decode(text.strip())


#: Languages of blocks that are of other programs, or of none.
OTHERS = {"", "caddy", "dockerfile", "hcl", "ini", "nginx", "promql", "toml"}


def test_every_language_of_a_block_is_looked_at() -> None:
    looked_at = {"sh", "yaml", "python", "json", "text", "csv"} | OTHERS
    assert {block.place for path in DOCUMENTS for block in blocks_of(path) if block.language not in looked_at} == set()
