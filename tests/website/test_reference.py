"""Pages of the reference are the code's."""

from __future__ import annotations

import re

from recipeline import artifacts, errors
from recipeline.artifacts import Artifact
from recipeline.cli.main import COMMANDS
from recipeline.commands.monitor import DRIFTED
from recipeline.metrics.catalogue import METRICS
from tests.conftest import ROOT, find_command
from website.reference import artifacts_page, commands_page, generate, metrics_page, targets


def test_every_command_and_each_of_its_options_is_on_the_page() -> None:
    page = commands_page()
    for name in COMMANDS:
        section = page.partition(f"### `recipeline {name}`")[2].partition("\n### ")[0]
        options = [it for parameter in find_command(name.replace("-", "_")).params for it in parameter.opts if it[0] == "-"]
        assert options
        assert [it for it in options if f"`{it}`" not in section] == []
    assert "| `make drift` |" not in page
    assert "| `make monitor` | drift of live rows against training rows; data= labels= window= fail_on= on_drift= |" in page


def test_every_artifact_has_a_row_and_every_record_its_keys() -> None:
    page = artifacts_page()
    known = [it for it in vars(artifacts).values() if isinstance(it, Artifact)]
    assert [it.name for it in known if f"| `{it.name}` |" not in page] == []
    rows = dict(re.findall(r"^\| `([\w.]+)` \| .* \| ([^|]*) \|$", page.partition("\n## ")[0], re.MULTILINE))
    assert [it.name for it in known if not rows[it.name].strip()] == []  # a `#:` comment above it is its content
    assert [it.name for it in known if it.type and f"\n## {it.name}\n" not in page] == []


def test_every_metric_has_a_row() -> None:
    page = metrics_page()
    assert [it.name for metrics in METRICS.values() for it in metrics if f"| `{it.name}` |" not in page] == []
    assert "| `rmse` | RMSE | smaller | always |" in page


def test_the_exit_codes_of_the_documents_are_those_of_the_code() -> None:
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8").partition("| code | meaning |")[2]
    rows = dict(re.findall(r"^\| ([\d, ]+) \| (.*) \|$", text, re.MULTILINE))
    kinds = (errors.UsageError, errors.DataError, errors.UnavailableError)
    words = dict(re.findall(r"(\w+Error) +\d +(.*)", str(errors.__doc__)))
    assert {str(it.exit_code) for it in kinds} | {str(errors.EXIT_REJECTED), str(DRIFTED), str(errors.EXIT_BROKEN)} == {
        it for it in rows if it not in ("0", "1", "130, 141, 143")
    }
    for kind in kinds:
        assert words[kind.__name__] in rows[str(kind.exit_code)]


def test_the_targets_of_make_are_those_of_its_help() -> None:
    found = targets(ROOT / "Makefile")
    assert found["help"] == "this list"
    assert {"setup", "pipeline", "who-served", "clean"} <= found.keys()


def test_pages_have_one_place_each_in_the_reference() -> None:
    assert all(name.startswith("reference/") for name in generate())
