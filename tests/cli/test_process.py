from __future__ import annotations

import gc
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from recipeline.cli.process import ProcessCommand, import_libraries, importing
from recipeline.errors import DataError, RecipelineError, UnavailableError, UsageError
from recipeline.tracking.connection.store import Store
from tests.conftest import ROOT
from tests.data.server import body, serving
from tests.tracking.helpers import new_run

PROXIED = "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"


@pytest.fixture
def _collector() -> Iterator[None]:
    """Leave the garbage collector as it was."""
    was_enabled, threshold = gc.isenabled(), gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    (gc.enable if was_enabled else gc.disable)()


def invoke(work: Callable[[], object], *words: str) -> Result:
    """Run a command that does this."""

    @click.command(name="toy", cls=ProcessCommand)
    @click.option("--number", type=int, default=0)
    def toy(number: int) -> int:
        work()
        return number

    return CliRunner().invoke(toy, words)


def raising(error: BaseException) -> Callable[[], object]:
    def work() -> None:
        raise error

    return work


@pytest.mark.usefixtures("_collector")
@pytest.mark.parametrize("was_enabled", [True, False])
def test_importing_looks_for_no_garbage_and_leaves_the_collector_as_it_was_with_all_there_is_frozen(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    gc.unfreeze()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled() is was_enabled
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[0] == 100_000


@pytest.mark.usefixtures("_collector")
def test_an_import_that_fails_leaves_the_collector_enabled() -> None:
    gc.enable()
    with pytest.raises(ZeroDivisionError), importing():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_what_every_command_needs_is_imported_once() -> None:
    import_libraries()
    assert {"mlflow", "recipeline.cli.environment"} <= set(sys.modules)
    assert import_libraries.cache_info().currsize == 1


@pytest.mark.parametrize("wanted", [None, "true"])
def test_files_come_through_mlflows_server_which_may_alone_reach_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: str | None
) -> None:
    """MLflow's server offers signed addresses of the store; a variable takes them."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    monkeypatch.setenv(PROXIED, wanted or "")
    if not wanted:
        monkeypatch.delenv(PROXIED)
    import_libraries.__wrapped__()
    answers = {"server-info": b'{"multipart_downloads_enabled": true}', "artifacts?": b'{"files": []}', "presigned": b"{}"}

    def reply(request: BaseHTTPRequestHandler) -> None:
        body(next((content for part, content in answers.items() if part in request.path), b"here"))(request)

    with serving(reply) as (address, asked):
        files = MlflowArtifactsRepository("mlflow-artifacts:/1", tracking_uri=address.removesuffix("/wines.csv"))
        if wanted:
            with pytest.raises(MlflowException, match=r"a\.txt"):
                files.download_artifacts("a.txt", str(tmp_path))
        else:
            assert Path(files.download_artifacts("a.txt", str(tmp_path))).read_text() == "here"
    assert any("presigned" in path for path in asked) == bool(wanted)


def test_a_command_ends_with_the_code_that_it_returns() -> None:
    assert [invoke(lambda: None, "--number", code).exit_code for code in ("0", "4")] == [0, 4]
    assert invoke(lambda: None, "--help").exit_code == 0


def test_help_joins_lines_of_a_block_where_one_continues_another() -> None:
    long = "Do it.\n\n    Lines of text\n    are wrapped.\n\n    \b\n    Writes: a file,\n            and another\n"
    toy = ProcessCommand("toy", help=f"{long}    Exit code 5: no\n    row is left.\n    Rows stay.\n    Example: toy\n    ")
    shown = CliRunner().invoke(toy, ["--help"], env={"COLUMNS": "80"}).output
    assert [line.strip() for line in shown.partition("Options:")[0].splitlines()[2:] if line] == [
        "Do it.",
        "Lines of text are wrapped.",
        "Writes: a file, and another",
        "Exit code 5: no row is left.",
        "Rows stay.",
        "Example: toy",
    ]


@pytest.mark.parametrize("error", [UsageError("No."), DataError("No."), UnavailableError("No."), RecipelineError("No.")])
def test_an_expected_failure_is_its_sentence_and_its_code(error: RecipelineError) -> None:
    result = invoke(raising(error))
    assert (result.exit_code, result.stderr, result.stdout) == (error.exit_code, "toy: No.\n", "")


def test_a_bug_keeps_its_traceback() -> None:
    result = invoke(raising(ZeroDivisionError("a bug")))
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: a bug" in result.stderr


@pytest.mark.parametrize("code", [0, None, "words", 3, 143])
def test_code_that_calls_exit_does_not_end_a_command_as_if_it_were_done(code: int | str | None) -> None:
    result = invoke(raising(SystemExit(code)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Traceback" in result.stderr
    assert "SystemExit" in result.stderr


def test_an_interrupted_command_says_so() -> None:
    result = invoke(raising(KeyboardInterrupt()))
    assert (result.exit_code, result.stderr.strip()) == (130, "toy: interrupted")


def test_an_option_that_there_is_not_is_wrong_usage() -> None:
    for words in (["--nmuber", "3"], ["--number", "three"]):
        result = invoke(lambda: None, *words)
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("number", "code", "word"), [("SIGTERM", 143, "terminated"), ("SIGINT", 130, "interrupted")])
def test_a_signal_unwinds_the_command(number: str, code: int, word: str) -> None:
    script = f"""
import click, os, signal, time
from recipeline.cli.process import ProcessCommand

@click.command(name="toy", cls=ProcessCommand)
def toy():
    try:
        os.kill(os.getpid(), signal.{number})
        time.sleep(10)
    finally:
        print("unwound")

toy()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (code, "unwound\n", f"toy: {word}")


def test_on_windows_every_command_is_one_sentence_that_names_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    for words in ([], ["--help"], ["--number", "three"]):
        result = invoke(raising(AssertionError()), *words)
        assert (result.exit_code, result.stdout) == (2, "")
        (sentence,) = result.stderr.splitlines()
        assert "WSL" in sentence


def test_the_console_script_imports_nothing_that_windows_does_not_have() -> None:
    """It is taken away before the project is imported, as far as possible."""
    script = """
import os, runpy, shutil, signal, sys, click  # shutil of Python 3.13 has a module of Windows alone
sys.platform, sys.argv = "win32", ["recipeline", "serve"]
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for module, names in ((os, "fork getuid nice pread pwrite"), (signal, "SIGALRM SIGHUP SIGQUIT setitimer pthread_sigmask")):
    for name in names.split():
        delattr(module, name)
runpy.run_module("recipeline", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "WSL" in sentence


def test_the_run_that_mlflow_opened_fails_with_the_command(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = new_run(store)
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert invoke(raising(DataError("The rows must be good."))).exit_code == 3
    run = store.client.get_run(run_id)
    assert (run.info.status, run.data.tags["recipeline.error"]) == ("FAILED", "The rows must be good.")


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["--a", "''"], ""),
        (["--a=''"], ""),
        (["--a", ""], ""),
        (["--a", "'"], "'"),
        (["--a", "x''"], "x''"),
        (["--a", "''x"], "''x"),
        (["--a", '""'], '""'),
        ([], "default"),
    ],
)
def test_two_quote_characters_are_an_empty_parameter_and_nothing_else_is(typed: list[str], given: str) -> None:
    seen: list[str] = []

    @click.command(cls=ProcessCommand)
    @click.option("--a", default="default")
    def command(a: str) -> None:
        seen.append(a)

    with pytest.raises(SystemExit):
        command.main(typed)
    assert seen == [given]


@pytest.mark.parametrize("module", ["steps.main", "steps.train", "recipeline"])
def test_a_python_without_the_libraries_ends_in_one_sentence(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", module, "history"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "The project's environment is not active" in done.stderr
    assert "source .venv/bin/activate" in done.stderr


def test_a_python_without_the_library_ends_a_step_in_one_sentence(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "steps", tmp_path / "steps")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-S", "-m", "steps.main"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "no recipeline in" in done.stderr
    assert "source .venv/bin/activate" in done.stderr


_WITH_WORKERS = """
import atexit, time
from recipeline.cli.process import run_process
from recipeline.engine.local import LocalWorkers

def work():
    workers = LocalWorkers(2, preload="json")
    workers.start()
    list(workers.map([(atexit.register, (time.sleep, 600))] * 2))

run_process("toy", [], work)
"""


def test_a_command_does_not_wait_for_its_workers_to_end() -> None:
    done = subprocess.run([sys.executable, "-c", _WITH_WORKERS], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


_COUNT = """
import multiprocessing, runpy, sys
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
except SystemExit as end:
    print(end.code, "recipeline.cli.environment" in sys.modules, len(multiprocessing.active_children()), len(sys.modules))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["steps.main", "--data"],
        ["recipeline", "monitor", "--labels"],
        *(
            pytest.param(words, marks=pytest.mark.full)
            for words in (
                ["recipeline", "predict", "--input"],
                ["steps.ingest", "--data"],
                ["recipeline", "retrain", "--data"],
                ["recipeline", "monitor", "--data"],
            )
        ),
    ],
    ids=" ".join,
)
def test_a_path_of_rows_that_does_not_exist_costs_no_more_than_help(words: list[str]) -> None:
    *command, option = [sys.executable, "-c", _COUNT, *words]
    wrong, helped = (
        subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=False)
        for more in ([option, "nowhere/wines.csv"], ["--help"])
    )
    assert f"{option.removeprefix('--')} must be an existing file" in wrong.stderr
    assert f"Got '{ROOT}/nowhere/wines.csv', which does not exist," in wrong.stderr
    code, *imported, modules = wrong.stdout.split()
    _, *imported_by_help, modules_of_help = helped.stdout.splitlines()[-1].split()
    assert (code, imported) == ("3", imported_by_help)
    assert int(modules) - int(modules_of_help) < 20  # help reads the settings too, whose values it shows


CLOSED = """
import os, sys
from recipeline.cli.process import run_process

def work():
    with open(sys.argv[1], "w+b", buffering=0) as database:
        os.set_inheritable(database.fileno(), True)
        for number in (0, 1, 2):
            os.write(number, b"x")
        os.system("echo x; echo x >&2")
        assert os.system("test -c /dev/fd/0 && test -c /dev/fd/1 && test -c /dev/fd/2") == 0  # the child's own
        print("x", flush=True)
        print("x", file=sys.stderr, flush=True)
        return 3 if database.read() == b"" and database.fileno() > 2 else 4

run_process("x", [], work)
"""


def test_no_file_gets_the_number_of_a_stream_that_is_closed(tmp_path: Path) -> None:
    """Text for stderr, of C code or a child, would be written into a database."""
    script = shlex.join([sys.executable, "-c", CLOSED, str(tmp_path / "mlflow.db")])
    done = subprocess.run(["bash", "-c", f"{script} <&- >&- 2>&-"], check=False, cwd=ROOT)
    assert (done.returncode, (tmp_path / "mlflow.db").read_bytes()) == (3, b"")
