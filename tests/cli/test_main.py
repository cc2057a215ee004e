from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

import recipeline
from recipeline.artifacts import ORDER
from recipeline.cli.main import COMMANDS, WITH_MODELS, load_command
from recipeline.cli.main import recipeline as group
from tests.conftest import ROOT

HEAVY = {"mlflow", "pandas", "sklearn", "flask", "matplotlib", "pydantic"}


def typed(*words: str) -> Result:
    return CliRunner().invoke(group, words, prog_name="recipeline")


def test_help_lists_exactly_the_modules_of_commands_and_imports_none_of_them() -> None:
    script = f"""
import sys
from recipeline.cli.main import main
sys.argv = ["recipeline", "--help"]
try:
    main()
finally:
    heavy = {HEAVY} | {{name for name in sys.modules if name.startswith("recipeline.commands.")}}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = {path.stem.replace("_", "-") for path in (ROOT / "recipeline/commands").glob("[a-z]*.py")}
    listed = [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines() if line[2:3].strip()]
    assert set(listed) == set(COMMANDS) == modules
    assert done.stderr == "[]\n"


def test_a_command_that_reads_models_imports_scipy_first() -> None:
    """Late, it would make the import of skops longer, which searches all modules."""
    assert set(WITH_MODELS) < set(COMMANDS)
    script = "import sys; from recipeline.cli.main import load_command; load_command('predict'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = done.stdout.split()
    assert imported.index("scipy.special") < imported.index("mlflow") < imported.index("recipeline.cli.environment")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_in_the_list_is_the_beginning_of_its_own_help(name: str) -> None:
    command = load_command(name)
    assert command.name == name
    assert command.help
    assert COMMANDS[name] == command.help.partition("\n")[0]


@pytest.mark.parametrize("words", ["--help", "--version", "new --help"])
def test_a_page_that_stdout_does_not_take_is_one_sentence(words: str) -> None:
    script = f"{shlex.quote(sys.executable)} -m recipeline {words} >/dev/full"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert "The result cannot be written to stdout: No space left on device." in done.stderr


LOADING = """
import os, signal, sys, time
from recipeline.cli import main

def load(name):
    {does}
    time.sleep(10)

main.load_command, sys.argv = load, ["recipeline", "history", "--json"]
main.main()
"""


@pytest.mark.parametrize(
    ("does", "code", "error"),
    [
        ("os.kill(os.getpid(), signal.SIGINT)", 130, "interrupted"),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, "terminated"),
        ("raise ImportError('a broken library')", 1, "ImportError: a broken library"),
    ],
)
def test_what_ends_a_command_while_it_is_imported_is_told_as_later(does: str, code: int, error: str) -> None:
    words = [sys.executable, "-c", LOADING.format(does=does)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert (done.returncode, said["command"], said["exit_code"], said["error"]) == (code, "history", code, error)
    assert ("Traceback" in done.stderr) is (code == 1)


def test_an_unknown_command_is_refused_with_the_nearest_one() -> None:
    result = typed("retrian")
    assert result.exit_code == 2
    assert "No such command 'retrian'. Did you mean 'retrain'? See `recipeline --help`" in result.stderr
    assert "Did you mean" not in typed("xyzxyz").stderr


def test_the_version_is_the_librarys() -> None:
    result = typed("--version")
    assert (result.exit_code, result.stdout) == (0, f"recipeline {recipeline.__version__}\n")


def test_a_commands_own_help_is_asked_for_behind_its_name() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recipeline", "who-served", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: recipeline who-served [OPTIONS]")


def test_without_a_word_the_commands_are_shown() -> None:
    assert "Commands:" in typed().output


@pytest.mark.parametrize("step", [*ORDER, "main"])
def test_a_step_is_no_command_of_the_library_and_it_is_said_how_to_run_it(step: str) -> None:
    result = typed(step)
    assert result.exit_code == 2
    assert f"python -m steps.{step}" in result.stderr
    assert "Did you mean" not in result.stderr
