"""The docs site is built without a warning, is whole, and loads nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.browser import needs_chromium, start_chromium
from tests.conftest import ROOT
from website.staging import pages, place_of

pytestmark = pytest.mark.xdist_group("site")

#: Elements that load something, and the attribute that says what.
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Loaded(HTMLParser):
    """The addresses that a page loads, and its other links."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if address := values.get(LOADS.get(tag, "")):
            self.loads.append(address)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))


def read(path: Path) -> Loaded:
    loaded = Loaded()
    loaded.feed(path.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "website.build", "--output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Open {folder}/html/index.html\n"
    return folder / "html"


def test_every_page_is_there_and_can_be_reached_from_the_first(site: Path) -> None:
    todo, seen = [site / "index.html"], set[Path]()
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in read(page).links:
            target = link.partition("#")[0]
            if target and not re.match(r"[a-z]+:", target):
                there = (page.parent / target).resolve()
                assert there.is_file(), f"{page.name} links to {link}"
                todo += [there] if there.suffix == ".html" else []
    expected = {site / str(place_of(name)).replace(".md", ".html") for name in pages()}
    expected |= {
        site / f"reference/{name}.html" for name in ("api", "artifacts", "commands", "metrics", "profile-keys", "recipe-keys")
    }
    assert expected - seen == set()


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        for address in read(page).loads:
            assert not re.match(r"(https?:)?//", address), f"{page.name} loads {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""@import|url\(\s*["']?(https?:)?//""", sheet.read_text(encoding="utf-8")), sheet.name


def test_the_reference_has_what_the_code_has(site: Path) -> None:
    texts = {
        path.stem: re.sub(r"<[^>]+>", "", path.read_text(encoding="utf-8")) for path in (site / "reference").glob("*.html")
    }
    for name, words in {
        "recipe-keys": ("guard_rails", "loguniform", "brier"),
        "profile-keys": ("drain_seconds", "artifact_location"),
        "commands": ("--on-drift", "recipeline who-served", "python -m steps.train", "make retrain"),
        "artifacts": ("leaderboard.csv", "golden.parquet", "column_profile.schema.json"),
        "metrics": ("pinball_0.1", "balanced_accuracy"),
        "api": ("class recipeline.Project", "retrain", "UnavailableError", "Parameters"),
    }.items():
        assert [word for word in words if word.lower() not in texts[name].lower()] == [], name


@needs_chromium
def test_no_page_is_wider_than_the_screen_and_none_complains_offline(site: Path) -> None:
    complaints: list[str] = []
    with start_chromium() as browser:
        page = browser.new_context(offline=True).new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        for name in ("index", "overview", "tutorial", "reference/recipe-keys", "reference/api", "explanation/gate"):
            page.goto(f"file://{site}/{name}.html")
            for width in (390, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert complaints == []
