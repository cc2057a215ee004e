"""Pages written for a forge become the source of a site."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from website.staging import BrokenLink, Stage, make_index, map_prose, place_of, stage, title_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a few pages."""
    folder = tmp_path / "repository"
    for name, text in {
        "README.md": "# The project\n\nSee [the guide](docs/guide.md#steps) and [a file](deploy/cron).\n",
        "ARCHITECTURE.md": "# Architecture\n",
        "CONTRIBUTING.md": "# Contributing\n",
        "CHANGELOG.md": "# Changes\n",
        "deploy/cron": "0 6 * * * monitor\n",
        "docs/index.md": "# Site\n\n## How-to guides\n\n- [Guide](guide.md)\n\n## Reference\n\n"
        "## Project\n\n- [About](../README.md)\n",
        "docs/guide.md": "# Guide\n\n## Steps\n\n[`back`](../README.md), [reasons](decisions/), [away](https://mlflow.org)\n",
        "docs/server.md": "# A server\n",
        "docs/decisions/0001-first.md": "# 1. First\n\n[guide](../guide.md)\n",
        "docs/schemas/metrics.schema.json": "{}",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_links_lead_to_pages_and_copies_of_files(root: Path, tmp_path: Path) -> None:
    made = stage(tmp_path / "source", {"reference/keys.md": "# Keys\n"}, root)
    text = (made.folder / "overview.md").read_text(encoding="utf-8")
    assert "[the guide](guide.md#steps) and [a file](files/deploy/cron)" in text
    assert (made.folder / "files/deploy/cron").read_text(encoding="utf-8") == "0 6 * * * monitor\n"
    assert "[`back`](overview.md), [reasons](decisions/index.md)" in (made.folder / "guide.md").read_text(encoding="utf-8")
    assert "[guide](../guide.md)" in (made.folder / "decisions/0001-first.md").read_text(encoding="utf-8")
    assert made.external == {"https://mlflow.org": ["docs/guide.md"]}


def test_a_page_that_no_list_names_is_listed_and_so_are_those_of_the_code(root: Path, tmp_path: Path) -> None:
    made = stage(tmp_path / "source", {"reference/keys.md": "# Keys\n"}, root)
    index = (made.folder / "index.md").read_text(encoding="utf-8")
    assert "- [A server](server.md)" in index.partition("## Reference")[0]
    assert "- [Keys](reference/keys.md)" in index.partition("## Reference")[2].partition("## Project")[0]
    assert ":caption: How-to guides\n\nGuide <guide>\nA server <server>\n" in index
    assert "\nAbout <overview>\nArchitecture <architecture>\n" in index
    assert "1. First" in (made.folder / "decisions/index.md").read_text(encoding="utf-8")


def test_a_link_to_nothing_is_an_error(root: Path, tmp_path: Path) -> None:
    (root / "docs/guide.md").write_text("# Guide\n\n[gone](gone.md)\n", encoding="utf-8")
    with pytest.raises(BrokenLink, match=r"docs/guide\.md links to gone\.md"):
        stage(tmp_path / "source", {}, root)


def test_a_link_to_a_folder_leads_to_a_list_of_what_git_tracks(root: Path, tmp_path: Path) -> None:
    (root / "docs/guide.md").write_text("# Guide\n\n[files](../deploy)\n", encoding="utf-8")
    (root / "deploy/secret.tfvars").write_text("password", encoding="utf-8")
    with pytest.raises(BrokenLink, match="The folder deploy has no files"):
        stage(tmp_path / "before", {}, root)
    for words in (["init", "-q"], ["add", "deploy/cron"]):
        subprocess.run(["git", *words], cwd=root, check=True)
    folder = stage(tmp_path / "source", {}, root).folder
    assert "[files](files/deploy/index.md)" in (folder / "guide.md").read_text(encoding="utf-8")
    assert (folder / "files/deploy/index.md").read_text(encoding="utf-8").endswith("# deploy\n\n- [cron](cron)\n")
    assert {path.name for path in (folder / "files/deploy").iterdir()} == {"cron", "index.md"}


def test_what_a_build_before_had_is_gone_and_what_is_the_same_is_left_alone(root: Path, tmp_path: Path) -> None:
    folder = stage(tmp_path / "source", {"reference/old.md": "# Old\n"}, root).folder
    before = (folder / "guide.md").stat().st_mtime_ns
    stage(folder, {"reference/new.md": "# New\n"}, root)
    assert {path.name for path in (folder / "reference").iterdir()} == {"new.md"}
    assert (folder / "guide.md").stat().st_mtime_ns == before


def test_code_is_left_as_it_is() -> None:
    text = "[a](b.md) and `[c](d.md)`\n```sh\n[e](f.md)\n```\n[g](h.md)\n"
    changed = map_prose(text, lambda prose: prose.replace("](", "](x/"))
    assert changed == "[a](x/b.md) and `[c](d.md)`\n```sh\n[e](f.md)\n```\n[g](x/h.md)\n"


def test_a_page_in_two_lists_is_in_the_navigation_once() -> None:
    text = "# Site\n\n## One\n\n- [First](a.md)\n\n## Two\n\n- [Again](a.md)\n- [Second](b.md)\n"
    index = make_index(text, {"a.md": "A", "b.md": "B"}, {})
    assert index.count("<a>") == 1
    assert "\n\nSecond <b>\n" in index


def test_the_place_and_the_title_of_a_page(tmp_path: Path) -> None:
    assert place_of("README.md") == "overview.md"
    assert place_of("docs/explanation/gate.md") == "explanation/gate.md"
    assert place_of("deploy/cron") is None
    assert title_of("text\n# The title\n## Not\n") == "The title"
    made = Stage(tmp_path)
    made.write("a.md", "text")
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "text"
