"""A command killed at any moment leaves a Production that loads.

The next command finishes or redoes its work.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial

import pandas as pd
import pytest

import recipeline.registry.contest
import recipeline.tracking.models

# Imported before the forks: they inherit it.
import recipeline.training.cross_validation
from recipeline.registry.ledger import Ledger
from recipeline.registry.loading import load_golden
from recipeline.registry.results import OPEN
from recipeline.tracking.artifacts.manifest import Reader
from tests.classes import turn_into_classes
from tests.conftest import NAME, MakeProject, Project
from tests.faults import in_fork, run_and_die

#: The writes between which stage, alias and ledger disagree.
CRITICAL = ("create_model_version", "set_registered_model_alias", "transition_model_version_stage")
COMMANDS: dict[str, Callable[[Project], object]] = {
    "promote": lambda project: project.ok("promote", promote="always"),
    "rollback": lambda project: project.ok("rollback"),
    "main": lambda project: project.ok("main", model="dt", promote="always", cache="off"),
}

pytestmark = pytest.mark.xdist_group("kills")


@pytest.fixture(
    scope="module", params=["regression", *(pytest.param(task, marks=pytest.mark.full) for task in ("binary", "multiclass"))]
)
def kept(request: pytest.FixtureRequest, make_project: MakeProject, wines: pd.DataFrame) -> Project:
    """A project of two former Productions and a challenger, never opened here."""
    project = make_project(wines)
    if request.param != "regression":
        turn_into_classes(project, request.param)
    for model, promote in (("en", "auto"), ("lr", "always"), ("dt", "never")):
        assert in_fork(partial(project.ok, "main", model=model, promote=promote)) == 0
    shutil.copytree(project.folder, project.folder.parent / "saved")
    return project


@pytest.fixture
def project(kept: Project) -> Project:
    """The project as it was made."""
    restore(kept)
    return kept


def restore(project: Project) -> None:
    shutil.rmtree(project.folder)
    shutil.copytree(project.folder.parent / "saved", project.folder)


def moments(project: Project, command: str) -> list[str]:
    """Return the moments of a command: before and after each of its writes."""
    log = project.folder.parent / "moments"
    restore(project)
    assert run_and_die(lambda: COMMANDS[command](project), at=-1, log=log) == 0
    restore(project)
    return log.read_text(encoding="utf-8").splitlines()


def assert_recovers(project: Project, killed_at: str) -> None:
    """Assert that Production answers and the next main leaves nothing open.

    Doctor is clean or says what to do.
    """

    def check() -> None:
        champion = project.client.get_model_version_by_alias(NAME, "champion")
        load_golden(Reader(project.client), champion)
        stages = list(project.versions().values())
        assert "Production" in stages, stages
        recipeline.tracking.models.load_model(f"models:/{NAME}/Production")
        doctor = project.run("doctor")
        assert doctor.exit_code in (0, 7), doctor.stderr
        assert doctor.stdout.count("✗") <= doctor.stdout.count("→")
        project.ok("main", model="en")
        project.production()
        reading = Ledger(project.client, NAME).read()
        assert not reading.faults, reading.faults
        assert reading.head, reading
        assert reading.head.state != OPEN, reading.head
        assert project.run("doctor").exit_code == 0

    assert in_fork(check) == 0, killed_at


@pytest.mark.parametrize("command", ["promote", pytest.param("rollback", marks=pytest.mark.full)])
def test_a_command_killed_after_a_write_to_the_registry_leaves_production_loadable(project: Project, command: str) -> None:
    names = moments(project, command)
    for word in CRITICAL:
        at = max(i for i, name in enumerate(names) if name.startswith("after") and name.endswith(word))
        status = run_and_die(lambda: COMMANDS[command](project), at=at, log=project.folder.parent / "moments")
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert_recovers(project, f"{command} {names[at]}")
        restore(project)


@pytest.mark.parametrize("kilobytes", [0, *(pytest.param(later, marks=pytest.mark.full) for later in (8, 16))])
def test_a_disk_that_is_full_is_one_sentence_and_nothing_is_lost(project: Project, kilobytes: int) -> None:
    size = (project.folder / "mlflow.db").stat().st_size + kilobytes * 1024

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        outcome = project.run("main", model="dt", promote="always", cache="off")
        assert outcome.exit_code == 6, outcome
        assert "Traceback" not in outcome.stderr
        assert "must be reachable and writable" in outcome.stderr

    assert in_fork(fill) == 0
    assert_recovers(project, f"disk full after {kilobytes} kB")


@pytest.mark.full
@pytest.mark.parametrize("command", list(COMMANDS))
def test_a_command_killed_before_or_after_any_write_leaves_production_loadable(project: Project, command: str) -> None:
    names = moments(project, command)
    for at, name in enumerate(names):
        status = run_and_die(lambda: COMMANDS[command](project), at=at, log=project.folder.parent / "moments")
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert_recovers(project, f"{command}, moment {at}: {name}")
        restore(project)


@pytest.mark.full
def test_a_command_killed_at_a_random_moment_leaves_production_loadable(project: Project) -> None:
    drawn = random.Random(42)
    for _ in range(50):
        command = drawn.choice(list(COMMANDS))
        wait = drawn.uniform(0, {"main": 2.5}.get(command, 1.0))
        pid = os.fork()
        if not pid:
            COMMANDS[command](project)
            os._exit(0)
        time.sleep(wait)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert_recovers(project, f"{command} after {wait:.3f} s")
        restore(project)
