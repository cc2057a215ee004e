"""The examples of the how-to pages run as they are typed, and print what is shown.

A block of YAML that begins with the comment `# NAME.yaml` is that file; with `# NAME.yaml, changed` it changes keys of that
file.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.scenarios.test_readme import copy_project, environment, lend_environment, warm_python
from tests.scenarios.test_tutorial import joined, missing
from tests.snippets import Block, blocks_of, outputs

#: Pages whose example is a project of its own; the rest is code, whose output tests/website/test_snippets.py compares.
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"))

#: Pages for several machines or stores, whose commands have scenarios of their own.
OF_MANY = ("batch", "dev-to-prod", "large-tables")
PAGES = [path for path in HOW_TO if not path.name.startswith("own-") and path.stem not in OF_MANY]
_FILE = re.compile(r"# ([\w-]+\.yaml)(, changed)?\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project with a warm python, which all pages share.

    Each page has files and a model of its own.
    """
    copy = copy_project(tmp_path_factory.mktemp("how-to"))
    with (copy / "profiles/local.yaml").open("a", encoding="utf-8") as profile:
        profile.write("engine: {n_jobs: 1}\n")
    lend_environment(copy)
    with warm_python(copy):
        yield copy


def save(block: Block, folder: Path) -> None:
    """Write the file that a block of YAML names, or change its keys."""
    named = _FILE.match(block.text)
    assert named, f"{block.place} names no file"
    path = folder / named[1]
    assert path.is_file() == bool(named[2]), block.place
    if named[2]:
        content = joined(yaml.safe_load(path.read_text(encoding="utf-8")), yaml.safe_load(block.text))
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    else:
        path.write_text(block.text, encoding="utf-8")


def type_in(block: Block, folder: Path) -> str:
    """Run a block of commands; return what a terminal shows."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{block.place}\n{done.stdout}"
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.xdist_group("how-to")
def test_the_example_of_a_page_runs_as_typed_and_prints_what_it_shows(page: Path, folder: Path) -> None:
    output = ""
    for block in blocks_of(page):
        if block.language == "text":
            assert missing(block.text, output) == [], block.place
        elif block.language == "yaml":
            save(block, folder)
        elif block.language == "sh":
            output = type_in(block, folder)


def test_every_page_is_one_example_with_outputs_or_code_that_others_compare() -> None:
    shown = {block.path for block, _ in outputs()}
    for page in (path for path in HOW_TO if path.stem not in OF_MANY):
        blocks = blocks_of(page)
        if page not in PAGES:
            assert page in shown
            continue
        assert {block.language for block in blocks} - {"ini"} == {"sh", "yaml", "text"}
        files = [named for block in blocks if block.language == "yaml" and (named := _FILE.match(block.text))]
        assert len(files) == sum(block.language == "yaml" for block in blocks)
        assert not files[0][2]
        pairs = [*itertools.pairwise(block.language for block in blocks)]
        assert pairs.count(("sh", "text")) == sum(block.language == "text" for block in blocks) > 0
