"""The manifests of `deploy/kubernetes`: valid, restricted, up to date."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from mlflow import environment_variables

from recipeline import errors
from recipeline.config.profile import Service, load_profile
from recipeline.serving import server
from recipeline.serving.http.health import add_health
from tests.conftest import ROOT, find_command
from tests.manifests import require_valid

FOLDER = ROOT / "deploy/kubernetes"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
KUSTOMIZE = "kustomization.yaml"

#: The oldest version whose schemas know all fields, and the newest that are here.
VERSIONS = ("1.31.0", "")


def objects() -> list[dict[str, Any]]:
    """Return the objects of all manifests."""
    files = [path for path in sorted(FOLDER.rglob("*.yaml")) if path.name != KUSTOMIZE]
    return [found for path in files for found in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def name_of(found: dict[str, Any]) -> str:
    return f"{found['kind']}/{found['metadata']['name']}"


OBJECTS = {name_of(found): found for found in objects()}
JOBS = {name: found["spec"]["jobTemplate"] for name, found in OBJECTS.items() if found["kind"] == "CronJob"}
JOBS |= {name: found for name, found in OBJECTS.items() if found["kind"] == "Job"}
DEPLOYMENT = OBJECTS["Deployment/recipeline-service"]
PODS = {name: found["spec"]["template"] for name, found in {**JOBS, "Deployment": DEPLOYMENT}.items()}


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def walk(value: object) -> Iterator[dict[str, Any]]:
    """Yield every mapping in a value."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


@pytest.mark.parametrize("version", VERSIONS, ids=["oldest", "newest"])
@pytest.mark.parametrize("name", OBJECTS)
def test_a_manifest_is_valid_and_has_no_unknown_field(name: str, version: str) -> None:
    require_valid(OBJECTS[name], version)


def test_what_is_not_valid_is_found() -> None:
    wrong = json.loads(json.dumps(DEPLOYMENT).replace("readOnlyRootFilesystem", "readonlyRootFilesystem"))
    with pytest.raises(ValueError, match="readonlyRootFilesystem"):
        require_valid(wrong, VERSIONS[0])


def test_no_two_manifests_are_the_same_object_and_kustomize_knows_every_file() -> None:
    assert len(OBJECTS) == len(objects())
    listed = yaml.safe_load((FOLDER / "base" / KUSTOMIZE).read_text(encoding="utf-8"))["resources"]
    assert sorted(listed) == sorted(path.name for path in (FOLDER / "base").iterdir() if path.name != KUSTOMIZE)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed: kustomizations are not built")
@pytest.mark.parametrize("folder", ["base", "example"])
def test_kustomize_builds_valid_objects_with_one_name_of_the_settings(folder: str) -> None:
    built = subprocess.run(["kubectl", "kustomize", str(FOLDER / folder)], capture_output=True, text=True, check=True).stdout
    found = list(yaml.safe_load_all(built))
    for one in found:
        require_valid(one)
    (settings,) = (one["metadata"]["name"] for one in found if one["kind"] == "ConfigMap")
    assert {one["configMapRef"]["name"] for one in walk(found) if "configMapRef" in one} == {settings}
    images = {one["image"] for one in walk(found) if isinstance(one.get("image"), str)}
    known = {"recipeline-chain", "recipeline-service"}
    assert {re.sub(r"^registry\.example/|:\d+\.\d+\.\d+$", "", image) for image in images} == known
    assert folder == "base" or not images & known
    if folder == "example":
        assert {one["metadata"]["namespace"] for one in found} == {OBJECTS["Job/recipeline"]["metadata"]["namespace"]}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_restricted(name: str) -> None:
    """By the Pod Security Standard of that name, and beyond it.

    Read-only, as user 1000, without a token.
    """
    pod = PODS[name]["spec"]
    as_user, only = pod["securityContext"], container(PODS[name])["securityContext"]
    assert (as_user["runAsNonRoot"], as_user["runAsUser"], as_user["runAsGroup"], as_user["fsGroup"]) == (
        True,
        1000,
        1000,
        1000,
    )
    assert as_user["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert f"ServiceAccount/{pod['serviceAccountName']}" in OBJECTS
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & {*pod}
    assert not any("hostPath" in volume for volume in pod["volumes"])


@pytest.mark.parametrize("name", PODS)
def test_the_image_has_the_user_and_the_folders_of_a_pod(name: str) -> None:
    pod = PODS[name]
    assert f"USER {pod['spec']['securityContext']['runAsUser']}:{pod['spec']['securityContext']['runAsGroup']}" in DOCKERFILE
    mounted = {mount["name"]: mount["mountPath"] for mount in container(pod)["volumeMounts"]}
    declared = re.search(r"^VOLUME (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert declared
    assert {*mounted.values()} == {"/tmp", *json.loads(declared[1])}
    assert {*mounted} == {volume["name"] for volume in pod["spec"]["volumes"]}
    claims = {one["claimName"] for one in walk(pod) if "claimName" in one}
    assert all(f"PersistentVolumeClaim/{claim}" in OBJECTS for claim in claims)
    log = load_profile(ROOT / "profiles/server.yaml", {"MLFLOW_TRACKING_URI": "http://mlflow"}).service.prediction_log
    assert log
    assert mounted["log"] == f"/srv/recipeline/{log.folder}"
    targets = re.findall(r"^FROM runtime AS (\w+)$", DOCKERFILE, re.MULTILINE)
    assert container(pod)["image"] in [f"recipeline-{target}" for target in targets]


@pytest.mark.parametrize("name", PODS)
def test_secrets_are_references_and_every_variable_is_one_that_the_code_reads(name: str) -> None:
    only = container(PODS[name])
    for one in only["env"]:
        assert {*one} == {"name", "valueFrom"}, "a value belongs into the settings, a secret into the Secret"
    assert not [one for one in walk(only.get("envFrom", [])) if "secretRef" in one]
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "recipeline").rglob("*.py"))
    limits = inspect.getsource(importlib.import_module("joblib.externals.loky.backend.context"))
    for variable in [one["name"] for one in only["env"]] + ["MLFLOW_TRACKING_URI"]:
        if variable.startswith("MLFLOW_"):
            assert variable in {one.name for one in vars(environment_variables).values() if hasattr(one, "name")}
        elif variable.startswith("RECIPELINE_"):
            assert f'"{variable}"' in code
        else:
            assert f'"{variable}"' in limits
    assert "$" not in json.dumps(only.get("args", []))


@pytest.mark.parametrize("name", PODS)
def test_a_pod_asks_for_memory_and_cores_and_limits_the_memory(name: str) -> None:
    resources = container(PODS[name])["resources"]
    assert {*resources["requests"]} == {"cpu", "memory"}
    assert {*resources["limits"]} == {"memory"}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_retries_what_was_not_available_and_nothing_else(name: str) -> None:
    spec = JOBS[name]["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] > 0
    if name == "Job/recipeline":
        assert spec["backoffLimit"] == 0
        return
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    table = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    codes |= {int(code) for code in re.findall(r"^\| (\d) \| ", table, re.MULTILINE)}
    assert codes == {0, 1, 2, 3, 4, 5, 6, 7}, "a new exit code is retried or not"
    ignored, failed = spec["podFailurePolicy"]["rules"]
    assert ignored == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert failed["action"] == "FailJob"
    assert failed["onExitCodes"]["operator"] == "In"
    # 7 is doctor's alone.
    assert {*failed["onExitCodes"]["values"]} == codes - {0, 7, errors.UnavailableError.exit_code}
    assert spec["backoffLimit"] > 0


@pytest.mark.parametrize("name", [name for name in OBJECTS if name.startswith("CronJob/")])
def test_a_schedule_has_a_time_and_one_job_at_a_time(name: str) -> None:
    spec = OBJECTS[name]["spec"]
    assert len(spec["schedule"].split()) == 5
    assert (spec["concurrencyPolicy"], spec["timeZone"]) == ("Forbid", "Etc/UTC")
    assert spec.get("suspend", False) == (name == "CronJob/recipeline-chain")


def calls() -> list[list[str]]:
    """Return the words after `python -m` of every pod and of the Dockerfile."""
    words = [container(pod)["args"] for pod in PODS.values() if "args" in container(pod)]
    words += [json.loads(found) for found in re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)]
    return words


@pytest.mark.parametrize("words", calls(), ids=" ".join)
def test_a_pod_runs_a_command_with_options_and_a_profile_that_are_there(words: list[str]) -> None:
    assert words[:2] == ["python", "-m"]
    module, *rest = words[2:]
    name = module.removeprefix("steps.") if module != "recipeline" else rest.pop(0).replace("-", "_")
    command = find_command(name)
    command.make_parser(_context(command)).parse_args([*rest])
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= options
    assert (ROOT / "profiles" / f"{rest[rest.index('--profile') + 1]}.yaml").is_file()


def test_monitoring_retrains_with_labels_and_by_the_patch_of_the_page() -> None:
    words = container(PODS["CronJob/recipeline-monitor"])["args"]
    page = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    assert "retrain" not in words, "the log has no target"
    block = re.search(r"```yaml\n([^`]*^patches:.*?)```", page, re.DOTALL | re.MULTILINE)
    assert block
    (patch,) = yaml.safe_load(block[1])["patches"]
    target, changed = OBJECTS["{kind}/{name}".format(**patch["target"])], [*words]
    for change in yaml.safe_load(patch["patch"]):
        *keys, last = change["path"].strip("/").split("/")
        found: Any = target
        for key in keys:
            found = found[int(key) if isinstance(found, list) else key]
        assert (change["op"], last, found) == ("add", "-", words)
        changed.append(change["value"])
    command = find_command("monitor")
    parsed = command.make_parser(_context(command)).parse_args(changed[4:])[0]
    assert {*parsed} >= {"labels", "on_drift", "window", "profile"}
    assert parsed["on_drift"] == "retrain"


def _context(command: Any) -> Any:
    import click

    return click.Context(command)


def test_probes_ask_routes_that_the_service_has_on_its_own_port() -> None:
    app = Flask("routes")
    add_health(app, None)
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    only = container(PODS["Deployment"])
    (port,) = only["ports"]
    default = next(option for option in find_command("serve").params if option.name == "port").show_default
    assert port["containerPort"] == int(default) == int(re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)[0])
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert only[probe]["httpGet"]["path"] in routes
        assert only[probe]["httpGet"]["port"] == port["name"]
    assert f"'127.0.0.1', {port['containerPort']}," in DOCKERFILE
    assert {*re.findall(r"request\('GET', '([^']+)'\)", DOCKERFILE)} <= routes
    ports = [one["port"] for one in walk(OBJECTS["NetworkPolicy/recipeline-service"]) if "port" in one]
    assert ports == [port["name"]] == [one["targetPort"] for one in OBJECTS["Service/recipeline-service"]["spec"]["ports"]]


def test_the_grace_period_is_long_enough_to_drain() -> None:
    spec = PODS["Deployment"]["spec"]
    (_, seconds) = container(PODS["Deployment"])["lifecycle"]["preStop"]["exec"]["command"]
    drain = load_profile(ROOT / "profiles/server.yaml", {"MLFLOW_TRACKING_URI": "http://mlflow"}).service.drain_seconds
    assert drain == Service().drain_seconds
    assert int(seconds) + drain + server._END_SECONDS < spec["terminationGracePeriodSeconds"]


def test_labels_selectors_and_budgets_meet() -> None:
    for name, pod in PODS.items():
        labels = pod["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "recipeline", "the network policy selects by it"
        others = [one for other, one in PODS.items() if other != name]
        assert all(one["metadata"]["labels"]["app.kubernetes.io/name"] != labels["app.kubernetes.io/name"] for one in others)
    wanted = {"app.kubernetes.io/name": PODS["Deployment"]["metadata"]["labels"]["app.kubernetes.io/name"]}
    assert OBJECTS["Service/recipeline-service"]["spec"]["selector"] == wanted
    for found in (DEPLOYMENT, OBJECTS["PodDisruptionBudget/recipeline-service"]):
        assert found["spec"]["selector"]["matchLabels"] == wanted
    assert OBJECTS["NetworkPolicy/recipeline-service"]["spec"]["podSelector"]["matchLabels"] == wanted
    for one in PODS["Deployment"]["spec"]["topologySpreadConstraints"]:
        assert one["labelSelector"]["matchLabels"] == wanted
    assert DEPLOYMENT["spec"]["replicas"] > OBJECTS["PodDisruptionBudget/recipeline-service"]["spec"]["minAvailable"]


def test_the_network_policy_lets_pods_reach_the_server_of_every_kustomization() -> None:
    allowed = {one["port"] for one in walk(OBJECTS["NetworkPolicy/recipeline"]) if "port" in one}
    for folder in ("base", "example"):
        settings = yaml.safe_load((FOLDER / folder / KUSTOMIZE).read_text(encoding="utf-8"))["configMapGenerator"]
        for line in settings[0]["literals"]:
            scheme, port = re.fullmatch(r"MLFLOW_TRACKING_URI=(https?)://[\w.]+(?::(\d+))?", line).groups()
            assert int(port or {"http": 80, "https": 443}[scheme]) in allowed


def test_the_mlproject_of_the_cluster_has_the_entry_points_of_the_projects_own() -> None:
    """All but `serve`, which is a Deployment; the profile is another one."""
    own, other = (yaml.safe_load((folder / "MLproject").read_text(encoding="utf-8")) for folder in (ROOT, FOLDER / "mlflow"))
    wanted = {name: point for name, point in own["entry_points"].items() if name != "serve"}
    for point in wanted.values():
        point["parameters"]["profile"]["default"] = "server"
    assert other["entry_points"] == wanted
    assert re.fullmatch(r"[a-z0-9-]+", other["name"]), "the name of a container"
    assert re.fullmatch(r"registry\.example/recipeline-chain:\d+\.\d+\.\d+", other["docker_env"]["image"])
    config = json.loads((FOLDER / "mlflow/backend.json").read_text(encoding="utf-8"))
    assert (ROOT / config["kube-job-template-path"]).is_file()
    assert {*config} == {"kube-job-template-path", "repository-uri"}


def test_the_page_names_every_manifest_and_every_key_of_the_secret() -> None:
    page = (ROOT / "docs/kubernetes.md").read_text(encoding="utf-8")
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.name != KUSTOMIZE:
            assert f"`{path.name}`" in page or f"{path.relative_to(ROOT)}" in page, path.name
    for key in {one["key"] for pod in PODS.values() for one in walk(pod) if {"name", "key"} <= {*one}}:
        assert f"{key}" in page
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / Path(target)).exists(), target
