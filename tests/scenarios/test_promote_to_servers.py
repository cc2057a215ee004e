"""`promote --to` between two servers on PostgreSQL and S3 endpoints."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from recipeline.hosting import mlflow_server, object_store
from recipeline.hosting.stack import start_server, stop_server
from recipeline.hosting.state import ServerFolder
from recipeline.registry.loading import load_golden
from recipeline.tracking._compat import forget_storage_clients
from recipeline.tracking.artifacts.manifest import Reader
from tests.conftest import ROOT
from tests.scenarios.test_server import WHO, Team, await_line, exports, guarded, join, kill, uri_of

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("backends")]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerFolder, ServerFolder]]:
    """The servers of dev and prod; who stops a part starts it again."""
    folders = tuple(ServerFolder(tmp_path_factory.mktemp(name) / ".server") for name in ("dev", "prod"))
    try:
        for folder in folders:
            start_server(folder)
        yield folders[0], folders[1]
    finally:
        for folder in folders:
            stop_server(folder)


def keys_of(server: ServerFolder) -> dict[str, str]:
    """Return a client's environment for direct use of a server's objects."""
    return {name: value for name, value in exports(server).items() if name.startswith(("AWS_", "MLFLOW_S3_"))}


def partner(dev: Team, folder: Path, rows: pd.DataFrame, uri: str, location: str | None = None) -> Team:
    """Return a project on another server, with the recipe of `dev`."""
    folder.mkdir()
    prod = join(folder, rows, uri, location)
    prod.model = dev.model
    prod.write_recipe(lambda recipe: recipe.update(model_name=dev.model, experiment=f"Small {dev.model}"))
    return prod


def assert_arrived(prod: Team, dev: Team) -> None:
    """Assert that the version is in Production, whole without its source."""
    assert prod.in_production == "1"
    version = prod.client.get_model_version(prod.model, "1")
    assert version.tags["recipeline.source_uri"] == dev.uri
    load_golden(Reader(prod.client), version)
    assert f"{dev.model}/1" in prod.ok("why").stdout
    assert "Nothing is broken." in prod.ok("doctor").stdout


def test_a_version_goes_to_a_server_that_asks_for_another_user(
    servers: tuple[ServerFolder, ServerFolder], tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    dev = join(tmp_path, wines, uri_of(servers[0]))
    dev.ok("main", model="en")
    user, header = WHO["basic"]
    with guarded(uri_of(servers[1]), header) as guard:
        prod = partner(dev, tmp_path / "prod", wines, guard.uri)
        refused = dev.run("promote", to=str(prod.profile_path))
        assert refused.exit_code == 6
        assert f"{guard.uri} does not accept the user" in refused.stderr
        for name, value in user.items():
            monkeypatch.setenv(f"RECIPELINE_TO_{name}", value)
        done = dev.ok("promote", to=str(prod.profile_path))
        again = dev.ok("promote", to=guard.uri)
        assert "nothing was transferred" in again.stdout
        for name, value in user.items():
            monkeypatch.setenv(name, value)
        kill(servers[0], mlflow_server.NAME)
        try:
            assert_arrived(prod, dev)
            assert prod.changes == ["promote"]
            run = prod.client.get_run(prod.client.get_model_version(prod.model, "1").tags["recipeline.gate_run_id"])
        finally:
            start_server(servers[0])
        told = "".join([refused.stdout, refused.stderr, done.stdout, done.stderr, again.stderr, str(run.data.tags)])
        assert user["MLFLOW_TRACKING_PASSWORD"] not in told + str([it.data.tags for it in (*prod.runs(), *dev.runs())])


def test_files_go_directly_to_an_object_store_with_other_keys(
    servers: tuple[ServerFolder, ServerFolder], tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in keys_of(servers[0]).items():
        monkeypatch.setenv(name, value)
    dev = join(tmp_path, wines, uri_of(servers[0]), exports(servers[0])["ARTIFACT_LOCATION"])
    dev.ok("main", model="en")
    prod = partner(dev, tmp_path / "prod", wines, uri_of(servers[1]), exports(servers[1])["ARTIFACT_LOCATION"])
    for name, value in keys_of(servers[1]).items():
        monkeypatch.setenv(f"RECIPELINE_TO_{name}", value)
    dev.ok("promote", to=str(prod.profile_path))
    dev.ok("why")  # with its own keys again
    kill(servers[0], object_store.NAME)
    try:
        for name, value in keys_of(servers[1]).items():
            monkeypatch.setenv(name, value)
        forget_storage_clients()
        assert_arrived(prod, dev)
    finally:
        start_server(servers[0])


def test_a_target_that_goes_away_in_the_middle_ends_in_a_sentence_and_the_next_transfer_finishes(
    servers: tuple[ServerFolder, ServerFolder], tmp_path: Path, wines: pd.DataFrame
) -> None:
    dev = join(tmp_path, wines, uri_of(servers[0]))
    dev.ok("main", model="en")
    prod = partner(dev, tmp_path / "prod", wines, uri_of(servers[1]))
    few = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}
    lines: list[str] = []
    words_of_it = ["--recipe", str(dev.recipe_path), "--profile", str(dev.profile_path), "--to", str(prod.profile_path)]
    moved = subprocess.Popen(
        [sys.executable, "-m", "steps.promote", *words_of_it],
        cwd=ROOT,
        env=os.environ | few,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        heard = threading.Thread(target=lambda: lines.extend(moved.stderr or ()), daemon=True)
        heard.start()
        await_line(lines, "transferring it to", moved)
        kill(servers[1], mlflow_server.NAME)
        moved.wait(timeout=200)
        heard.join(timeout=30)
    finally:
        moved.kill()
        start_server(servers[1])
    words = "".join(lines)
    assert moved.returncode == 6, words
    assert f"The MLflow store {prod.uri} must be reachable" in words
    assert "Traceback" not in words
    assert {run.info.status for run in dev.runs("promote")} == {"FINISHED", "FAILED"}
    dev.ok("promote", to=str(prod.profile_path))
    assert_arrived(prod, dev)
    copies = [run for run in prod.runs() if "recipeline.source_run_id" in run.data.tags]
    assert len(copies) == 6
    assert {run.info.status for run in copies} == {"FINISHED"}
    assert os.environ.get("MLFLOW_TRACKING_URI") is None
