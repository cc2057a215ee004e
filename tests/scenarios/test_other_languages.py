"""Names, paths and reasons with special meanings: taken as they are.

Or refused: what means something in a filter, a URI, a terminal or Markdown.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from recipeline.registry.versions import Registry
from recipeline.tracking.connection import sqlite
from recipeline.tracking.connection.store import Store, open_store
from tests.conftest import NAME, ROOT, Project
from tests.registry.helpers import add

#: What MLflow would show as a picture, a link, HTML or code, and open, where it shows Markdown.
MARKUP = "![x](http://evil.test/x.png) [a](http://evil.test) <img src=x onerror=y> **b** `c` _d_ \\[e](f) | # g"

HARMFUL = "\x1b[2J\x1b]0;owned\x07\u202eevil\r\n│ 9 │ forged │"

#: Names of folders; a file system takes anything but a slash and a zero.
FOLDERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\x00"), min_size=1, max_size=12)


@given(FOLDERS)
def test_the_uri_of_a_file_leads_back_to_it_whatever_its_folder_is_called(name: str) -> None:
    path = Path("/somewhere") / name / "mlflow.db"
    uri = sqlite.uri_of(path)
    assert sqlite.path_of(uri) == path
    assert sqlite.absolute(uri, Path("/elsewhere")) == uri
    assert sqlite.absolute("sqlite:///mlflow.db", path.parent) == sqlite.uri_of(path.resolve())


@pytest.mark.parametrize("name", ["50%41 wine", "wine?", "a?b=c", "#1 & 'x' ; y", "%", "ü %3F"])
def test_a_store_lies_where_its_folder_is_and_nowhere_else(tmp_path: Path, empty_store: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    shutil.copy(empty_store, root / "mlflow.db")
    for uri in ("sqlite:///mlflow.db", sqlite.uri_of(root / "mlflow.db")):
        store = open_store(uri, root=root, artifact_location="mlruns")
        with mlflow.start_run(experiment_id=store.experiment("toy")):
            mlflow.log_text("x", "note.txt")
    assert list(root.rglob("note.txt"))
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["50%41 wine", "wine?", "a?b.c"])
def test_a_path_that_mlflow_run_hands_on_unescaped_is_the_one_that_is_meant(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    path = tmp_path / name / "mlflow.db"
    assert sqlite.path_of(sqlite.absolute(f"sqlite:///{path}", tmp_path)) == path


@pytest.mark.parametrize("name", ["Wine'Best", "L'Été 名", "{x} & $HOME", "a.b-c_d"])
def test_a_model_of_any_name_is_registered_found_and_asked(store: Store, name: str) -> None:
    registry = Registry(store, name)
    version, is_new = add(store, registry, "first")
    assert (version, is_new) == ("1", True)
    add(store, Registry(store, "Another"), "other")
    assert [found.name for found in registry.versions()] == [name]
    assert add(store, registry, "first")[1] is False
    assert registry.ledger.read().entries == ()
    assert mlflow.sklearn.load_model(f"models:/{name}/1") is not None


def test_a_chain_whose_model_has_an_apostrophe_is_promoted_and_its_reasons_act_on_no_terminal(project: Project) -> None:
    project.write_recipe(lambda content: content.update(model_name="Wine'Best"))
    project.ok("main", model="lr", promote="always")
    project.ok("main", model="dt", promote="always")
    project.ok("rollback", reason=HARMFUL + MARKUP)
    project.ok("main", model="dt")  # what was rolled back stays so, for that reason
    history = project.ok("history").stdout
    assert "\\u001b[2J" in history
    assert "\\u202eevil" in history
    assert not {*history} & {"\x1b", "\x07", "\u202e", "\r"}
    assert not [line for line in history.splitlines() if line.startswith("│ 9")]
    for command in ("why", "doctor", "predict"):
        assert not {*project.ok(command).stdout} & {"\x1b", "\x07", "\u202e", "\r"}
    versions = project.client.search_model_versions('name = "Wine\'Best.ledger"')
    shown = [version.description for version in versions]
    shown += [run.data.tags.get("mlflow.note.content", "") for run in project.runs()]
    assert len([text for text in shown if "evil.test" in text]) >= 2  # the entry, and the decision that quotes it
    for text in shown:
        html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
        assert set(re.findall(r"<(\w+)", html)) <= {"p", "a"}, (text, html)
        assert len(re.findall(r"<a ", html)) == len(re.findall(r'<a href="#/(?:experiments|models)/[^"]*">', html))  # only ours


def test_a_checkout_in_a_folder_of_any_name_keeps_its_store_to_itself(tmp_path: Path, wines: pd.DataFrame) -> None:
    folder = tmp_path / "50%41 of? my 'wines' #1"
    folder.mkdir()
    project = Project(folder, wines)
    project.write_profile(store={"tracking_uri": f"sqlite:///{folder}/mlflow.db", "artifact_location": str(folder / "mlruns")})
    words = ["-m", "steps.ingest", "--recipe", str(project.recipe_path), "--profile", str(project.profile_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (folder / "mlflow.db").is_file()
    assert list(folder.rglob("dataset.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_name_that_a_uri_cannot_hold_is_refused_before_anything_runs(project: Project) -> None:
    for name in ("a?b", "a#b", "50%", 'a"b', "a\\b", "a@b", "a\nb", "\u202eb"):
        project.write_recipe(lambda content, name=name: content.update(model_name=name))
        outcome = project.run("main")
        assert outcome.exit_code == 2, name
        assert "model_name" in outcome.stderr
        assert "Traceback" not in outcome.stderr
    project.write_recipe()
    assert project.runs() == []
    for uri in (f"models:/{NAME}\"'/Production", "models:/a'\"@champion", "models:/a\\b/latest"):
        outcome = project.run("predict", model_uri=uri)
        assert (outcome.exit_code in (2, 6), "Traceback" in outcome.stderr) == (True, False), outcome.stderr
