"""The examples for Airflow and Argo: one task, an image, a JSON object."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from recipeline.cli.output.results import BestCandidate, ChainValues, ChainVersion, CommandResult, Rows
from recipeline.errors import UnavailableError
from recipeline.promotion.results import RecordedDecision
from recipeline.records import to_plain
from tests.conftest import ROOT, find_command

DAG, WORKFLOW = ROOT / "examples/airflow/wine_quality.py", ROOT / "examples/argo/workflow.yaml"
EXIT_CODES = (0, 1, 2, 3, 4, 5, 6, 7, 125, 130, 143)
UNAVAILABLE = 6


class Retried(Exception):
    """Stands for airflow.sdk.exceptions.AirflowException."""


class Final(Retried):
    """Stands for AirflowFailException."""


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """The module of the DAG, loaded with stand-ins of Airflow's names.

    `task` is its task.
    """
    made = types.SimpleNamespace(tasks={}, settings={}, dags=[])

    def decorate_dag(**settings: Any) -> Callable[..., Any]:
        made.dags.append(settings)
        return lambda function: function

    def decorate_task(**settings: Any) -> Callable[..., Any]:
        def keep(function: Callable[..., Any]) -> Callable[..., None]:
            made.tasks[function.__name__], made.settings[function.__name__] = function, settings
            return lambda: None

        return keep

    names: dict[str, dict[str, Any]] = {
        "airflow": {},
        "airflow.sdk": {"dag": decorate_dag, "task": decorate_task},
        "airflow.sdk.exceptions": {"AirflowException": Retried, "AirflowFailException": Final},
    }
    for name, content in names.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    module = types.ModuleType("wine_quality_dag")
    exec(compile(DAG.read_text(encoding="utf-8"), DAG, "exec"), vars(module))
    made.module = module
    return made


def result_of(code: int) -> CommandResult:
    """Return what `main` prints before it ends with an exit code."""
    best = BestCandidate("RandomForest", "b" * 32, "REJECTED" if code == 4 else "VALIDATED", {"r2": 0.4}, {}, ("r2 is low",))
    decision = RecordedDecision("promoted", "better", "R2 +0.1", True, policy="auto", version="7")
    values = ChainValues((), Rows("uci", "https://", "0"), best, ChainVersion("Wine", "7", True), decision, "card.html", ())
    if code == 4:
        values = ChainValues((), values.data, best, None, None, "card.html", ())
    if code in (0, 4):
        return CommandResult("main", "a" * 32, "rejected" if code else "promoted", code, "words", values=values)
    return CommandResult("main", "", "error", code, error="The store must be reachable.")


def program(folder: Path, code: int, stdout: str) -> list[str]:
    """Return the command of a program that stands for docker."""
    path = folder / "docker.py"
    path.write_text(f"import sys\nprint('progress', file=sys.stderr)\nprint({stdout!r})\nsys.exit({code})\n", encoding="utf-8")
    return [sys.executable, str(path)]


def test_the_dag_imports_airflow_and_the_standard_library_and_nothing_of_ours() -> None:
    tree = ast.parse(DAG.read_text(encoding="utf-8"))
    found = {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    found |= {name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert "airflow" in found
    assert found - {"airflow"} <= sys.stdlib_module_names


def test_the_dag_has_one_task_which_is_retried_and_no_two_runs_at_once(dag: types.SimpleNamespace) -> None:
    dag.module.wine_quality()
    assert list(dag.tasks) == ["main"]
    assert dag.settings["main"]["retries"] > 0
    [settings] = dag.dags
    assert (settings["max_active_runs"], settings["catchup"]) == (1, False)


@pytest.mark.parametrize("code", EXIT_CODES)
def test_only_exit_code_6_is_retried_by_airflow(dag: types.SimpleNamespace, tmp_path: Path, code: int) -> None:
    dag.module.COMMAND = program(tmp_path, code, json.dumps(to_plain(result_of(code))))
    if code == 0:
        assert dag.tasks["main"]() == {"run_id": "a" * 32, "outcome": "promoted", "version": "7", "reason": "R2 +0.1"}
        return
    with pytest.raises(Retried) as error:
        dag.tasks["main"]()
    assert isinstance(error.value, Final) == (code != UNAVAILABLE)
    assert ("r2 is low" if code == 4 else "The store must be reachable.") in str(error.value)


def test_no_result_on_stdout_is_a_final_failure_with_the_exit_code(dag: types.SimpleNamespace, tmp_path: Path) -> None:
    dag.module.COMMAND = program(tmp_path, 125, "docker: no such image")
    with pytest.raises(Final, match="exit code 125, and no result"):
        dag.tasks["main"]()


def test_what_ends_the_task_ends_the_command(dag: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def communicate(self, *_: Any, **__: Any) -> Any:
            started.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        dag.module.run_command(["sleep", "60"])
    assert [process.returncode for process in started] == [-15]


def workflow() -> Any:
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


def test_the_workflow_has_one_task_and_argo_retries_it_on_exit_code_6_only() -> None:
    content = workflow()
    [template] = content["spec"]["templates"]
    assert content["spec"]["entrypoint"] == template["name"] == "main"
    retry = template["retryStrategy"]
    found = re.fullmatch(r"asInt\(lastRetry\.exitCode\) == (\d+)", retry["expression"])
    assert found
    assert int(found[1]) == UNAVAILABLE == UnavailableError.exit_code
    assert retry["retryPolicy"] == "OnFailure"  # an error of the controller has no exit code of ours
    assert template["container"]["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("name", ["airflow", "argo"])
def test_the_command_is_main_with_options_that_it_has_and_a_profile_that_there_is(
    name: str, dag: types.SimpleNamespace
) -> None:
    if name == "airflow":
        words = dag.module.CHAIN
    else:
        container = workflow()["spec"]["templates"][0]["container"]
        words = [*container["command"], *container["args"]]
    assert words[:3] == ["python", "-m", "steps.main"]
    assert words[-1] == "--json"
    context = find_command("main").make_context("main", words[3:-1])
    assert isinstance(context, click.Context)
    assert (ROOT / f"profiles/{context.params['profile']}.yaml").is_file()


def environment(folder: Path, *packages: str) -> Path:
    """Make an environment of its own with packages of the index; return its Python."""
    uv, python = Path(sys.executable).with_name("uv"), folder / "venv/bin/python"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder / "venv"], check=True)
    words = [uv, "pip", "install", "-q", "--python", python, *packages]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{', '.join(packages)} cannot be installed: {done.stderr[-300:]}")
    return python


DAG_BAG = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException
bag = DagBag(sys.argv[1])
[dag] = bag.dags.values()
[task] = dag.tasks
module = sys.modules[task.python_callable.__module__]
raised = {}
for code, words in json.loads(sys.argv[2]).items():
    task.python_callable.__globals__["COMMAND"] = words
    try:
        raised[code] = task.python_callable()["run_id"]
    except Exception as error:
        raised[code] = "final" if isinstance(error, AirflowFailException) else "retried"
print(json.dumps([bag.import_errors, dag.dag_id, task.task_id, task.retries, raised]))
"""


@pytest.mark.full
def test_airflow_itself_loads_the_dag_and_retries_exit_code_6_only(tmp_path: Path) -> None:
    python = environment(tmp_path, "apache-airflow>=3,<4", "apache-airflow-providers-standard")
    commands = {}
    for code in EXIT_CODES:
        (tmp_path / str(code)).mkdir()
        commands[code] = program(tmp_path / str(code), code, json.dumps(to_plain(result_of(code))))
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path / "home")}
    variables["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
    words = [python, "-c", DAG_BAG, str(DAG.parent), json.dumps(commands)]
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    errors, dag_id, task_id, retries, raised = json.loads(done.stdout.splitlines()[-1])
    assert (errors, dag_id, task_id, retries) == ({}, "wine_quality", "main", 3)
    assert raised == {str(code): "a" * 32 if not code else "retried" if code == UNAVAILABLE else "final" for code in EXIT_CODES}


HERA = """
import sys, json, yaml
from hera.workflows.models import Workflow
content = yaml.safe_load(open(sys.argv[1]))
print(json.dumps([content, Workflow.model_validate(content).model_dump(by_alias=True, exclude_none=True, mode="json")]))
"""


def lacking(content: Any, found: Any, place: str = "") -> list[str]:
    """Return the places of a document that its model dropped as unknown."""
    if isinstance(content, dict):
        kept = found if isinstance(found, dict) else {}
        return [it for key, value in content.items() for it in lacking(value, kept.get(key), f"{place}.{key}")]
    if isinstance(content, list) and isinstance(found, list) and len(content) == len(found):
        return [
            it for number, pair in enumerate(zip(content, found, strict=True)) for it in lacking(*pair, f"{place}[{number}]")
        ]
    return [] if content == found else [place]


@pytest.mark.full
def test_argo_s_own_types_know_every_key_of_the_workflow(tmp_path: Path) -> None:
    """The types of hera are generated from Argo's OpenAPI description."""
    python = environment(tmp_path, "hera>=6", "pyyaml")
    changed = tmp_path / "changed.yaml"
    changed.write_text(WORKFLOW.read_text(encoding="utf-8").replace("retryStrategy:", "retryStrategies:"), encoding="utf-8")
    for path, faults in ((WORKFLOW, []), (changed, [".spec.templates[0].retryStrategies"])):
        done = subprocess.run([python, "-c", HERA, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = lacking(*json.loads(done.stdout))
        assert [it for it in found if not faults or not it.startswith(faults[0])] == []
        assert bool(found) == bool(faults)
