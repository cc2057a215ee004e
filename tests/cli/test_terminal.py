from __future__ import annotations

import re

import pytest

from recipeline.cli.terminal import echo
from tests.conftest import ROOT


def test_what_a_terminal_acts_upon_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    echo("a \x1b[31mred\x1b[0m word")
    echo("and \x07", err=True, nl=False)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out
    assert "red" in shown.out
    assert "\x07" not in shown.err


def test_commands_print_by_one_function() -> None:
    """A raw `print` or `click.echo` would pass on what a terminal acts upon."""
    sources = [*(ROOT / "recipeline").rglob("*.py"), *(ROOT / "steps").rglob("*.py")]
    allowed = {"recipeline/cli/terminal.py", "recipeline/cli/main.py", "recipeline/cli/progress.py", "recipeline/errors.py"}
    raw = re.compile(r"(?<![\w.])print\(|click\.s?echo\(|sys\.std(out|err)\.write\(")
    found = {str(path.relative_to(ROOT)) for path in sources if raw.search(path.read_text(encoding="utf-8"))}
    assert found <= allowed
