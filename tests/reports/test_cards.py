"""The cards of real chains: what they say, and how a real browser shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Frame, Page, Request, expect

from recipeline.artifacts import ORDER
from recipeline.registry.ledger import Ledger
from recipeline.reports.blocks import Card, Section, Table
from recipeline.reports.page import render
from tests.browser import needs_chromium, serving, start_chromium
from tests.conftest import NAME, Project, is_short
from tests.layout import find_faults
from tests.reports.helpers import STEPS, Chains, card_of, text_of

pytestmark = pytest.mark.xdist_group("cards")
WIDTHS = (1280, 800, 390)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark", "dark")
#: Of each chain, the steps that have a card of their own; a reused step has the one of the chain that ran it.
DRAWN = {
    "promoted": STEPS,
    "kept": ("train", "evaluate", "register", "promote", "main"),
    "rejected": ("evaluate", "register", "main"),
    "synthetic": STEPS,
    "failed": ("ingest", "main"),
    "report": ("report",),
    "compare": ("compare",),
    "monitor": ("monitor",),
}
ALL = [(chain, step) for chain, steps in DRAWN.items() for step in steps]
#: Cards of these look like those of the chain that is promoted: `make test-full` opens them, too.
ALIKE = {("rejected", "evaluate"), *(("kept", step) for step in ("train", "evaluate", "register", "promote"))} | {
    ("synthetic", step) for step in ("split", "train", "evaluate", "register", "promote")
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as opened:
        yield opened


class Opened:
    """A card in the browser, and what it did that it must not do."""

    def __init__(self, browser: Browser, path: Path, *, width: int = 1280, scheme: Any = "light") -> None:
        self.complaints: list[str] = []
        self.address = path.as_uri()
        self.page: Page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._watch)
        self.page.goto(self.address)

    def _listen(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"{message.type}: {message.text}")

    def _watch(self, request: Request) -> None:
        if request.url != self.address:
            self.complaints.append(f"asked {request.url}")

    def values(self, script: str) -> Any:
        """Return what a function of the page returns."""
        return self.page.evaluate(script)

    def table(self, heading: str) -> list[dict[str, Any]]:
        """Return the rows of the first table below a heading; numbers as they were logged."""
        rows: list[dict[str, Any]] = self.values(_TABLE % json.dumps(heading))
        return rows

    def facts(self) -> dict[str, Any]:
        """Return all facts by name; numbers as they were logged."""
        found: dict[str, Any] = self.values(
            """() => Object.fromEntries([...document.querySelectorAll("dl div")].map(it => {
                const value = it.querySelector("dd");
                return [it.querySelector("dt").textContent,
                    value.dataset.value === undefined ? value.textContent : Number(value.dataset.value)];
            }))"""
        )
        return found

    def close(self) -> None:
        """Close the page; it must not have complained of anything, or asked for anything."""
        self.page.close()
        assert self.complaints == []


_TABLE = """() => {
    const section = [...document.querySelectorAll("section")].find(it => it.querySelector("h2").textContent === %s);
    const table = section.querySelector("table");
    const names = [...table.querySelectorAll("th")].map(it => it.textContent);
    const value = it => it.dataset.value === undefined ? it.textContent : Number(it.dataset.value);
    return [...table.querySelectorAll("tbody tr")].map(
        row => Object.fromEntries([...row.cells].map((cell, place) => [names[place], value(cell)])));
}"""
_NUMBERS = """() => [...document.querySelectorAll("[data-value]")]
    .map(it => [it.textContent.trim(), Number(it.dataset.value)])"""
_EMPTY = """() => [...document.querySelectorAll("section, figure, table, dl, ul, ol, figcaption, th, td, dt, dd, li")]
    .filter(it => !it.textContent.trim() && it.tagName !== "TD" && it.tagName !== "TH").map(it => it.outerHTML)
    .concat([...document.querySelectorAll("section")].filter(it => it.children.length < 2).map(it => it.outerHTML))
    .concat([...document.querySelectorAll("table")].filter(it => !it.tBodies[0].rows.length).map(it => it.outerHTML))
    .concat([...document.querySelectorAll("figure")].filter(it => {
        const box = it.querySelector("svg")?.getBoundingClientRect();
        return !box || box.width < 100 || box.height < 30;
    }).map(it => it.outerHTML.slice(0, 200)))"""


def metrics_of(chains: Chains, chain: str) -> Any:
    return json.loads((chains.cards[chain, "evaluate"].parent / "metrics.json").read_text(encoding="utf-8"))


def test_every_step_that_ran_has_a_card_and_only_those(chains: Chains) -> None:
    assert set(chains.cards) == set(ALL)
    assert all(path.is_file() for path in chains.cards.values())


def test_the_chains_came_to_what_their_names_say(chains: Chains) -> None:
    assert {name: outcome.exit_code for name, outcome in chains.outcomes.items()} == {
        "promoted": 0,
        "kept": 0,
        "rejected": 4,
        "synthetic": 0,
        "failed": 3,
        "report": 0,
        "compare": 0,
        "monitor": 5,
    }


@needs_chromium
@pytest.mark.parametrize(
    ("chain", "step"),
    [pytest.param(*one, marks=[pytest.mark.full] if one in ALIKE else []) for one in ALL],
    ids=lambda value: value,
)
def test_a_card_is_whole_readable_true_and_keeps_to_itself_at_every_width(
    browser: Browser, chains: Chains, chain: str, step: str, pytestconfig: pytest.Config
) -> None:
    card = Opened(browser, chains.cards[chain, step])
    assert card.values("() => document.title") != "broken"
    card.values("() => document.querySelectorAll('details').forEach(it => it.open = true)")
    for width, scheme in zip(WIDTHS, SCHEMES, strict=True):
        card.page.set_viewport_size({"width": width, "height": 800})
        card.page.emulate_media(color_scheme=scheme)
        assert card.values(_EMPTY) == []
        card.values("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert find_faults(card.page) == []
    for text, value in card.values(_NUMBERS):
        assert float(text.replace(",", "")) == pytest.approx(value, rel=1e-3, abs=5.1e-5)
    # What is in a plot is hidden from readers and has the page's colours; axe would walk through its thousands of strokes.
    card.values("() => document.querySelectorAll('svg').forEach(it => it.replaceChildren())")
    views = ((WIDTHS[0], SCHEMES[0]), (WIDTHS[-1], SCHEMES[-1]))
    # Cards take turns in the colours: axe takes half of this test's time. `make test-full` looks at each card in both.
    turn = ALL.index((chain, step)) % 2
    for width, scheme in views[turn : turn + 1] if is_short(pytestconfig) else views:
        card.page.set_viewport_size({"width": width, "height": 800})
        card.page.emulate_media(color_scheme=scheme)
        found = Axe().run(card.page, context={"exclude": ["svg"]}, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()
    card.close()


@needs_chromium
def test_long_names_stay_in_their_cells_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        [name, *[0.1234] * 6] for name in ("HistGradientBoosting", "PCA_LinearRegression", "x" * 40, "SVR")
    ]
    card = Card("Title", "Verdict.", [Section("Section", [Table(["candidate", *"abcdef"], rows)])])
    (tmp_path / "card.html").write_text(render(card).html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((tmp_path / "card.html").as_uri())
    assert find_faults(page) == []
    page.close()


@needs_chromium
def test_the_figures_of_a_chain_are_the_logged_metrics_on_every_card(browser: Browser, chains: Chains) -> None:
    project, metrics = chains.project, metrics_of(chains, "promoted")
    names = list(metrics["candidates"])
    evaluate = Opened(browser, chains.cards["promoted", "evaluate"])
    rows = {row["candidate"]: row for row in evaluate.table("All candidates on the test rows")}
    assert set(rows) == set(names)
    titles = {"test R2": "r2", "test RMSE": "rmse", "test MAE": "mae", "CV R2 mean": "cv_mean_score", "CV R2 std": "cv_std"}
    for name in names:
        runs = [run for run in project.runs() if run.data.tags["mlflow.runName"] == name]
        logged = runs[-1].data.metrics  # the oldest: of the first chain
        assert {key: rows[name][title] for title, key in titles.items()} == pytest.approx(
            {key: logged[key] for key in titles.values()}, abs=0
        )
    best, facts = metrics["candidates"][metrics["best"]["candidate"]], evaluate.facts()
    assert (facts["R2"], facts["RMSE"], facts["MAE"]) == (best["r2"], best["rmse"], best["mae"])
    gates = evaluate.table("Gates")
    verdict = json.loads((chains.cards["promoted", "evaluate"].parent / "verdict.json").read_text(encoding="utf-8"))
    assert [row["measured"] for row in gates] == [criterion["value"] for criterion in verdict["criteria"]]
    evaluate.close()
    index = Opened(browser, chains.cards["promoted", "main"])
    for row in index.table("The candidates"):
        assert row["test R2"] == metrics["candidates"][row["candidate"]]["r2"]
        assert row["CV R2 mean"] == metrics["candidates"][row["candidate"]]["cv_mean_score"]
    index.close()
    train = Opened(browser, chains.cards["promoted", "train"])
    for row in train.table("Leaderboard"):
        assert row["mean R2"] == metrics["candidates"][row["candidate"]]["cv_mean_score"]
    train.close()
    promote = Opened(browser, chains.cards["promoted", "promote"])
    evidence = json.loads((chains.cards["promoted", "promote"].parent / "decision.json").read_text(encoding="utf-8"))[
        "evidence"
    ]
    rows_of_gain = {row["what"]: row["value"] for row in promote.table("Challenger against champion")}
    assert rows_of_gain["gain in R2"] == evidence["gain"]
    assert evidence["lower"] in rows_of_gain.values()
    promote.close()


@needs_chromium
def test_cards_lead_to_each_other_from_the_disk(browser: Browser, chains: Chains) -> None:
    for chain in ("promoted", "kept"):
        card = Opened(browser, chains.cards[chain, "main"])
        links = card.values("() => [...document.querySelectorAll('nav a[data-run]')].map(it => [it.textContent, it.href])")
        assert [step for step, _ in links] == ["main", *ORDER]
        card.close()
        page = browser.new_page()
        for step, address in links[1:]:
            # A reused step has the card of the chain that ran it, and leads back to that one.
            made_in = chain if (chain, step) in chains.cards else "promoted"
            assert address == chains.cards[made_in, step].as_uri()
            page.goto(address)
            back = page.locator("nav a[data-run]").evaluate_all("all => all.map(it => [it.textContent, it.href])")
            assert back[0] == ["main", chains.cards[made_in, "main"].as_uri()]
            assert [name for name, _ in back] == ["main", *ORDER[: ORDER.index(step) + 1]]
            page.locator("nav a", has_text=re.compile("^main$")).click()
            assert page.url == back[0][1]
        page.close()


#: As MLflow's artifact view shows a card: in a frame that may run scripts and nothing else, as a blob.
_VIEW = """<body><script>
    fetch("card").then(it => it.text()).then(text => {
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.style = "width: 900px; height: 700px";
        frame.src = URL.createObjectURL(new Blob([text], {type: "text/html"}));
        document.body.append(frame);
    });
</script>"""


@pytest.fixture
def framed(browser: Browser) -> Iterator[Callable[[Path], Frame]]:
    """Open cards as MLflow does, below a prefix."""
    with ExitStack() as stack:

        def show(path: Path) -> Frame:
            app = Flask(__name__)
            app.add_url_rule("/ml/", "view", lambda: _VIEW)
            app.add_url_rule("/ml/card", "card", lambda: path.read_text(encoding="utf-8"))
            page = browser.new_page()
            stack.callback(page.close)
            page.goto(f"{stack.enter_context(serving(app))}/ml/")
            frame = page.wait_for_selector("iframe").content_frame()
            assert frame
            frame.wait_for_selector("h1")
            return frame

        yield show


@needs_chromium
def test_the_chains_card_shows_those_of_its_steps_where_no_link_leads_anywhere(
    chains: Chains, framed: Callable[[Path], Frame]
) -> None:
    frame = framed(chains.cards["kept", "main"])
    title = frame.locator("h1").inner_text()
    for step in ("split", "evaluate"):  # reused, and of this chain
        frame.locator("nav a", has_text=re.compile(f"^{step}$")).click()
        expect(frame.locator("h1")).to_have_text(re.compile(f"^{step}"))
        assert frame.locator("nav [aria-current]").inner_text() == step
        assert find_faults(frame) == []
    assert frame.locator("table button").count() > 0
    frame.locator("nav a", has_text=re.compile("^main$")).click()
    expect(frame.locator("h1")).to_have_text(title)


@needs_chromium
def test_a_link_that_a_frame_cannot_follow_gives_its_address_and_opens_by_ctrl(
    chains: Chains, framed: Callable[[Path], Frame]
) -> None:
    frame = framed(chains.cards["promoted", "promote"])
    main = chains.cards["promoted", "main"].parent.parent.name
    up = frame.locator("nav a", has_text=re.compile("^main$"))
    up.click()
    address = frame.locator("#said input").input_value()
    assert address.startswith(f"{frame.page.url}#/experiments/")
    assert address.partition("?")[0].endswith(f"/runs/{main}/artifacts/card.html")
    with frame.page.context.expect_page() as opened:
        up.click(modifiers=["ControlOrMeta"])
    assert opened.value.url == address
    opened.value.close()


@needs_chromium
def test_long_tables_are_sorted_and_filtered(browser: Browser, chains: Chains) -> None:
    card = Opened(browser, chains.cards["promoted", "evaluate"])
    section = card.page.locator("section", has=card.page.get_by_role("heading", name="Prediction interval"))
    box = section.locator(".box", has=card.page.locator("label.filter")).first
    column = "all => all.filter(it => it.checkVisibility()).map(it => Number(it.cells[2].dataset.value))"
    rows = box.locator("tbody tr")
    before = rows.evaluate_all(column)
    for wanted in (sorted(before), sorted(before, reverse=True), before):
        box.locator("thead th").nth(2).get_by_role("button").click()
        assert rows.evaluate_all(column) == wanted
    box.get_by_role("searchbox").fill("ALCO")
    left = rows.evaluate_all("all => all.filter(it => it.checkVisibility()).map(it => it.textContent)")
    assert left
    assert len(left) < len(before)
    assert all("alcohol" in text for text in left)
    assert box.locator("output").inner_text() == f"{len(left)} of {len(before)} rows"
    card.close()


@needs_chromium
def test_a_card_can_be_read_without_its_script(browser: Browser, chains: Chains) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(chains.cards["promoted", "main"].as_uri())
    page.locator("nav a", has_text=re.compile("^train$")).click()
    assert page.url == chains.cards["promoted", "train"].as_uri()
    assert page.locator("h1").inner_text().startswith("train")
    context.close()


def test_made_up_rows_are_announced_on_every_card_about_scores_and_rows(chains: Chains) -> None:
    for step in ("ingest", "register", "main"):
        assert "SYNTHETIC" in text_of(chains, "synthetic", step)


def test_plots_lie_beside_the_card_as_png(chains: Chains) -> None:
    indices = [path for (_, step), path in chains.cards.items() if step == "main"]
    for path in chains.cards.values():
        plots = list((path.parent / "plots").glob("*.png")) if (path.parent / "plots").is_dir() else []
        page = path.read_text(encoding="utf-8")
        drawn = re.findall(r'<figure data-plot="(\w+)">', page)
        assert page.count("<svg") == len(drawn)
        if path not in indices:
            assert sorted(drawn) == sorted(plot.stem for plot in plots)
        else:  # whose pictures are those of the steps, but for one
            assert [plot.stem for plot in plots] == [name for name in drawn if name == "changes"]
        assert all(plot.read_bytes().startswith(b"\x89PNG") for plot in plots)


@pytest.mark.parametrize("command", ["report", "compare"])
def test_without_a_finished_chain_the_sentence_says_how_to_make_one(project: Project, command: str) -> None:
    outcome = project.run(command)
    assert outcome.exit_code == 6
    assert "make pipeline" in outcome.stderr


def test_a_result_is_not_compared_with_itself(project: Project) -> None:
    outcome = project.run("compare", before="1", after="1")
    assert outcome.exit_code == 2
    assert outcome.sentence.endswith(
        "before and after must be two results. Got '1' for both instead. Leave one out for that of a finished chain."
    )


def test_a_candidate_that_is_trained_alone_after_all_were_compared_counts_as_the_choice_that_it_is(chains: Chains) -> None:
    client = chains.project.client
    (kept,) = (it for it in client.search_model_versions(f"name = '{NAME}'") if it.version in (2, "2"))
    card = card_of(chains.project, kept.tags["recipeline.gate_run_id"])
    decision = json.loads(card.with_name("decision.json").read_text(encoding="utf-8"))
    assert "recipeline.candidates_compared" not in kept.tags  # people filter by nothing of the kind
    made = card_of(chains.project, kept.tags["recipeline.register_run_id"]).with_name("version.json")
    assert json.loads(made.read_text(encoding="utf-8"))["tags"]["candidates_compared"] == 1
    assert decision["evidence"]["candidates"] == 2  # of the three, one is the champion
    assert [it.kind for it in Ledger(client, NAME).read().entries][:3] == ["look", "attempt", "promote"]
