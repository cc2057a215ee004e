"""Take and try pictures of a project's pages.

MLflow's own, cards, notebook, playground and docs.

Usage: python -m tests.screens FOLDER

Three chains are run on the recipe in a store that is thrown away: the first is promoted, so is a better one, and one is kept.
The best model is inspected, and rows that drifted are monitored. Chains of irises and of loans have the cards of several and of
two classes. A page on which something is cut off at any width, or whose links lead nowhere, is a fault; faults end it with exit
code 1.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from playwright.sync_api import Browser, BrowserContext, Frame, Page, expect
from playwright.sync_api import TimeoutError as Late
from sklearn.datasets import load_iris

from recipeline.artifacts import CARD, ORDER
from recipeline.config.recipe import load_recipe
from recipeline.data.checking.schema import validate_table
from recipeline.data.origin.sources import read_source
from tests.browser import start_chromium
from tests.conftest import ROOT, Project, forget_mlflow
from tests.layout import find_faults

#: The candidates of each chain.
CHAINS = ("LinearRegression", "LinearRegression,DecisionTree,ExtraTrees", "ElasticNet,DecisionTree")
#: MLflow's pages for language models are others.
KIND = "workflowType=machine_learning"
SIZE = {"width": 1920, "height": 1400}
STEPS = ("main", *ORDER)
#: Widths of a phone, a tablet and a laptop.
VIEWS: dict[int, Literal["light", "dark"]] = {390: "light", 800: "dark", 1280: "light"}
#: What MLflow's menu and its list of artifacts take; a card has the rest, on a phone nothing.
BESIDE = 496
#: Where the docs site is when it was built.
DOCS = ROOT / "build/docs/html"
#: Its folders and pages that are not looked at: each looks as the next one does.
ALIKE = {"_modules", "api", "decisions", "genindex", "py-modindex", "schemas", "search"}


def main() -> None:
    """Run the chains, write a PNG of each page, and list faults of pages."""
    if len(sys.argv) != 2:
        raise SystemExit("Usage: scripts/screens FOLDER")
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        faults = take_all(Path(name), target)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


def take_all(folder: Path, target: Path) -> list[str]:
    """Write all pictures into `target` by a store in `folder`; return the faults."""
    project = make_project(folder)
    for model in CHAINS:
        project.ok("main", model=model)
    live = drifted_rows(project)
    project.ok("report", nested="on")
    project.ok("monitor", data=str(live), window="400", fail_on="never")
    newest = {step: project.runs(step)[0] for step in STEPS}
    faults = []
    with start_chromium() as browser:
        files = {step: card_file(run) for step, run in newest.items()}
        others = {step: card_file(project.runs(step)[0]) for step in ("report", "monitor")}
        others |= {f"{name}-{step}": path for name in CLASSES for step, path in cards_of_classes(folder / name, name).items()}
        faults += look_at(browser, {f"card-{step}": path.as_uri() for step, path in {**files, **others}.items()}, target)
        faults += walk_on_disk(browser, files["main"])
        notebook = folder / "notebook.html"
        notebook.write_text(notebook_page(files["main"]), encoding="utf-8")
        faults += look_at(browser, {"notebook": notebook.as_uri(), **pages_of_docs()}, target)
        with mlflow_ui(project) as address:
            context = browser.new_context(viewport=SIZE)
            for picture, url in pages_of(project, address).items():
                take(context, url, target / f"{picture}.png")
            experiment = newest["main"].info.experiment_id
            urls = {
                step: f"{address}/#/experiments/{experiment}/runs/{run.info.run_id}/artifacts/{CARD.name}?{KIND}"
                for step, run in newest.items()
            }
            faults += look_inside(browser, urls, target)
            faults += walk_in_mlflow(browser, address, urls, {step: run.info.run_id for step, run in newest.items()})
        with playground(project) as address:
            faults += look_at(browser, {"playground": f"{address}/playground"}, target)
    forget_mlflow()
    return faults


def look_at(browser: Browser, urls: dict[str, str], target: Path) -> list[str]:
    """Take a picture of each page in each view; return what is cut off there."""
    faults = []
    for picture, url in urls.items():
        for width, scheme in VIEWS.items():
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(url)
            with suppress(Late):
                page.wait_for_load_state("networkidle", timeout=4_000)
            faults += [f"{picture} at {width}: {fault}" for fault in find_faults(page)]
            page.screenshot(path=target / f"{picture}-{width}.png", full_page=True)
            page.close()
    return faults


def look_inside(browser: Browser, urls: dict[str, str], target: Path) -> list[str]:
    """Photograph each card in MLflow's artifact view; return what is cut off.

    In each view.
    """
    faults = []
    for step, url in urls.items():
        for width, scheme in VIEWS.items():
            page = browser.new_page(viewport={"width": width + BESIDE, "height": 900}, color_scheme=scheme)
            frame = open_in_mlflow(page, url)
            faults += [f"card-{step} in MLflow at {width}: {fault}" for fault in find_faults(frame)]
            page.screenshot(path=target / f"mlflow-card-{step}-{width}.png")
            page.close()
    return faults


def walk_on_disk(browser: Browser, card: Path) -> list[str]:
    """Click from the chain's card to each step's and back; return bad links."""
    page = browser.new_page()
    faults = []
    for step in ORDER:
        page.goto(card.as_uri())
        page.locator("nav a", has_text=re.compile(f"^{step}$")).click()
        if not heading(page).startswith(step):
            faults.append(f"from main to {step}, from the disk: {heading(page)}")
        # A reused step leads to the chain that it was made in.
        page.locator("nav a", has_text=re.compile(r"^main$")).click()
        if "from the rows to Production" not in heading(page):
            faults.append(f"from {step} back to main, from the disk: {heading(page)}")
    page.close()
    return faults


def walk_in_mlflow(browser: Browser, address: str, urls: dict[str, str], runs: dict[str, str]) -> list[str]:
    """Click from card to card inside MLflow; return the links that lead elsewhere."""
    faults = []
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    frame = open_in_mlflow(page, urls["main"])
    expect(frame.locator("nav a[data-run]")).to_have_count(len(STEPS))
    for step in (*ORDER, "main"):
        frame.locator("nav a", has_text=re.compile(f"^{step}$")).click()
        wanted = "from the rows to Production" if step == "main" else step
        if wanted not in heading(frame):
            faults.append(f"from main to {step}, inside MLflow: {heading(frame)}")
    frame = open_in_mlflow(page, urls["promote"])
    frame.locator("nav a", has_text=re.compile(r"^main$")).click()
    field = frame.locator("#said input")
    if runs["main"] not in field.input_value():
        faults.append(f"from promote up to main: the address is {field.input_value()}")
    for step in ("main", "evaluate"):
        with context.expect_page() as opened:
            frame.locator("nav a", has_text=re.compile(f"^{step}$")).click(modifiers=["ControlOrMeta"])
        opened.value.wait_for_url(f"**/runs/{runs[step]}/artifacts/{CARD.name}*")
    with context.expect_page() as opened:
        frame.locator("nav a", has_text="version ").click(modifiers=["ControlOrMeta"])
    if not opened.value.url.startswith(f"{address}/#/models/"):
        faults.append(f"from promote to its version: {opened.value.url}")
    # The run's description is outside of the frame, and its links are followed by a plain click.
    page.goto(urls["promote"].split("/artifacts/")[0] + f"?{KIND}")
    with context.expect_page() as opened:
        page.locator(f"a[href*='{runs['main']}/artifacts']").click()
    opened.value.wait_for_url(f"**/runs/{runs['main']}/artifacts/{CARD.name}*")
    context.close()
    return faults


def heading(page: Page | Frame) -> str:
    """Return the title of the card that is shown."""
    return page.locator("h1").inner_text()


def open_in_mlflow(page: Page, url: str) -> Frame:
    """Open an artifact in MLflow's artifact view; return the frame that shows it."""
    page.goto(url)
    inside = page.locator("iframe.mlflow-html-iframe")
    inside.wait_for(timeout=30_000)
    dismiss(page)
    frame = inside.element_handle().content_frame()
    assert frame is not None
    frame.wait_for_load_state()
    frame.locator("h1").wait_for()
    return frame


def make_project(folder: Path) -> Project:
    """Return a project of this recipe, with WINE_DATA's rows or the sample."""
    recipe = load_recipe(ROOT / "recipe.yaml", {})
    source = read_source(os.environ.get("WINE_DATA", "") or "synthetic", recipe, folder=ROOT, cache=folder)
    project = Project(folder, validate_table(source.open(recipe), recipe, origin=source.origin))
    project.draws = True
    shutil.copy(ROOT / "recipe.yaml", project.recipe_path)
    return project


def drifted_rows(project: Project) -> Path:
    """Write a file of labelled rows that drifted, features and labels alike."""
    rows = pd.read_csv(project.data, sep=";").sample(1200, random_state=0)
    late = np.arange(len(rows)) > 300
    rows["alcohol"] += np.where(late, 1.0, 0.0)
    rows["quality"] = np.clip(rows["quality"] - late, 3, 8)
    path = project.folder / "live.csv"
    rows.to_csv(path, index=False)
    return path


def card_file(run: Any) -> Path:
    """Return the path of a run's card."""
    return Path(f"{run.info.artifact_uri}/{CARD.name}".removeprefix("file://"))


def draw_loans() -> pd.DataFrame:
    """Return 1,000 loans, of which one in five is not paid back."""
    rng = np.random.default_rng(0)
    income, debt = rng.gamma(4, 900, 1000).round(), rng.beta(2, 4, 1000).round(3)
    job = rng.choice(["salaried", "self-employed", "none"], 1000, p=[0.7, 0.2, 0.1])
    odds = -2 + 5 * debt - income / 3000 + 1.2 * (job == "none")
    loan = np.where(rng.random(1000) < 1 / (1 + np.exp(-odds)), "default", "repaid")
    return pd.DataFrame({"income": income, "debt": debt, "job": job, "loan": loan})


def draw_irises() -> pd.DataFrame:
    """Return the irises of Fisher, by name."""
    table = load_iris(as_frame=True)
    names = [name.replace(" (cm)", "") for name in table.data.columns]
    return table.data.set_axis(names, axis=1).assign(species=np.array(table.target_names)[table.target])


#: Tables of classes by the name of their pictures, and what a recipe says of each.
CLASSES: dict[str, tuple[Callable[[], pd.DataFrame], dict[str, Any]]] = {
    "irises": (draw_irises, {"task": "multiclass", "target": "species"}),
    "loans": (
        draw_loans,
        {
            "task": "binary",
            "target": {"column": "loan", "positive": "default"},
            "decision": {"cost": {"fp": 1, "fn": 5}},
        },
    ),
}


def cards_of_classes(folder: Path, name: str) -> dict[str, Path]:
    """Run a chain of a table of CLASSES; return the cards by step.

    Its model is inspected, and rows are monitored.
    """
    draw, content = CLASSES[name]
    rows = draw()
    folder.mkdir()
    project = Project(folder, rows)
    project.draws = True
    types = {it: {} if pd.api.types.is_numeric_dtype(rows[it]) else {"type": "category"} for it in rows.columns}
    candidates = {
        "Logistic": {
            "alias": "lr",
            "preprocess": ["sklearn.preprocessing.StandardScaler"],
            "estimator": "sklearn.linear_model.LogisticRegression",
        },
        "Forest": {"alias": "rf", "estimator": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 50}},
    }
    named = {"name": name, "data": {}, "experiment": name, "model_name": name, "columns": types, "candidates": candidates}
    project.recipe_path.write_text(yaml.safe_dump({**named, **content}, sort_keys=False), encoding="utf-8")
    project.ok("main")
    project.ok("report")
    live = folder / "live.csv"
    rows.sample(500, replace=True, random_state=0).sort_values(rows.columns[0]).tail(200).to_csv(live, index=False)
    project.ok("monitor", data=str(live), fail_on="never")
    return {step: card_file(project.runs(step)[0]) for step in (*STEPS, "report", "monitor")}


def notebook_page(card: Path) -> str:
    """Return the saved notebook as a page, with the chain's card in place."""
    import nbformat  # not above: it takes a second, and tests use other parts of this module

    from recipeline.project import RunResult

    result: Any = object.__new__(RunResult)
    vars(result).update(name="main", run_id="of the chain", card=card.read_text(encoding="utf-8"))
    parts = ["<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"]
    parts.append("<style>pre { white-space: pre-wrap } [data-scrolls] { overflow-x: auto }</style>")
    for cell in nbformat.read(ROOT / "examples/wines.ipynb", as_version=4).cells:
        parts.append(f"<pre>{html.escape(cell.source)}</pre>")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = html.escape(data.get("text/plain") or output.get("text", ""))
            parts.append(f"<div data-scrolls>{data.get('text/html') or f'<pre>{text}</pre>'}</div>")
        if "project.run(" in cell.source:
            parts.append(result._repr_html_())
    return "\n".join(parts)


def pages_of_docs() -> dict[str, str]:
    """Return the pages of the docs site by their picture, if it was built."""
    pages = [path.relative_to(DOCS) for path in sorted(DOCS.rglob("*.html"))]
    shown = [page for page in pages if not ALIKE.intersection(page.with_suffix("").parts)]
    return {f"docs-{'-'.join(page.with_suffix('').parts)}": (DOCS / page).as_uri() for page in shown}


@contextmanager
def playground(project: Project) -> Iterator[str]:
    """Serve the version in Production for the block; yield the address."""
    given = ["--recipe", str(project.recipe_path), "--profile", str(project.profile_path), "--port"]
    with listening(
        project, lambda port: [sys.executable, "-m", "recipeline", "serve", *given, str(port)], "/readyz"
    ) as address:
        yield address


@contextmanager
def mlflow_ui(project: Project) -> Iterator[str]:
    """Run MLflow's server on the project's store for the block; yield its address."""
    words = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", project.uri, "--workers", "1", "--port"]
    with listening(project, lambda port: [*words, str(port)], "/health") as address:
        yield address


@contextmanager
def listening(project: Project, words: Callable[[int], list[str]], health: str) -> Iterator[str]:
    """Run a server on a free port for the block, once it is well; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with (
        (project.folder / "server.log").open("wb") as log,
        subprocess.Popen(words(port), cwd=ROOT, stdout=log, stderr=log) as server,
    ):
        try:
            for _ in range(480):
                with suppress(OSError), urllib.request.urlopen(f"{address}{health}") as answer:
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


def take(context: BrowserContext, url: str, path: Path) -> None:
    """Open a page of MLflow, wait until it is loaded, and take a picture."""
    page = context.new_page()
    try:
        page.goto(url)
        with suppress(Late):  # MLflow's pages ask again and again
            page.wait_for_load_state("networkidle", timeout=4_000)
        dismiss(page)
        page.wait_for_timeout(1_000)
        page.screenshot(path=path, full_page=True)
    finally:
        page.close()


def dismiss(page: Page) -> None:
    """Close what MLflow puts before a page the first time."""
    for words in ("Close", "Close assistant"):
        for button in page.get_by_role("button", name=words, exact=True).all():
            button.click()


if __name__ == "__main__":
    main()
