"""Takes pictures of the pages that people see of a project: MLflow's own, and the cards of its steps.

Usage: python -m tests.screens FOLDER

Three chains are run on the recipe in a store that is thrown away: the first is promoted, so is a better one, and one is kept.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import BrowserContext, Page
from playwright.sync_api import TimeoutError as Late

from recipeline.artifacts import CARD
from recipeline.config.recipe import load_recipe
from recipeline.data.schema import validate_table
from recipeline.data.sources import read_source
from tests.browser import start_chromium
from tests.conftest import ROOT, Project

#: The candidates of each chain.
CHAINS = ("LinearRegression", "LinearRegression,DecisionTree,ExtraTrees", "ElasticNet,DecisionTree")
#: MLflow's pages for language models are others.
KIND = "workflowType=machine_learning"
SIZE = {"width": 1920, "height": 1400}


def main() -> None:
    """Run the chains and write a PNG of each page into the folder."""
    if len(sys.argv) != 2:
        raise SystemExit("Usage: scripts/screens FOLDER")
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name))
        for model in CHAINS:
            project.ok("main", model=model)
        with mlflow_ui(project) as address, start_chromium() as browser:
            context = browser.new_context(viewport=SIZE)
            for picture, url in {**pages_of(project, address), **cards_of(project)}.items():
                print(take(context, url, target / f"{picture}.png"), flush=True)


def make_project(folder: Path) -> Project:
    """Return a project of this checkout's recipe; its rows are WINE_DATA's, or the built-in sample."""
    recipe = load_recipe(ROOT / "recipe.yaml", {})
    source = read_source(os.environ.get("WINE_DATA", "") or "synthetic", recipe, folder=ROOT, cache=folder)
    project = Project(folder, validate_table(source.open(recipe), recipe, origin=source.origin))
    project.draws = True
    shutil.copy(ROOT / "recipe.yaml", project.recipe_path)
    return project


@contextmanager
def mlflow_ui(project: Project) -> Iterator[str]:
    """Run MLflow's server on the project's store for the block; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    words = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        project.uri,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    with (project.folder / "ui.log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as server:
        try:
            for _ in range(240):
                with suppress(OSError), urllib.request.urlopen(f"{address}/health") as answer:
                    if answer.status == 200:
                        break
                time.sleep(0.25)
            yield address
        finally:
            server.terminate()


def pages_of(project: Project, address: str) -> dict[str, str]:
    """Return MLflow's pages by the name of their picture."""
    newest = project.runs("main")[0]
    experiment = f"{address}/#/experiments/{newest.info.experiment_id}"
    table = f"{experiment}/runs?{KIND}"
    runs = {step: project.runs(step)[0] for step in ("main", "train", "evaluate", "promote")}
    runs["candidate"] = next(run for run in project.runs() if "model_type" in run.data.tags)
    name = load_recipe(project.recipe_path, {}).model_name
    numbers = [version.version for version in project.client.search_model_versions(f"name = '{name}'")]
    chains = "searchFilter=tags.%60recipeline.step%60%20%3D%20%27main%27"
    return {
        "experiments": f"{address}/#/experiments?{KIND}",
        "runs": table,
        "chains": f"{table}&{chains}",
        "chart": f"{table}&{chains}&compareRunsMode=CHART",
        **{f"run-of-{kind}": f"{experiment}/runs/{run.info.run_id}?{KIND}" for kind, run in runs.items()},
        "logged-models": f"{experiment}/models?{KIND}",
        "models": f"{address}/#/models?{KIND}",
        "model": f"{address}/#/models/{name}?{KIND}",
        "ledger": f"{address}/#/models/{name}.ledger?{KIND}",
        **{f"version-{number}": f"{address}/#/models/{name}/versions/{number}?{KIND}" for number in numbers},
    }


def cards_of(project: Project) -> dict[str, str]:
    """Return the cards of the first chain and its steps by the name of their picture."""
    steps = ("main", "ingest", "split", "train", "evaluate", "register", "promote")
    runs = {step: project.runs(step)[0] for step in steps}
    return {f"card-{step}": f"{run.info.artifact_uri}/{CARD.name}" for step, run in runs.items()}


def take(context: BrowserContext, url: str, path: Path) -> Path:
    """Open a page, wait until nothing is loaded any more, and write the picture of all of it."""
    page: Page = context.new_page()
    try:
        page.goto(url if "://" in url else Path(url).as_uri())
        with suppress(Late):  # MLflow's pages ask again and again
            page.wait_for_load_state("networkidle", timeout=4_000)
        for words in ("Close", "Close assistant"):  # what MLflow puts before a page the first time
            for button in page.get_by_role("button", name=words, exact=True).all():
                button.click()
        page.wait_for_timeout(1_000)
        page.screenshot(path=path, full_page=True)
    finally:
        page.close()
    return path


if __name__ == "__main__":
    main()
