"""`mlflow run -b kubernetes`, against stand-ins of Docker and a cluster.

The cluster runs each Job as a process.

The words of a Job's command start a process as they are, without a shell, as a container would.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from mlflow import MlflowClient

from recipeline.tracking.tags import RunTags
from tests.conftest import ROOT
from tests.manifests import require_valid

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("mlflow-kubernetes")]

FOLDER = ROOT / "deploy/kubernetes/mlflow"
DIGEST = f"sha256:{'7' * 64}"


class Cluster(ThreadingHTTPServer):
    """The endpoints that MLflow asks: of Docker's API for one image, and of batch/v1."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.jobs, self.pushed = folder, {}, []  # type: ignore[var-annotated]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def start(self, job: dict[str, Any]) -> dict[str, Any]:
        """Run a Job to its end, as its pod would be run, and keep its condition."""
        require_valid(job)
        (container,) = job["spec"]["template"]["spec"]["containers"]
        given = {one["name"]: one["value"] for one in container["env"] if "value" in one}
        image = {
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            "RECIPELINE_PROJECT": str(ROOT),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME")}
        words = [sys.executable if word == "python" else word for word in container["command"]]
        done = subprocess.run(
            words,
            env=kept | image | given,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        kind = "Failed" if done.returncode else "Complete"
        conditions = [{"type": kind, "status": "True", "message": f"exit code {done.returncode}"}]
        job["status"] = {"startTime": "2026-01-01T00:00:00Z", "conditions": conditions}
        self.jobs[job["metadata"]["name"]] = (job, done)
        return job


class _Handler(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        path = re.sub(r"^/v[\d.]+/", "/", unquote(urlsplit(self.path).path))
        image = {"Id": f"sha256:{'1' * 64}", "RepoTags": [project()["docker_env"]["image"]]}
        if path == "/version":
            self._answer({"ApiVersion": "1.45", "MinAPIVersion": "1.24", "Version": "27"})
        elif path == "/images/json":
            self._answer([image])
        elif path.startswith("/images/") and path.endswith("/json"):
            self._answer(image)
        elif path.startswith("/distribution/"):
            self._answer({"Descriptor": {"digest": DIGEST, "mediaType": "", "size": 1, "urls": []}, "Platforms": []})
        elif found := re.fullmatch(r"/apis/batch/v1/namespaces/[^/]+/jobs/([^/]+)/status", path):
            self._answer(self.server.jobs[found[1]][0])
        else:
            self._answer({"message": f"no such page: {path}"}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = re.sub(r"^/v[\d.]+/", "/", unquote(urlsplit(self.path).path))
        if path.startswith("/images/") and path.endswith("/push"):
            self.server.pushed.append(path.removeprefix("/images/").removesuffix("/push"))
            self._answer({"status": "pushed"})
        elif found := re.fullmatch(r"/apis/batch/v1/namespaces/([^/]+)/jobs", path):
            job = json.loads(body)
            assert job["metadata"]["namespace"] == found[1]
            self._answer(self.server.start(job), 201)
        else:
            self._answer({"message": f"no such page: {path}"}, 404)

    def _answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def project() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "MLproject").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of the extra `kubernetes`, from its lock, in a folder."""
    folder = tmp_path_factory.mktemp("extra")
    words = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--target", str(folder)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *words, "-r", str(ROOT / "requirements/kubernetes.txt")], check=True
    )
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "pod").mkdir()
    with Cluster(tmp_path / "pod") as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


def mlflow_run(cluster: Cluster, extra: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Type `mlflow run` for the cluster's MLproject, with a store in `tmp_path`."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    docker = tmp_path / "bin/docker"
    docker.write_text("#!/bin/sh\n")  # MLflow asks only whether `docker info` succeeds
    docker.chmod(0o755)
    user = {
        "clusters": [{"name": "here", "cluster": {"server": f"http://{cluster.address}"}}],
        "users": [{"name": "me", "user": {}}],
    }
    contexts = {"contexts": [{"name": "it", "context": {"cluster": "here", "user": "me"}}], "current-context": "it"}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **user, **contexts}))
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(extra),
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "DOCKER_HOST": f"tcp://{cluster.address}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "NO_PROXY": "127.0.0.1",
    }
    command = ["mlflow", "run", str(FOLDER.relative_to(ROOT)), "-b", "kubernetes"]
    config = ["--backend-config", str((FOLDER / "backend.json").relative_to(ROOT))]
    return subprocess.run(
        [*command, *config, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_a_job_adopts_the_run_that_mlflow_opened_and_takes_empty_parameters(
    cluster: Cluster, extra: Path, tmp_path: Path
) -> None:
    done = mlflow_run(cluster, extra, tmp_path, "-e", "ingest", "-P", "profile=ci")
    assert done.returncode == 0, done.stderr
    ((job, process),) = cluster.jobs.values()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][-2:] == ["--data", "''"], "an empty parameter is two quotes to a process without a shell"
    image = project()["docker_env"]["image"]
    assert container["image"] == f"{image}@{DIGEST}"
    assert cluster.pushed == [image.rsplit(":", 1)[0]]
    run = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db").get_run(process.stdout.splitlines()[-1])
    assert run.info.run_id in done.stderr
    assert (run.info.status, run.data.tags[RunTags.STEP], run.data.tags[RunTags.OUTCOME]) == ("FINISHED", "ingest", "ok")
    assert run.data.tags["mlflow.project.backend"] == "kubernetes"


def test_a_job_that_fails_fails_the_run_with_its_sentence(cluster: Cluster, extra: Path, tmp_path: Path) -> None:
    done = mlflow_run(cluster, extra, tmp_path, "-e", "train", "-P", "profile=ci", "-P", "model=none")
    assert done.returncode == 1
    ((job, process),) = cluster.jobs.values()
    assert job["status"]["conditions"][0]["message"] == "exit code 2"
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs(["0"])
    assert (run.info.status, run.data.tags[RunTags.EXIT_CODE]) == ("FAILED", "2")
    assert run.data.tags[RunTags.ERROR] in process.stderr
