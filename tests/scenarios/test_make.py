"""Steps of make before a command, and what is left when it is typed again."""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from recipeline.artifacts import ORDER
from recipeline.orchestration.cache import CACHED
from tests.conftest import NAME, ROOT, small_recipe
from tests.scenarios.test_readme import all_runs, copy_project, lend_environment, run, stages, warm_python
from tests.warm import UNDRAWN

# --- the chain, twice ----------------------------------------------------------------------------------------------------


def steps_run(folder: Path) -> list[str]:
    """Return the step of each run of the store, all of them FINISHED.

    The candidates' are of train.
    """
    runs = all_runs(folder).values()
    assert {each.info.status for each in runs} == {"FINISHED"}
    return sorted(each.data.tags.get("recipeline.step", "train") for each in runs)


def test_make_pipeline_typed_again_reuses_all_steps_up_to_evaluate_and_changes_no_production(
    tmp_path: Path, empty_store: Path
) -> None:
    folder = copy_project(tmp_path)
    lend_environment(folder)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(small_recipe(), sort_keys=False), encoding="utf-8")
    profile = folder / "profiles/local.yaml"
    settings = yaml.safe_load(profile.read_text(encoding="utf-8")) | {"data": "wines.csv", "engine": {"n_jobs": 1}}
    profile.write_text(yaml.safe_dump(settings), encoding="utf-8")
    shutil.copy(empty_store, folder / "mlflow.db")

    typed = f"export {UNDRAWN}=1; make pipeline"
    with warm_python(folder):
        first = run(typed, folder)
        assert "Reused: none." in first
        candidates = len(small_recipe()["candidates"])
        assert steps_run(folder) == sorted(["main", *ORDER, *["train"] * candidates])
        assert stages(folder) == {"1": "Production"}

        # The environment has the library's command too, which finds the project from any folder of it.
        assert "first: R2 +" in run("cd docs && ../.venv/bin/recipeline history", folder)

        second = run(typed, folder)
        assert "Reused: ingest, split, train, evaluate." in second
        assert CACHED == ("ingest", "split", "train", "evaluate")
        assert f"Registered: {NAME} version 1, which existed already." in second
        assert steps_run(folder) == sorted(["main", *ORDER, *["train"] * candidates, "main", "register", "promote"])
        assert stages(folder) == {"1": "Production"}


# --- the environment -----------------------------------------------------------------------------------------------------

#: An interpreter of another version: the code that it is given is run by the one of this suite, which takes itself for it.
#: What it makes and installs it only writes down; an installation fails where there is a file `no-index`.
INTERPRETER = """#!/bin/sh
case "$1 $2" in
    "-c "*) exec {real} -S -c '
import sys
sys.executable, sys.version, code = sys.argv[1:]
sys.version_info = tuple(map(int, sys.version.split()[0].split(".")))
exec(code)' "$0" "{version} (main)" "$2" ;;
    "-m venv") mkdir -p "$3/bin" && ln -s "$0" "$3/bin/python" && echo "made with $(basename "$0")" >>"$LOG" ;;
    "-m pip")
        [ ! -e no-index ] || exit 1
        for lock; do :; done
        echo "installed $lock" >>"$LOG"
        case " $* " in *" --quiet "*) ;; *) echo "Collecting numpy==2.0.0" && echo "Installing collected packages" ;; esac ;;
    *) exit 9 ;;
esac
"""
MADE, INSTALLED = "made with {}", "installed requirements.txt"


@dataclass
class Setup:
    """A folder with the Makefile, its script, two locks and interpreters."""

    folder: Path

    def install(self, name: str, version: str) -> Path:
        """Put an interpreter on PATH."""
        path = self.folder / "bin" / name
        path.write_text(INTERPRETER.format(real=shlex.quote(sys.executable), version=version), encoding="utf-8")
        path.chmod(0o755)
        return path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which make is typed."""
        return {"PATH": f"{self.folder}/bin:{self.folder}/system", "LOG": str(self.folder / "log")}

    def make(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type make."""
        return subprocess.run(
            ["make", *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def does(self, *words: str) -> list[str]:
        """Type a make that must succeed; return what was made and installed."""
        log = self.folder / "log"
        log.write_text("", encoding="utf-8")
        done = self.make(*words)
        assert done.returncode == 0, done.stderr
        did = log.read_text(encoding="utf-8").splitlines()
        assert bool(did) == bool(done.stderr)  # what takes minutes is announced, and nothing else is said
        return did


@pytest.fixture
def machine(tmp_path: Path) -> Setup:
    """A machine with Python 3.12, and with 3.14 and 3.10, for which there is no lock."""
    for name in ("Makefile", "development.mk", "scripts/help", "scripts/venv", "scripts/recipeline"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text("numpy==2.0.0\n", encoding="utf-8")
    (tmp_path / "bin").mkdir()
    (tmp_path / "system").mkdir()
    for name in (
        "bash",
        "sh",
        "make",
        "env",
        "basename",
        "cat",
        "cmp",
        "cp",
        "dirname",
        "flock",
        "ln",
        "mkdir",
        "readlink",
        "rm",
    ):
        if found := shutil.which(name):
            (tmp_path / "system" / name).symlink_to(found)
    setup = Setup(tmp_path)
    setup.install("python3.12", "3.12.1")
    setup.install("python3", "3.14.0")
    setup.install("python", "3.10.13")
    return setup


def test_setup_makes_the_environment_once_with_an_interpreter_that_the_lock_is_for(machine: Setup) -> None:
    assert machine.does("setup") == [MADE.format("python3.12"), INSTALLED]
    assert machine.does("setup") == []
    assert machine.does("setup", "PYTHON=python3.12") == []


def test_on_a_terminal_an_installation_counts_its_packages_and_one_that_fails_is_a_failure(machine: Setup) -> None:
    def typed() -> tuple[int, str]:
        here, there = pty.openpty()
        done = subprocess.run(
            ["make", "setup"], cwd=machine.folder, env=machine.environment, stdout=there, stderr=there, check=False
        )
        os.close(there)
        said = os.read(here, 65536).decode()
        os.close(here)
        return done.returncode, said

    (machine.folder / "no-index").touch()
    assert typed()[0] == 2
    (machine.folder / "no-index").unlink()
    code, said = typed()
    assert code == 0
    assert "setup: 1 of 1 packages" in said
    assert "setup: 1 packages are here, now they are installed" in said


def test_a_changed_lock_is_installed_again_and_once(machine: Setup) -> None:
    machine.does("setup")
    (machine.folder / "requirements.txt").write_text("numpy==2.0.1\n", encoding="utf-8")
    assert machine.does("setup") == [INSTALLED]
    assert machine.does("setup") == []


def test_a_lock_that_was_only_touched_is_not_installed_again(machine: Setup) -> None:
    machine.does("setup")
    os.utime(machine.folder / "requirements.txt", (2**31 - 1, 2**31 - 1))
    os.utime(machine.folder / ".venv/.python", (0, 0))
    assert machine.does("setup") == []


def test_another_python_makes_the_environment_anew_and_stays_until_another_one_is_named(machine: Setup) -> None:
    machine.does("setup")
    (machine.folder / ".venv/of-the-old-one").touch()
    other = machine.install("python3.11", "3.11.7")
    assert machine.does("setup", f"PYTHON={other}") == [MADE.format("python3.11"), INSTALLED]
    assert not (machine.folder / ".venv/of-the-old-one").exists()
    assert machine.does("setup", f"PYTHON={other}") == []
    assert machine.does("setup") == []
    assert machine.does("setup", "PYTHON=python3.12") == [MADE.format("python3.12"), INSTALLED]


def test_another_name_of_the_same_python_is_no_other_python(machine: Setup) -> None:
    machine.does("setup")
    link = machine.folder / "link"
    link.symlink_to(machine.folder / "bin/python3.12")
    for same in (link, ".venv/bin/python"):
        assert machine.does("setup", f"PYTHON={same}") == []


def test_a_python_that_was_upgraded_in_its_place_makes_the_environment_anew(machine: Setup) -> None:
    machine.does("setup")
    machine.install("python3.12", "3.12.2")
    assert machine.does("setup") == [MADE.format("python3.12"), INSTALLED]


def test_an_interpreter_that_appears_later_changes_nothing_by_itself(machine: Setup) -> None:
    machine.does("setup")
    machine.install("python3.13", "3.13.0")
    assert machine.does("setup") == []
    shutil.rmtree(machine.folder / ".venv")
    assert machine.does("setup") == [MADE.format("python3.13"), INSTALLED]  # the newest, where there is a choice


def test_the_development_lock_is_installed_beside_the_other_and_each_only_where_it_changed(machine: Setup) -> None:
    both = [INSTALLED, "installed requirements-dev.txt"]
    assert machine.does("setup-dev") == [MADE.format("python3.12"), *both]
    assert machine.does("setup-dev") == machine.does("setup") == []
    (machine.folder / "requirements-dev.txt").write_text("numpy==2.0.0\nruff==0.8\n", encoding="utf-8")
    assert machine.does("setup") == []
    assert machine.does("setup-dev") == both[1:]
    assert machine.does("setup-dev") == machine.does("setup") == []


def test_an_installation_that_broke_off_is_done_again(machine: Setup) -> None:
    (machine.folder / "no-index").touch()
    assert machine.make("setup").returncode != 0
    assert machine.make("setup").returncode != 0
    (machine.folder / "no-index").unlink()
    assert machine.does("setup") == [INSTALLED]
    assert machine.does("setup") == []


@pytest.mark.parametrize("python", ["python3", "python", "no-such-python"])
def test_a_python_that_the_lock_is_not_for_is_refused_and_the_environment_stays(machine: Setup, python: str) -> None:
    machine.does("setup")
    done = machine.make("setup", f"PYTHON={python}")
    assert done.returncode != 0
    assert f"PYTHON must be a Python from 3.11 to 3.13. Got '{python}' instead." in done.stderr
    assert machine.does("setup") == []


def test_where_no_python_will_do_setup_says_so(machine: Setup) -> None:
    (machine.folder / "bin/python3.12").unlink()
    done = machine.make("setup")
    assert done.returncode != 0
    assert "no Python from 3.11 to 3.13 on PATH. Install one, or name it: make setup PYTHON=/path/to/python" in done.stderr
    assert not (machine.folder / ".venv").exists()


# --- a word that is no target --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("pipelin", "pipeline"),
        ("trian", "train"),
        ("servee", "serve"),
        ("tset", "test"),
        ("docter", "doctor"),
        ("promtoe", "promote"),
        ("backpu", "backup"),
        ("who_served", "who-served"),
        ("predcit", "predict"),
        ("xyzzyqq", ""),
    ],
)
def test_a_word_that_is_no_target_names_the_nearest(word: str, guess: str) -> None:
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", word], cwd=ROOT, capture_output=True, text=True, check=False, env=alone)
    assert (done.returncode, done.stdout) == (2, "")
    said = f" Did you mean '{guess}'?" if guess else ""
    assert done.stderr.startswith(f"make: No such target '{word}'.{said} See `make` for all of them.\n")
