"""The images of the Dockerfile, built and run.

As user 1000, on a read-only root, without a network but the container's own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from custom.red_wine import draw
from recipeline.errors import UnavailableError, UsageError
from recipeline.tracking.tags import VersionTags
from tests.conftest import ROOT, find_command, project_recipe
from tests.containers import Container, Images, reason_to_skip

pytestmark = [
    pytest.mark.full,
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(bool(reason_to_skip()), reason=str(reason_to_skip())),
]

REVISION = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "of-this-test"
HOME, LOG = "/var/lib/recipeline", "/srv/recipeline/log"

#: A client that sends half of its body, waits for a line, sends the other half, and prints the status and the answer.
SLOW = """
import http.client, sys
body, token = sys.argv[1].encode(), sys.argv[2]
client = http.client.HTTPConnection("127.0.0.1", 8000, timeout=60)
client.putrequest("POST", "/predict")
client.putheader("Content-Type", "application/json")
client.putheader("Content-Length", str(len(body)))
client.putheader("Authorization", f"Bearer {token}")
client.endheaders(body[:10])
print("half", flush=True)
sys.stdin.readline()
client.send(body[10:])
answer = client.getresponse()
print(answer.status, answer.read().decode(), flush=True)
"""

Make = Callable[..., Container]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Both images, built."""
    made = Images(tmp_path_factory.mktemp("images"))
    made.add_base()
    for target in ("chain", "service"):
        made.build(target, f"recipeline-{target}", REVISION=REVISION, VERSION="1.2.3")
    yield made
    made.close()


def own(folder: Path) -> Path:
    """Make a folder that user 1000 owns."""
    folder.mkdir()
    os.chown(folder, 1000, 1000)
    return folder


@pytest.fixture(scope="module")
def filled(images: Images, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A volume with a version in Production, and the chain's stdout."""
    folder = tmp_path_factory.mktemp("filled")
    home = own(folder / "home")
    container = Container(
        images,
        "recipeline-chain",
        folder / "chain",
        {HOME: home, LOG: own(folder / "log")},
        {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"},
    )
    done = container.run("python", "-m", "steps.main", "--profile", "ci", "--model", "lr,et")
    assert done.returncode == 0, done.stderr
    return home, done.stdout


@pytest.fixture
def make(images: Images, filled: tuple[Path, str], tmp_path: Path) -> Iterator[Make]:
    """A maker of containers on the filled volume; they end with the test."""
    made: list[Container] = []

    def one(image: str, name: str, *, home: Path | None = None, **environment: str) -> Container:
        given = {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"} | environment
        volumes = {HOME: home or filled[0], LOG: own(tmp_path / f"{name}-log")}
        made.append(Container(images, image, tmp_path / name, volumes, given))
        return made[-1]

    yield one
    for container in made:
        subprocess.run(container.crun("delete", "--force", container.name), capture_output=True, check=False)


def healthy(container: Container) -> int:
    """Return the exit code of the image's health check."""
    words = container.images.config(container.image)["config"]["Healthcheck"]["Test"]
    assert words[0] == "CMD"
    return container.inside(*words[1:]).returncode


def await_health(container: Container, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while healthy(container):
        assert time.monotonic() < end, "the service is not ready"
        time.sleep(0.3)


def test_the_chain_of_a_container_puts_a_version_of_its_commit_in_production(filled: tuple[Path, str]) -> None:
    home, out = filled
    client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db")
    name = project_recipe()["model_name"]
    version = client.get_model_version_by_alias(name, "champion")
    assert version.tags[VersionTags.GIT_COMMIT] == REVISION
    assert client.get_run(out.splitlines()[-1]).info.status == "FINISHED"
    assert {path.owner() for path in home.rglob("*")} == {Path(home).owner()}


@pytest.mark.parametrize("image", ["recipeline-chain", "recipeline-service"])
def test_a_container_writes_to_its_volumes_and_to_tmp_only(make: Make, image: str) -> None:
    script = (
        "find / -xdev -writable -not -type l 2>/dev/null; for f in / /srv/recipeline /opt/venv; do touch $f/x && echo $f; done"
    )
    done = make(image, "writes").run("sh", "-c", script)
    assert {*done.stdout.split()} == {"/tmp", HOME, LOG}
    done = make(image, "writes2").run("sh", "-c", f"touch /tmp/x {HOME}/x {LOG}/x && rm {HOME}/x && id -u")
    assert done.stdout == "1000\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["python", "-m", "recipeline", "check"], 0),
        (["python", "-m", "steps.main", "--profile", "none"], UsageError.exit_code),
        (["python", "-m", "steps.train", "--profile", "ci", "--split-run-id", "none"], UnavailableError.exit_code),
        (["python", "-m", "recipeline", "serve", "--profile", "ci", "--host", "0.0.0.0"], UsageError.exit_code),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
    ],
)
def test_the_exit_code_of_a_command_is_the_containers(make: Make, words: list[str], code: int) -> None:
    assert make("recipeline-chain", "codes").run(*words).returncode == code


def test_a_chain_ends_at_once_when_told_to_before_python_listens(make: Make) -> None:
    """As process 1, Python would not see a signal that comes before it has a handler."""
    container = make("recipeline-chain", "early")
    started = container.start(["python", "-c", "import time; print('begun', flush=True); time.sleep(30)"])
    assert started.stdout is not None
    assert started.stdout.readline() == "begun\n"
    began = time.monotonic()
    os.kill(container.pid, signal.SIGTERM)
    assert started.wait(timeout=60) == 143
    assert time.monotonic() - began < 5


def test_a_chain_that_is_told_to_end_closes_its_run(make: Make, tmp_path: Path) -> None:
    home = own(tmp_path / "home")
    container = make("recipeline-chain", "ended", home=home)
    started = container.start(["python", "-m", "steps.main", "--profile", "ci"])
    assert started.stderr is not None
    for line in started.stderr:
        if line.startswith("train:"):
            break
    os.kill(container.pid, signal.SIGTERM)
    started.communicate(timeout=60)
    assert started.returncode == 143
    client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db")
    runs = client.search_runs([found.experiment_id for found in client.search_experiments()])
    assert {run.info.status for run in runs} == {"FINISHED", "FAILED"}


def test_a_service_answers_is_healthy_and_finishes_a_request_after_sigterm(make: Make, tmp_path: Path) -> None:
    profile = tmp_path / "slow.yaml"
    profile.write_text(
        json.dumps(
            {
                "store": {"tracking_uri": "sqlite:///mlflow.db"},
                "data": "synthetic",
                "service": {"drain_seconds": 5, "workers": 2},
            }
        )
    )
    container = make("recipeline-service", "serves", RECIPELINE_SERVICE_TOKENS=TOKEN)
    container.volumes["/tmp/slow.yaml"] = profile
    started = container.start(["python", "-m", "recipeline", "serve", "--profile", "/tmp/slow.yaml", "--host", "0.0.0.0"])
    await_health(container)
    row = json.dumps(sample())

    def post(token: str) -> tuple[int, Any]:
        client = container.beside(sys.executable, "-c", SLOW, row, token)
        status, answer = client.communicate("\n", timeout=60)[0].removeprefix("half\n").split(" ", 1)
        return int(status), json.loads(answer)

    status, answer = post(TOKEN)
    assert (status, len(answer["predictions"])) == (200, 1)
    assert post("another")[0] == 401

    client = container.beside(sys.executable, "-c", SLOW, row, TOKEN)
    assert client.stdin is not None
    assert client.stdout is not None
    assert client.stdout.readline() == "half\n"
    os.kill(container.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert healthy(container) == 1
    assert started.poll() is None
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline().startswith("200 ")
    client.wait(timeout=60)
    _, err = started.communicate(timeout=60)
    assert (started.returncode, "Traceback" in err) == (143, False)


def test_the_services_own_command_asks_for_a_token_and_a_store(make: Make) -> None:
    assert make("recipeline-service", "own1", RECIPELINE_SERVICE_TOKENS=TOKEN, MLFLOW_TRACKING_URI="").run().returncode == 2
    done = make("recipeline-service", "own2").run()
    assert (done.returncode, "RECIPELINE_SERVICE_TOKENS" in done.stderr) == (2, True)


def test_a_service_without_a_version_is_unhealthy_and_goes_on(make: Make, tmp_path: Path) -> None:
    container = make("recipeline-service", "empty", home=own(tmp_path / "home"), RECIPELINE_SERVICE_TOKENS=TOKEN)
    started = container.start()
    alive = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/healthz').status)"
    end = time.monotonic() + 60
    while (said := container.inside("python", "-c", alive).stdout) != "200\n":
        assert time.monotonic() < end, said
        time.sleep(0.3)
    assert healthy(container) == 1
    os.kill(container.pid, signal.SIGTERM)
    assert started.wait(timeout=60) == 143


def test_the_images_have_the_lock_the_project_and_nothing_else(images: Images) -> None:
    root = images.mount("recipeline-service")
    found = {path.relative_to(root / "srv/recipeline") for path in (root / "srv/recipeline").rglob("*") if path.is_file()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {str(path) for path in found if path.suffix != ".pyc"} <= {*tracked}
    assert {"recipeline/cli/main.py", "steps/main.py", "custom/red_wine.py", "recipe.yaml"} <= {str(path) for path in found}
    packages = next((root / "opt/venv/lib").glob("python3*")) / "site-packages"
    installed = {(normal(one.metadata["Name"]), one.version) for one in metadata.distributions(path=[str(packages)])}
    locks = [(ROOT / name).read_text() for name in ("requirements.txt", "requirements/s3.txt", "requirements/postgres.txt")]
    lines = [line for lock in locks for line in re.findall(r"^[\w.-]+==.*$", lock, re.MULTILINE)]
    locked = {(normal(name), version) for name, version in (re.match(r"([\w.-]+)==([^ ;]+)", line).groups() for line in lines)}
    assert {one for one in installed if one[0] != "pip"} <= locked
    elsewhere = {normal(line.split("==")[0]) for line in lines if "sys_platform ==" in line or "platform_system ==" in line}
    assert {name for name, _ in locked} - {name for name, _ in installed} <= elsewhere
    assert not [path for path in packages.rglob("tests") if path.is_dir()]


def test_the_images_say_what_they_are(images: Images) -> None:
    for target in ("chain", "service"):
        config = images.config(f"recipeline-{target}")["config"]
        labels = {
            key.rsplit(".", 1)[-1]: value
            for key, value in config["Labels"].items()
            if key.startswith("org.opencontainers.image.")
        }
        assert (labels["title"], labels["revision"], labels["version"]) == (f"recipeline-{target}", REVISION, "1.2.3")
        assert config["User"] == "1000:1000"
    assert [*config["ExposedPorts"]] == ["8000/tcp"]


def test_a_project_of_its_own_is_an_image_too_with_the_wheel_of_its_library(images: Images, tmp_path: Path) -> None:
    project = tmp_path / "own"
    assert CliRunner().invoke(find_command("new"), [str(project)]).exit_code == 0
    assert [*(project / "wheels").iterdir()]
    images.build("chain", "own-chain", project, EXTRAS="")
    volumes = {HOME: own(tmp_path / "home"), LOG: own(tmp_path / "log")}
    container = Container(images, "own-chain", tmp_path / "chain", volumes, {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"})
    done = container.run("python", "-c", "import recipeline, custom; print(recipeline.__file__, custom.__path__)")
    assert re.fullmatch(r"/opt/venv/\S+/site-packages/recipeline/__init__\.py \S*/srv/recipeline/custom\S*\n", done.stdout), (
        done
    )
    done = container.run("python", "-m", "steps.main", "--profile", "ci", "--model", "lr")
    assert (done.returncode, "Promotion: promoted (first)" in done.stdout) == (0, True), done.stderr


def normal(name: str) -> str:
    """Return the name of a package as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def sample() -> dict[str, float]:
    """Return a synthetic row, without its grade."""
    row: dict[str, float] = draw().drop(columns=project_recipe()["target"]).iloc[0].to_dict()
    return row
