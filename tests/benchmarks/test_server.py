"""Requests of a chain through a server are all counted, and below their bound."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import server
from benchmarks.load import free_port
from tests.benchmarks.test_benchmarks import OK, serving
from tests.conftest import Project

RUN = "0" * 32


@pytest.mark.parametrize(
    ("request_", "purpose"),
    [
        (f"PUT 1 /api/2.0/mlflow-artifacts/artifacts/1/{RUN}/artifacts/card.html", "artifact: upload"),
        ("PUT 1 /mlflow/direct/1/models/m-1/artifacts/model.skops?partNumber=2", "artifact: upload"),
        ("GET 1 /api/2.0/mlflow-artifacts/artifacts?path=1", "artifact: list"),
        ("GET 1 /mlflow?list-type=2&prefix=direct", "artifact: list"),
        (f"GET 1 /api/2.0/mlflow-artifacts/presigned/1/{RUN}/artifacts/a.json", "artifact: download"),
        (f"GET 1 /mlflow/served/1/{RUN}/artifacts/a.json?X-Amz-Algorithm=x", "artifact: download"),
        (f"GET 1 /api/2.0/mlflow/runs/get?run_id={RUN}", "run: read"),
        ("POST 1 /api/2.0/mlflow/runs/log-batch", "run: log"),
        ("POST 1 /api/2.0/mlflow/runs/update", "run: close"),
        ("GET 1 /api/2.0/mlflow/registered-models/alias?name=a", "registry: read"),
        ("DELETE 1 /api/2.0/mlflow/registered-models/alias", "registry: change"),
        ("GET 1 /health", "server: health, abilities"),
        ("POST 1 /somewhere/else", "other"),
    ],
)
def test_a_request_has_one_purpose(request_: str, purpose: str) -> None:
    assert server.purpose_of(request_) == purpose


def test_requests_of_all_processes_are_counted_also_those_that_nobody_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import subprocess, sys, urllib.request, requests\n"
        "uri = sys.argv[-1]\n"
        "requests.get(uri + '/a')\n"
        "subprocess.run([sys.executable, '-c', f'import requests; requests.post({uri!r})'])\n"
        f"try: urllib.request.urlopen('http://127.0.0.1:{free_port()}/c')\n"
        "except OSError: pass\n"
    )
    (tmp_path / "asks.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(server, "ROOT", tmp_path)
    with serving(lambda peer: peer.sendall(OK)) as port:
        done = server.Commands(tmp_path, Path("x"), tmp_path / "cache", {}).run("asks", f"http://127.0.0.1:{port}")
    assert [(line.split()[0], line.split()[2]) for line in done.requests] == [("GET", "/a"), ("POST", "/"), ("GET", "/c")]


def test_the_tables_fit_a_terminal_and_each_target_has_a_verdict() -> None:
    bench = server.Bench(Path("data.csv"), "lr")
    bench.seconds = {f"{label}, {kind}": [2.0] for label in ("server", "SQLite") for kind in server.MOST}
    bench.requests = {kind: ("GET 1 /health",) * (most + (kind == "cold")) for kind, most in server.MOST.items()}
    lines = bench.report().splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.rpartition(": ")[2] for line in lines[-3:]] == ["NOT MET", "met", "met"]


@pytest.mark.full
def test_a_chain_of_two_candidates_makes_no_more_requests_than_the_target(tmp_path: Path, wines: pd.DataFrame) -> None:
    project = Project(tmp_path, wines)
    with server.running_server(tmp_path, database="sqlite", artifacts="folder") as place:
        profile = server.write_profile(tmp_path, place.uri, project.data)
        commands = server.Commands(tmp_path, profile, tmp_path / "cache", place.environment, recipe=str(project.recipe_path))
        found = {kind: len(commands.run("steps.main", "--model", "lr,dt").requests) for kind in server.MOST}
    assert {kind: count for kind, count in found.items() if count > server.MOST[kind]} == {}
