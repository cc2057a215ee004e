from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from recipeline.cli.output.terminal import echo, fit, local_time
from recipeline.registry.history import parse_time
from recipeline.reports.summary import tabulate
from tests.conftest import ROOT


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_time_is_shown_to_the_second_and_read_again(time: datetime) -> None:
    shown = local_time(time)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", shown)
    first, last = parse_time(shown, time)
    assert first <= time < last


def test_what_a_terminal_acts_upon_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a \x1b[31mred\x1b[0m word")
    echo("and \x07", err=True, nl=False)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out
    assert "red" in shown.out
    assert "\x07" not in shown.err


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_to_a_stream_that_is_closed_nothing_is_printed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`recipeline history >&-`: Python has no such stream then."""
    monkeypatch.setattr(sys, name, None)
    echo("word", err=name == "stderr")


PRINT = """
import sys
from recipeline.errors import UnavailableError
from recipeline.cli.output.stdout import print_json
from recipeline.cli.output.results import CommandResult
from recipeline.cli.output.terminal import echo
from recipeline.cli.process import run_process

def work():
    if {as_json} != 3: echo("progress", err=True)
    if {as_json} == 2: raise UnavailableError("It is away.")
    if {as_json} == 3: raise ValueError("a bug")
    if {as_json}: print_json(CommandResult("x", "", "ok", 0))
    else: echo("result\\n" * 20_000)
    return 0

run_process("x", ["--json"] * ({as_json} > 0), work)
"""


@pytest.mark.parametrize(
    ("as_json", "ends", "code", "said"),
    [
        (False, ">/dev/full", 6, "x: The result cannot be written to stdout: No space left on device. Free space"),
        (False, "2>/dev/full >/dev/null", 0, ""),
        (True, ">&-", 0, "progress"),
        (True, "| true; exit ${PIPESTATUS[0]}", 141, "progress"),
        (2, ">/dev/full", 6, "progress\nx: It is away.\n"),
    ],
)
def test_a_stream_that_cannot_be_written_costs_no_traceback(as_json: int, ends: str, code: int, said: str) -> None:
    script = shlex.join([sys.executable, "-c", PRINT.format(as_json=as_json).replace("import sys", "import sys, time", 1)])
    if "true" in ends:  # whose reader is gone before the first line
        script = script.replace("def work():", "def work():\n    time.sleep(0.3)")
    done = subprocess.run(["bash", "-c", f"{script} {ends}"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_bug_whose_traceback_stderr_does_not_take_is_told_on_stdout() -> None:
    script = shlex.join([sys.executable, "-c", PRINT.format(as_json=3)])
    done = subprocess.run(["bash", "-c", f"{script} 2>/dev/full"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, json.loads(done.stdout)["error"]) == (1, "ValueError: a bug")


def test_commands_print_by_one_function() -> None:
    """A raw `print` or `click.echo` would pass on what a terminal acts upon."""
    sources = [*(ROOT / "recipeline").rglob("*.py"), *(ROOT / "steps").rglob("*.py")]
    allowed = {
        "recipeline/cli/output/terminal.py",
        "recipeline/cli/main.py",
        "recipeline/cli/output/progress.py",
        "recipeline/errors.py",
        "steps/__init__.py",
    }
    raw = re.compile(r"(?<![\w.])print\(|click\.s?echo\(|sys\.std(out|err)\.write\(")
    found = {str(path.relative_to(ROOT)) for path in sources if raw.search(path.read_text(encoding="utf-8"))}
    assert found <= allowed


@given(st.lists(st.text("ab cé", max_size=200), max_size=5).map("\n".join), st.integers(20, 120))
def test_a_line_is_no_wider_than_the_terminal_unless_a_word_of_it_is_and_no_word_is_lost(text: str, width: int) -> None:
    shown = fit(text, width)
    assert shown.split() == text.split()
    for line in shown.split("\n"):
        words = line.split()
        assert len(line) <= width or len(words) == 1 or line in text.split("\n"), line


def test_what_goes_on_below_is_indented_and_a_table_is_left_alone() -> None:
    assert fit("  a warning that is long", 14) == "  a warning\n    that is\n    long"
    table = tabulate(["a", "b"], [("x" * 30, "y")])
    assert fit(table, 20) == table


@given(st.lists(st.tuples(st.text(max_size=90), st.text(max_size=200), st.text(max_size=9)), min_size=1, max_size=4))
def test_a_table_is_no_wider_than_80_columns(rows: list[tuple[str, str, str]]) -> None:
    assert max(map(wcswidth, tabulate(["first", "second", "third"], rows).splitlines())) <= 80
