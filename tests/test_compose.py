"""The containers of a team's server: files that their tools accept.

Secrets that nobody knows, and metrics that exist.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recipeline.hosting import object_store
from recipeline.hosting.state import Secrets, _free_ports
from recipeline.serving.prometheus import Metrics
from recipeline.serving.self_watch import watch
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
FOLDER = DEPLOY / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana/dashboards/recipeline.json").read_text(encoding="utf-8"))

#: Words of PromQL that are no metrics of the service, and what Prometheus itself knows.
PROMQL = {"sum", "max", "count", "rate", "increase", "histogram_quantile", "by", "on", "unless", "and", "le", "up", "ALERTS"}


def words_of(name: str) -> str:
    """Return everything that a container is told, as one text."""
    return json.dumps(SERVICES[name])


def promtool(*words: str) -> str:
    """Return what Prometheus's own tool says of files; skip the test without it."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool: install the Debian package prometheus")
    done = subprocess.run([program, *words], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metrics_in(expression: str) -> set[str]:
    """Return the names of the metrics that an expression of PromQL asks for."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) ?\([^)]*\)", " ", expression)
    return set(re.findall(r"[a-zA-Z_]\w*", bare)) - PROMQL


def exported() -> set[str]:
    """Return the names that the service's /metrics can have."""
    text = Metrics().expose().decode()
    own = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    own |= {f"{name}_bucket" for name in re.findall(r"^# TYPE (\w+) histogram", text, re.MULTILINE)}
    source = Path(watch.__file__).read_text(encoding="utf-8")
    return own | set(re.findall(r'GaugeMetricFamily\(\s*"(\w+)"', source))


def test_compose_accepts_the_file() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(DEPLOY / "compose.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name != "store-owner":  # which gives a volume to its user, without a network
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    else:
        assert (service["cap_add"], service["network_mode"]) == (["CHOWN"], "none")
    assert service.get("read_only") or name == "prometheus"
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_a_version_and_a_container_is_healthy_or_not(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert tag
    assert tag != "latest"
    if "build" in service:
        assert service["image"] == f"recipeline-{service['build']['target']}:${{RECIPELINE_TAG:-local}}"
    if name not in ("store-owner", "chain", "service"):  # two that end, and one whose image has its own
        assert service["healthcheck"]["test"][0] == "CMD"


def test_no_port_is_open_to_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert {name for name, service in SERVICES.items() if service.get("networks") == ["data"]} == {"postgres", "store"}
    assert COMPOSE["networks"]["data"] == {"internal": True}


def test_no_secret_has_a_default_and_the_page_makes_each_of_them() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    with_default = set(re.findall(r"\$\{(\w+)(?::-|\})", text))
    assert asked == {
        "POSTGRES_PASSWORD",
        "S3_SECRET_KEY",
        "WEBHOOK_KEY",
        "SERVICE_TOKEN",
        "GRAFANA_PASSWORD",
        "RECIPELINE_LEDGER_KEY",
    }
    assert not [name for name in with_default if re.search("PASSWORD|KEY|TOKEN|SECRET", name)]
    settings = {key: value for service in SERVICES.values() for key, value in (service.get("environment") or {}).items()}
    of_secrets = {key for key in settings if re.search("PASSWORD$|KEY$|TOKENS$", key)}
    assert len(of_secrets) >= 6
    assert all(settings[key].startswith("${") for key in of_secrets)


def test_the_commands_of_the_page_make_a_file_with_every_secret_for_one_user(tmp_path: Path) -> None:
    page = (ROOT / "docs/server.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(\(umask 077.*?)```", page, re.DOTALL)
    assert block
    (tmp_path / "deploy").mkdir()
    subprocess.run(["bash", "-euc", block[1]], cwd=tmp_path, check=True, env={"PATH": os.environ["PATH"]})
    made = tmp_path / "deploy/.env"
    assert made.stat().st_mode & 0o777 == 0o600
    pairs = dict(line.split("=", 1) for line in made.read_text().splitlines())
    assert set(pairs) == set(re.findall(r"\$\{(\w+):\?", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    assert subprocess.run(["git", "check-ignore", "--quiet", "deploy/.env"], cwd=ROOT, check=False).returncode == 0
    assert len(set(pairs.values())) == len(pairs)
    assert all(len(value) >= 32 for value in pairs.values())
    from cryptography.fernet import Fernet

    Fernet(pairs["WEBHOOK_KEY"].encode())  # as MLflow takes it


@pytest.mark.parametrize("more", ["", "mlflow.example", "mlflow.example,other.example:8443"])
def test_mlflow_answers_containers_this_machine_on_any_port_and_names_that_are_added(more: str) -> None:
    from mlflow.server.security_utils import is_allowed_host_header

    [option] = [word for word in SERVICES["mlflow"]["command"] if word.startswith("--allowed-hosts=")]
    # A shell replaces the variable as compose does.
    words = ["bash", "-euc", f'echo "{option}"']
    done = subprocess.run(
        words, env={"PATH": os.environ["PATH"], "MLFLOW_HOSTS": more}, capture_output=True, text=True, check=True
    )
    allowed = done.stdout.strip().partition("=")[2].split(",")
    own = COMPOSE["x-client"]["MLFLOW_TRACKING_URI"].removeprefix("http://")
    hosts = [own, *(f"{name}{port}" for name in ("localhost", "127.0.0.1") for port in ("", ":5000", ":5001"))]
    for host in [*hosts, *filter(None, more.split(","))]:
        assert is_allowed_host_header(allowed, host), host
    for host in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:5000",
        "",
        *([] if more else ["mlflow.example"]),
    ):
        assert not is_allowed_host_header(allowed, host), host


def test_every_file_and_volume_that_a_container_mounts_is_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], mount


def test_prometheus_accepts_its_settings_and_rules() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "alerts.yml")


def test_alerts_fire_when_they_should_and_not_before() -> None:
    promtool("test", "rules", "alerts_test.yml")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_of_the_service_and_says_what_to_do(rule: dict[str, Any]) -> None:
    asked = metrics_in(rule["expr"])
    assert asked or "up{" in rule["expr"]
    assert asked <= exported()
    assert {*rule["annotations"]} == {"summary", "action"}
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_each_panel_asks_for_metrics_of_the_service() -> None:
    panels = DASHBOARD["panels"]
    asked = {name: metrics_in(target["expr"]) for panel in panels for target in panel["targets"] for name in [panel["title"]]}
    assert len(asked) == len(panels) > 10
    assert not {name: more for name, metrics in asked.items() if (more := metrics - exported())}
    source = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    assert {panel["datasource"]["uid"] for panel in panels} == {source["datasources"][0]["uid"]}


def test_a_metric_that_the_service_does_not_have_is_found() -> None:
    assert metrics_in('sum by (le) (rate(http_requests_totl{path=~"/a|/b"}[5m])) > 0.5') - exported() == {"http_requests_totl"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """The containers' object store, on other ports: its port and secret key."""
    names = ("s3", "filer", "master", "volume")
    ports = dict(zip(names, _free_ports(4), strict=True))
    secret = Secrets.generate().s3_secret_key
    words = [
        word.replace("/data", str(tmp_path)).replace("-ip=store", "-ip=127.0.0.1").replace("0.0.0.0", "127.0.0.1")
        for word in SERVICES["store"]["command"]
        if not word.startswith("-s3.port=")
    ]
    words += [f"-{name}.port={port}" for name, port in ports.items()]
    words += [f"-{name}.port.grpc={port}" for name, port in zip(names, _free_ports(4), strict=True)]
    program = object_store.find_program()
    assert program
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "mlflow", "AWS_SECRET_ACCESS_KEY": secret}
    process = subprocess.Popen([program, *words], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield ports["s3"], secret
    finally:
        process.kill()
        process.wait()


def test_the_object_stores_command_starts_it_with_the_keys_of_the_environment_and_no_others(store: tuple[int, str]) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    port, secret = store

    def put(key: str) -> None:
        options = {"aws_access_key_id": "mlflow", "aws_secret_access_key": key, "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **options).put_object(Bucket="mlflow", Key="a", Body=b"b")

    deadline = time.monotonic() + 60
    while True:
        try:
            put(secret)
            break
        except (BotoCoreError, ClientError):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        put("another")
