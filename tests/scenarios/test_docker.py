"""The pages' own commands, by Docker, Compose and Podman.

Images are built and run; a team's containers start and keep their data.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from recipeline.hosting import object_store
from tests.conftest import ROOT
from tests.containers import BASE
from tests.machines import TOOLS, Machine, reason_to_skip
from tests.scenarios.test_image import REVISION, SLOW, TOKEN, sample
from tests.test_compose import RULES, SERVICES

pytestmark = [
    pytest.mark.full,
    pytest.mark.xdist_group("docker"),
    pytest.mark.skipif(bool(reason_to_skip()), reason=str(reason_to_skip())),
]

COMPOSE = ("docker", "compose", "--file", "deploy/compose.yaml")

#: Containers that stay; `service` is not healthy before a version is in Production.
STAYING = ("postgres", "store", "mlflow", "service", "prometheus", "grafana")

_EVENT = '{{.Action}} {{index .Actor.Attributes "com.docker.compose.service"}}'


def said(page: str, start: str) -> list[str]:
    """Return the commands of a page that start with words, each on one line."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [line for line in lines if line.startswith(start)]
    assert found, f"{page} has no {start}"
    return found


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with the tools, the project and the base image's stand-in."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    try:
        made.install()
        made.start()
        for tool in TOOLS:
            made.run(tool, "import", "/base.tar", BASE)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module", params=TOOLS)
def tool(request: pytest.FixtureRequest, machine: Machine) -> str:
    """Docker or Podman, with both images built by the page's commands."""
    name = str(request.param)
    for line in said("containers.md", "docker build"):
        machine.run("sh", "-c", as_typed(line, name))
    return name


def as_typed(line: str, tool: str) -> str:
    """Return a command of the page as one types it for a tool.

    The commit is a fixed one: there is no git in the machine.
    """
    line = line.replace("$(git rev-parse HEAD)", REVISION)
    return (
        line
        if tool == "docker"
        else line.replace("docker build", "podman build --format docker").replace("docker run", "podman run")
    )


def health(machine: Machine, tool: str, name: str) -> str:
    """Return what the tool says of a container's health.

    Podman looks when it is asked: its timers are systemd's, which is not there.
    """
    if tool == "docker":
        return machine.run("docker", "inspect", "--format", "{{.State.Health.Status}}", name).strip()
    return "healthy" if machine.ask("podman", "healthcheck", "run", name).returncode == 0 else "unhealthy"


def test_the_images_of_the_pages_commands_say_what_they_are(machine: Machine, tool: str) -> None:
    for target in ("chain", "service"):
        [found] = json.loads(machine.run(tool, "image", "inspect", f"recipeline-{target}"))
        assert found["Config"]["User"] == "1000:1000"
        assert found["Config"]["Labels"]["org.opencontainers.image.revision"] == REVISION


def test_the_chain_runs_and_the_service_answers_is_healthy_and_finishes_a_request_when_stopped(
    machine: Machine, tool: str
) -> None:
    """The commands are the page's; the chain fills the volume of the service."""
    [alone] = [line for line in said("containers.md", "docker run") if "sqlite" in line]
    assert "Promotion: promoted (first)" in machine.run("sh", "-c", as_typed(alone, tool))

    [serving] = [line for line in said("containers.md", "docker run") if "recipeline-service" in line]
    serving = as_typed(serving, tool).replace("https://mlflow.example", "sqlite:///mlflow.db")
    machine.run("sh", "-c", serving.replace(" run ", " run --detach --name serving ", 1), RECIPELINE_SERVICE_TOKENS=TOKEN)
    machine.wait(lambda: health(machine, tool, "serving") == "healthy", "health", 90)
    assert machine.run(tool, "exec", "serving", "id", "-u") == "1000\n"
    touched = machine.ask(tool, "exec", "serving", "touch", "/srv/recipeline/x")
    assert (touched.returncode, "Read-only file system" in touched.stderr) == (1, True)
    address, row = "http://127.0.0.1:8000/predict", sample()
    status, answer = machine.get(address, TOKEN, row)
    assert (status, len(answer["predictions"])) == (200, 1)
    assert machine.get(address, "another", row)[0] == 401

    client = machine.beside(sys.executable, "-c", SLOW, json.dumps(row), TOKEN)
    assert client.stdin is not None
    assert client.stdout is not None
    assert client.stdout.readline() == "half\n"
    stopping = subprocess.Popen(machine.words(tool, "stop", "-t", "30", "serving"), stdout=subprocess.DEVNULL)
    time.sleep(3)  # longer than `drain_seconds`
    assert stopping.poll() is None
    client.stdin.write("\n")
    client.stdin.flush()
    assert client.stdout.readline().startswith("200 ")
    client.wait(timeout=60)
    assert stopping.wait(timeout=60) == 0
    assert machine.run(tool, "inspect", "--format", "{{.State.ExitCode}}", "serving") == "143\n"
    assert "Traceback" not in machine.ask(tool, "logs", "serving").stderr
    machine.run(tool, "rm", "serving")


@pytest.fixture(scope="module")
def team(machine: Machine) -> Iterator[Machine]:
    """The team's containers, started by the page's commands.

    The public images are stand-ins under their names.
    """
    program = object_store.find_program()
    assert program
    shutil.copy2(program, machine.project / "tests/public_images/weed")
    for image in sorted({service["image"] for service in SERVICES.values() if "build" not in service}):
        target = image.partition(":")[0].rpartition("/")[2]
        machine.run("docker", "build", "--target", target, "--tag", image, "tests/public_images")
    page = (ROOT / "docs/server.md").read_text(encoding="utf-8")
    secrets = re.search(r"```sh\n(\(umask 077.*?)```", page, re.DOTALL)
    assert secrets
    machine.run("sh", "-euc", secrets[1])
    heard = ("--filter", "event=start", "--filter", "event=health_status", "--format", _EVENT)
    with (machine.folder / "events").open("w") as events:
        listening = subprocess.Popen(machine.words("docker", "events", *heard), stdin=subprocess.DEVNULL, stdout=events)
    try:
        [up] = said("server.md", "docker compose --file deploy/compose.yaml up")
        machine.run("sh", "-c", up)
        yield machine
        machine.run(*COMPOSE, "down", "--volumes", "--timeout", "5")
    finally:
        listening.kill()
        listening.wait()


def state(machine: Machine, name: str) -> dict[str, Any]:
    """Return the state of a service's container."""
    number = machine.run(*COMPOSE, "ps", "--all", "--quiet", name).strip()
    [found] = json.loads(machine.run("docker", "inspect", number))
    assert isinstance(found, dict)
    return found


def await_health(machine: Machine, *names: str) -> None:
    for name in names:
        machine.wait(lambda name=name: state(machine, name)["State"]["Health"]["Status"] == "healthy", f"{name} healthy", 180)


def token_of(machine: Machine) -> str:
    return machine.run("sh", "-c", ". deploy/.env && echo $SERVICE_TOKEN").strip()


def model(machine: Machine) -> dict[str, Any]:
    """Return what the page's command says of the version that is served."""
    [line] = said("server.md", ". deploy/.env && curl")
    found = json.loads(machine.run("sh", "-c", line))
    assert isinstance(found, dict)
    return found


def asked(machine: Machine, path: str) -> Any:
    """Return what Prometheus answers."""
    status, answer = machine.get(f"http://127.0.0.1:9090/api/v1/{path}")
    assert (status, answer["status"]) == (200, "success")
    return answer["data"]


def test_nothing_starts_without_a_secret(machine: Machine) -> None:
    done = machine.ask("docker", "compose", "--env-file", "/dev/null", "--file", "deploy/compose.yaml", "up", "--detach")
    assert done.returncode != 0
    assert "see docs/server.md" in done.stderr
    assert machine.run("docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project") == ""


def test_each_part_starts_when_those_that_it_needs_are_healthy_and_has_few_rights(team: Machine) -> None:
    await_health(team, "postgres", "store", "mlflow", "prometheus", "grafana")
    events = (team.folder / "events").read_text(encoding="utf-8").splitlines()
    found = {name: state(team, name) for name in (*STAYING, "store-owner")}
    assert found["store-owner"]["State"]["ExitCode"] == 0
    assert found["store-owner"]["State"]["FinishedAt"] <= found["store"]["State"]["StartedAt"]
    for later, earlier in (("mlflow", "postgres"), ("mlflow", "store"), ("service", "mlflow"), ("grafana", "prometheus")):
        assert events.index(f"health_status: healthy {earlier}") < events.index(f"start {later}"), events
    for name in STAYING:
        assert found[name]["RestartCount"] == 0, name
        assert found[name]["HostConfig"]["ReadonlyRootfs"] == (name != "prometheus")
        user = team.run(*COMPOSE, "exec", "--no-TTY", name, "cat", "/proc/1/status")
        assert re.findall(r"^Uid:\s+(\d+)", user, re.MULTILINE) == SERVICES[name]["user"].split(":")[:1]
        assert re.search(r"^CapEff:\s+0+$", user, re.MULTILINE)


def test_the_chain_puts_a_version_in_production_and_the_service_takes_it_by_itself(team: Machine) -> None:
    team.wait(lambda: team.get("http://127.0.0.1:8000/readyz")[0] == 503, "a service without a version")
    [chain] = said("server.md", "docker compose --file deploy/compose.yaml run --rm chain")
    line = chain.partition("#")[0] + "python -m steps.main --profile server --data synthetic --model lr,et"
    assert "Promotion: promoted (first)" in team.run("sh", "-c", line)
    await_health(team, "service")
    assert model(team)["version"] in ("1", 1)
    status, answer = team.get("http://127.0.0.1:8000/predict", token_of(team), sample())
    assert (status, len(answer["predictions"])) == (200, 1)
    assert team.get("http://127.0.0.1:8000/predict", "", sample())[0] == 401


def test_prometheus_asks_the_service_has_the_rules_and_answers_each_panel(team: Machine) -> None:
    team.wait(
        lambda: (
            {one["labels"]["job"]: one["health"] for one in asked(team, "targets")["activeTargets"]}
            == {"service": "up", "prometheus": "up"}
        ),
        "targets",
    )
    rules = [rule for group in asked(team, "rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in RULES}
    team.wait(
        lambda: {rule["health"] for group in asked(team, "rules")["groups"] for rule in group["rules"]} == {"ok"}, "rules"
    )
    team.wait(lambda: asked(team, "query?query=served_model_version")["result"], "the version as a metric")
    status, panels = team.get("http://127.0.0.1:3000/panels")
    assert status == 200
    assert {answer for answers in panels.values() for answer in answers} == {"success"}
    assert len(panels) > 10


@pytest.mark.parametrize(("name", "reached"), [("mlflow", True), ("service", False), ("prometheus", False)])
def test_mlflow_alone_reaches_database_and_store(team: Machine, name: str, reached: bool) -> None:
    for host, port in (("postgres", 5432), ("store", 8333)):
        script = f"import socket; socket.create_connection(('{host}', {port}), 3)"
        done = team.ask(*COMPOSE, "exec", "--no-TTY", name, "python3", "-c", script)
        assert (done.returncode == 0) == reached, (host, done.stderr)


def test_all_goes_on_after_down_and_up_again(team: Machine) -> None:
    before, began = (
        model(team),
        float(asked(team, "query?query=prometheus_tsdb_lowest_timestamp_seconds")["result"][0]["value"][1]),
    )
    team.run(*COMPOSE, "down")
    assert team.run(*COMPOSE, "ps", "--all", "--quiet") == ""
    [up] = said("server.md", "docker compose --file deploy/compose.yaml up")
    team.run("sh", "-c", up)
    await_health(team, *STAYING)
    assert model(team) == before
    query = "query?query=prometheus_tsdb_lowest_timestamp_seconds"
    team.wait(lambda: asked(team, query)["result"], "a first look of Prometheus")
    assert float(asked(team, query)["result"][0]["value"][1]) == began
    line = " ".join([*COMPOSE, "run", "--rm", "chain", "python", "-m", "recipeline", "history", "--profile", "server"])
    assert re.search(r"^│ 1 +│", team.run("sh", "-c", line), re.MULTILINE)
