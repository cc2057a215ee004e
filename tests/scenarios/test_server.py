"""The chain, the lifecycle and the service on a team's server.

MLflow on PostgreSQL and an S3 endpoint.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import requests

from custom.red_wine import draw
from recipeline.artifacts import ORDER
from recipeline.hosting import mlflow_server, object_store, postgres, processes
from recipeline.hosting.stack import DIRECT, PARTS, start_server, stop_server
from recipeline.hosting.state import ServerFolder
from recipeline.registry.ledger import Ledger
from recipeline.registry.results import APPLIED
from tests.conftest import ROOT, Project
from tests.processes import new_processes
from tests.scenarios.test_backends import act, start
from tests.scenarios.test_backends import mlflow_server as mlflow_with
from tests.serving.helpers import Server

pytestmark = pytest.mark.xdist_group("backends")

#: How artifacts reach the object store: through MLflow's server, or from the client.
WAYS = ("proxied", "direct")

#: What a client says while its server is away.
AWAY = r"The MLflow server {uri} (does not answer|answers \d+ [\w ]+), trying again until \d\d:\d\d:\d\d\."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerFolder]:
    """A running server, shared by the tests; who stops a part starts it again."""
    folder = ServerFolder(tmp_path_factory.mktemp("server") / ".server")
    try:
        start_server(folder)
        yield folder
    finally:
        stop_server(folder)


def uri_of(server: ServerFolder) -> str:
    return f"http://127.0.0.1:{server.ports()['mlflow']}"


def exports(server: ServerFolder) -> dict[str, str]:
    """Return what the script of a client sets, as the shell understands it."""
    command = ["bash", "-c", f". '{server.path / DIRECT}' && env -0"]
    words = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
    pairs = dict(line.split("=", 1) for line in words.stdout.decode().split("\0") if "=" in line)
    return {name: value for name, value in pairs.items() if name.startswith(("AWS_", "MLFLOW_", "ARTIFACT_"))}


class Team(Project):
    """A project on a server, under a model name of its own."""

    model = ""

    def runs(self, step: str = "") -> list[Any]:
        """Return the project's own runs (of a step), newest first."""
        own = self.client.get_experiment_by_name(f"Small {self.model}")
        return [run for run in super().runs(step) if own and run.info.experiment_id == own.experiment_id]

    @property
    def in_production(self) -> str:
        """The one version in Production, as its alias and its stage both name it."""
        champion = self.client.get_model_version_by_alias(self.model, "champion")
        found = self.client.search_model_versions(f"name = '{self.model}'")
        assert [str(it.version) for it in found if it.current_stage == "Production"] == [str(champion.version)]
        return str(champion.version)

    @property
    def changes(self) -> list[str]:
        """Return the kinds of Production's changes; each follows from the last.

        All of them are applied.
        """
        reading = Ledger(self.client, self.model).read()
        assert not reading.faults
        assert {entry.state for entry in reading.entries} == {APPLIED}
        for before, after in zip(reading.changes, reading.changes[1:], strict=False):
            assert after.before == before.after
        return [entry.kind for entry in reading.changes]

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start the chain as a process."""
        command = [sys.executable, "-m", "steps.main", "--recipe", str(self.recipe_path), "--profile", str(self.profile_path)]
        return subprocess.Popen(
            [*command, *words],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def join(folder: Path, rows: pd.DataFrame, uri: str, location: str | None = None) -> Team:
    """Return a project on the server at `uri`; artifacts there or in `location`."""
    team = Team(folder, rows)
    team.model, team.uri = f"Model{os.urandom(4).hex()}", uri
    names = {"name": team.model.lower(), "model_name": team.model, "experiment": f"Small {team.model}"}
    team.write_recipe(lambda recipe: recipe.update(names))  # of one recipe the runs of another test would be reused
    team.write_profile(store={"tracking_uri": uri} | ({"artifact_location": location} if location else {}))
    return team


@contextmanager
def joined(server: ServerFolder, folder: Path, rows: pd.DataFrame, way: str) -> Iterator[Team]:
    """Yield a project on the server, with the environment of its commands."""
    with pytest.MonkeyPatch.context() as patch:
        if way == "direct":
            for key, value in exports(server).items():
                if key.startswith("AWS_") or key == "MLFLOW_S3_ENDPOINT_URL":
                    patch.setenv(key, value)
        yield join(folder, rows, uri_of(server), exports(server)["ARTIFACT_LOCATION"] if way == "direct" else None)


def await_version(service: Server, wines: pd.DataFrame, version: str) -> None:
    """Wait until each worker of a service predicts a row with a version."""
    row = {name: float(wines[name].iloc[0]) for name in wines.columns[:-1]}
    deadline = time.monotonic() + 120
    while (answer := service.predict(row)).status_code != 200 or answer.json()["model"]["version"] != version:
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.2)


def keys(server: ServerFolder, prefix: str) -> set[str]:
    """Return the keys of the bucket's objects below a prefix."""
    store = object_store.connect(server.ports()["s3"], server.secrets())
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=object_store.BUCKET, Prefix=prefix)
    return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


def test_a_chain_goes_through_postgresql_and_the_object_store(
    server: ServerFolder, tmp_path: Path, wines: pd.DataFrame
) -> None:
    with joined(server, tmp_path, wines, "proxied") as team:
        team.ok("main", model="en")
        assert team.in_production == "1"
        run = team.first("ingest")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    place = f"served/{run.info.experiment_id}/{run.info.run_id}/artifacts"
    assert f"{place}/dataset.parquet" in keys(server, place)


@pytest.mark.full
@pytest.mark.parametrize("way", WAYS)
def test_the_whole_lifecycle_and_the_service(server: ServerFolder, tmp_path: Path, wines: pd.DataFrame, way: str) -> None:
    with joined(server, tmp_path, wines, way) as team:
        spoken = [team.ok("main", model="en", promote="manual")]
        assert "awaits `approve`" in spoken[-1].stdout
        spoken.append(team.ok("approve", reason="looked at"))
        assert team.in_production == "1"
        spoken.append(team.ok("main", model="dt", promote="always"))
        assert team.in_production == "2"

        service = Server(team)
        try:
            assert service.wait(seconds=240)
            row = {name: float(wines[name].iloc[0]) for name in wines.columns[:-1]}
            assert service.predict(row).json()["model"]["version"] == "2"
            spoken.append(team.ok("rollback", reason="too steep"))
            assert team.in_production == "1"
            deadline = time.monotonic() + 120
            while service.predict(row).json()["model"]["version"] != "1":
                assert time.monotonic() < deadline, service.log.read_text()
                time.sleep(0.2)
        finally:
            service.end()

        assert team.changes == ["approve", "forced", "rollback"]
        spoken += [team.ok(name) for name in ("history", "who_served", "why", "repair")]
        assert "too steep" in spoken[-4].stdout
        doctor = team.run("doctor")
        assert "Nothing is broken." in doctor.stdout, doctor.stdout
        spoken += [
            doctor,
            team.ok("prune", dry_run="off"),
            team.ok("predict", input=str(team.data), output=str(tmp_path / "out.csv")),
        ]
        cached = team.ok("main", model="en")
        assert re.findall(r"(\w+): reused run", cached.stderr) == ["ingest", "split", "train", "evaluate"], cached
        assert team.in_production == "1"
        spoken += [cached, team.ok("monitor", data=str(team.data), fail_on="never")]
        rows = tmp_path / "new.csv"
        draw(2).drop_duplicates().head(200).to_csv(rows, index=False)
        spoken.append(team.ok("retrain", data=str(rows), model="lr", promote="always"))
        assert team.changes == ["approve", "forced", "rollback", "forced"]
        assert team.in_production == "3"
        saved = team.run("backup")
        assert saved.exit_code == 2
        assert "backup and restore are for a local store" in saved.stderr
        spoken.append(saved)

        hidden = {value for name, value in vars(server.secrets()).items() if name != "s3_access_key"}
        everything = [text for outcome in spoken for text in (outcome.stdout, outcome.stderr)] + [service.log.read_text()]
        everything += [str(run.data.tags | run.data.params) for run in team.runs()]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", team.uri)
            for step in ("ingest", "evaluate", "register", "promote"):
                folder = mlflow.artifacts.download_artifacts(run_id=team.first(step).info.run_id, tracking_uri=team.uri)
                everything += [file.read_bytes().decode("latin-1") for file in Path(folder).rglob("*") if file.is_file()]
        assert len(everything) > 40
        assert not [secret for secret in hidden for text in everything if secret in text]


#: What is killed: one part, or all of them, as when their machine loses its power. Artifacts are all that differs between the
#: ways, so that of direct clients the store is killed alone.
EVERYTHING = "everything"
KILLS = [*(("proxied", part) for part in (*PARTS, EVERYTHING)), ("direct", object_store.NAME), ("direct", EVERYTHING)]


@pytest.mark.full
@pytest.mark.parametrize(("way", "part"), KILLS)
def test_what_is_killed_in_the_middle_of_each_step_and_started_again_loses_nothing(
    server: ServerFolder, tmp_path: Path, wines: pd.DataFrame, way: str, part: str
) -> None:
    with joined(server, tmp_path, wines, way) as team:
        chain = team.start("--model", "en,dt")
        lines: list[str] = []
        heard = threading.Thread(target=lambda: lines.extend(chain.stderr or ()), daemon=True)
        try:
            heard.start()
            for step in ORDER:
                await_line(lines, rf"{step}\b", chain)
                said = len(lines)
                for name in PARTS if part == EVERYTHING else [part]:
                    kill(server, name)
                if part in (mlflow_server.NAME, EVERYTHING):
                    await_line(lines, AWAY.format(uri=re.escape(team.uri)), chain, seconds=60, after=said)
                start_server(server)
            stdout = chain.communicate(timeout=400)[0] if chain.stdout else ""
        finally:
            chain.kill()
            start_server(server)
        heard.join(timeout=30)
        assert chain.returncode == 0, "".join(lines)
        assert "Traceback" not in "".join(lines)
        assert team.client.get_run(stdout.split()[-1]).info.status == "FINISHED"
        assert team.in_production == "1"
        assert team.changes == ["promote"]
        assert "Nothing is broken." in team.ok("doctor").stdout


@pytest.mark.full
@pytest.mark.parametrize(
    ("way", "part"),
    [
        ("proxied", mlflow_server.NAME),
        ("proxied", postgres.NAME),
        ("proxied", object_store.NAME),
        ("direct", object_store.NAME),
    ],
)
def test_a_part_that_stays_away_ends_the_chain_in_one_sentence(
    server: ServerFolder, tmp_path: Path, wines: pd.DataFrame, way: str, part: str
) -> None:
    with joined(server, tmp_path, wines, way) as team:
        team.ok("main", model="en")
        lines: list[str] = []
        few = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1", "AWS_MAX_ATTEMPTS": "2"}
        chain = team.start("--model", "lr,dt", "--promote", "always", **few)
        try:
            heard = threading.Thread(target=lambda: lines.extend(chain.stderr or ()), daemon=True)
            heard.start()
            await_line(lines, r"train\b", chain)
            kill(server, part)
            chain.wait(timeout=300)
            heard.join(timeout=30)
        finally:
            chain.kill()
            start_server(server)
        words = "".join(lines)
        assert chain.returncode == 6, words
        assert "Traceback" not in words
        assert len([line for line in lines if line.startswith("main: ")]) == 1
        assert team.in_production == "1"
        # What broke off is no result: the store says so where it could be told, and else the run was never finished.
        assert [run.info.status for run in team.runs("main")].count("FINISHED") == 1
        again = team.ok("main", model="lr,dt", promote="always")
        assert "split: reused run" in again.stderr  # what was finished before is a result
        assert team.in_production == "2"
        assert team.changes == ["promote", "forced"]
        team.ok("repair")
        assert "Nothing is broken." in team.ok("doctor").stdout


@pytest.mark.full
def test_eight_clients_without_a_common_lock_run_the_chain_at_once(
    server: ServerFolder, tmp_path: Path, wines: pd.DataFrame
) -> None:
    with joined(server, tmp_path, wines, "proxied") as team:
        machines = [tmp_path / f"machine{i}" for i in range(8)]
        pools = []
        for machine in machines:
            machine.mkdir()
            pools.append(new_processes(1, start, str(machine)))
        models = ("en", "lr", "dt")
        tasks = [
            pool.submit(act, team, "main", {"model": models[i % 3], "promote": "always" if i % 2 else "auto"})
            for i, pool in enumerate(pools)
        ]
        results = [task.result(timeout=550) for task in tasks]
        for pool in pools:
            pool.shutdown()
        assert [code for code, _ in results] == [0] * 8, [words for code, words in results if code]
        assert team.in_production
        assert len(team.changes) >= 3  # three models were forced, and each of them has been in Production
        assert {run.info.status for run in team.runs()} == {"FINISHED"}
        assert "Nothing is broken." in team.ok("doctor").stdout


def await_line(lines: list[str], pattern: str, process: subprocess.Popen[str], *, seconds: float = 240, after: int = 0) -> None:
    """Wait until a process has written a line that matches, `after` so many."""
    deadline = time.monotonic() + seconds
    while not any(re.match(pattern, line) for line in lines[after:]):
        assert process.poll() is None, "".join(lines)
        assert time.monotonic() < deadline, "".join(lines)
        time.sleep(0.05)


def kill(server: ServerFolder, part: str) -> None:
    """Kill a part, as a machine that loses its power does."""
    found = processes.find(server, part)
    assert found
    found.kill()
    processes.end_session(server, part)


#: Headers that a proxy does not pass on.
OF_A_HOP = ("host", "authorization", "connection", "content-length", "transfer-encoding")


@dataclass
class Guard:
    """A proxy that lets those pass who send its header; 401 for others."""

    uri: str
    header: str | None
    #: Paths that were refused.
    refused: list[str]
    #: Writes whose first answer is lost on its way, after the server has done its work.
    lost: set[str] | None = None


@contextmanager
def guarded(target: str, header: str | None = None, *, loses: bool = False) -> Iterator[Guard]:
    """Yield a proxy of a server, for the block; no header: for everybody.

    `loses`: the first answer to each write is lost.
    """

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.body()
            if header and self.headers.get("Authorization") != header:
                guard.refused.append(self.path)
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            known = {name: value for name, value in self.headers.items() if name.lower() not in OF_A_HOP}
            found = requests.request(self.command, target + self.path, data=body, headers=known, timeout=60)
            what = f"{self.command} {re.sub('[0-9a-f]{32}', '', self.path)}"
            if guard.lost is not None and self.command != "GET" and "search" not in what and what not in guard.lost:
                guard.lost.add(what)
                self.close_connection = True
                return
            self.send_response(found.status_code)
            self.send_header("Content-Type", found.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(found.content)))
            self.end_headers()
            self.wfile.write(found.content)

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    front = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    guard = Guard(f"http://127.0.0.1:{front.server_address[1]}", header, [], set() if loses else None)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    try:
        yield guard
    finally:
        front.shutdown()
        front.server_close()


ANN = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "kept secret"}
WHO: dict[str, tuple[dict[str, str], str]] = {
    "basic": (ANN, "Basic YW5uOmtlcHQgc2VjcmV0"),
    "token": ({"MLFLOW_TRACKING_TOKEN": "s3cr3t-t0ken"}, "Bearer s3cr3t-t0ken"),
}


@pytest.mark.full
@pytest.mark.parametrize("kind", WHO)
def test_a_user_or_a_token_from_the_environment_opens_the_server_and_is_written_nowhere(
    server: ServerFolder, tmp_path: Path, wines: pd.DataFrame, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, header = WHO[kind]
    with guarded(uri_of(server), header) as guard:
        team = join(tmp_path, wines, guard.uri)
        refused = team.run("main", model="en")
        assert refused.exit_code == 6
        assert "MLFLOW_TRACKING_USERNAME" in refused.stderr
        assert "MLFLOW_TRACKING_TOKEN" in refused.stderr
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        guard.refused.clear()
        done = team.ok("main", model="en")
        assert set(guard.refused) <= {"/health"}  # which asks for nobody's name
        assert team.in_production == "1"
        told = [done.stdout, done.stderr, *(str(run.data.tags | run.data.params) for run in team.runs())]
        for step in ("ingest", "evaluate", "register", "promote"):
            folder = mlflow.artifacts.download_artifacts(run_id=team.first(step).info.run_id, tracking_uri=team.uri)
            told += [file.read_bytes().decode("latin-1") for file in Path(folder).rglob("*") if file.is_file()]
    secrets = [value for name, value in environment.items() if "USERNAME" not in name] + [header.split()[1]]
    assert not [secret for secret in secrets for text in told if secret in text]


@pytest.fixture(scope="module")
def own_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's own server with users: `ann` and `bob`, who may read all.

    They may write their own.
    """
    folder = tmp_path_factory.mktemp("users")
    uv, into = str(Path(sys.executable).with_name("uv")), f"--target={folder}/packages"
    install = [uv, "pip", "install", "-q", "--no-deps", into, "Flask-WTF<2", "WTForms<4"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Flask-WTF cannot be installed: {done.stderr[-300:]}")
    admin = ("admin", "the admin's password")
    # A password is hashed for 0.1 s of the server's time in each request, unless it remembers who was known.
    settings = (Path(mlflow.__file__).parent / "server/auth/basic_auth.ini").read_text(encoding="utf-8")
    (folder / "auth.ini").write_text(settings.replace("# auth_cache_ttl_seconds = 0", "auth_cache_ttl_seconds = 60"))
    more = {"MLFLOW_AUTH_ADMIN_USERNAME": admin[0], "MLFLOW_AUTH_ADMIN_PASSWORD": admin[1]}
    more |= {
        "PYTHONPATH": str(folder / "packages"),
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.urandom(16).hex(),
    }
    with mlflow_with(folder, "--app-name", "basic-auth", **more) as uri:
        for name in ("ann", "bob"):
            known = {"username": name, "password": f"{name} keeps a secret"}
            made = requests.post(f"{uri}/api/2.0/mlflow/users/create", json=known, auth=admin, timeout=30)
            assert made.status_code == 200, made.text
        yield uri


def sign_in(patch: pytest.MonkeyPatch, name: str, password: str = "") -> str:
    """Let commands be those of a user; return the password."""
    password = password or f"{name} keeps a secret"
    patch.setenv("MLFLOW_TRACKING_USERNAME", name)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    return password


@pytest.mark.full
def test_mlflows_own_users_run_the_lifecycle_and_a_wrong_password_is_one_sentence(
    own_users: str, tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = join(tmp_path, wines, own_users)
    told = []
    for name, password in (("", ""), ("ann", "wr0ng secret"), ("carl", "wr0ng secret")):
        with monkeypatch.context() as patch:
            if name:
                sign_in(patch, name, password)
            for command in ("main", "why", "approve"):
                refused = team.run(command)
                assert refused.exit_code == 6, refused.stderr
                assert "does not accept the user" in refused.stderr
                assert "Traceback" not in refused.stderr
                told.append(refused.stderr)
    sign_in(monkeypatch, "ann")
    told += [team.ok("main", model="en", promote="manual").stdout, team.ok("approve").stdout]
    told.append(team.ok("main", model="dt", promote="always").stdout)
    service = Server(team)
    try:
        assert service.wait(seconds=240)
        await_version(service, wines, "2")
    finally:
        service.end()
    told += [team.ok("rollback").stdout, *(team.ok(name).stdout for name in ("history", "why", "repair"))]
    assert team.in_production == "1"
    assert team.changes == ["approve", "forced", "rollback"]
    assert "Nothing is broken." in team.run("doctor").stdout
    told += [service.log.read_text(), *(str(run.data.tags | run.data.params) for run in team.runs())]
    assert not [text for text in told if "keeps a secret" in text or "wr0ng" in text]


@pytest.mark.full
def test_a_user_who_may_only_read_does_so_and_changes_nothing(
    own_users: str, tmp_path: Path, wines: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = join(tmp_path, wines, own_users)
    sign_in(monkeypatch, "ann")
    team.ok("main", model="en")
    team.ok("main", model="dt", promote="never")
    before = len(team.runs())
    sign_in(monkeypatch, "bob")
    team.ok("why")
    team.ok("history")
    scored = tmp_path / "out.csv"
    commands: dict[str, dict[str, str]] = {
        "main": {"model": "lr"},
        "promote": {"promote": "always"},
        "approve": {},
        "rollback": {},
    }
    commands["predict"] = {"input": str(team.data), "output": str(scored)}
    for command, params in commands.items():
        refused = team.run(command, **params)
        assert refused.exit_code == 6, refused.stderr
        assert "does not permit this user" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert team.in_production == "1"
    assert team.changes == ["promote"]
    assert len(team.runs()) == before
    assert not scored.exists()


@pytest.mark.full
def test_writes_whose_answers_were_lost_are_made_again_and_change_nothing(
    server: ServerFolder, tmp_path: Path, wines: pd.DataFrame
) -> None:
    """The server has done its work, and its client does not know."""
    with guarded(uri_of(server), loses=True) as guard:
        team = join(tmp_path, wines, guard.uri)
        team.ok("main", model="en")
        first = team.in_production  # a version that was made twice has a twin, which is in no stage
        team.ok("main", model="dt", promote="always")
        assert team.in_production != first
        team.ok("rollback")
        assert guard.lost is not None
        assert len(guard.lost) > 15, guard.lost
        assert team.in_production == first
        assert team.changes == ["promote", "forced", "rollback"]
        assert "Nothing is broken." in team.run("doctor").stdout, team.run("doctor").stdout
        unfinished = [run for run in team.runs() if run.info.status != "FINISHED"]
        assert not [run.data.tags.get("recipeline.step") for run in unfinished]
