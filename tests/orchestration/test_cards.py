from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.utils.file_utils import local_file_uri_to_path

from recipeline.artifacts import CARD, DATASET, TRAIN
from recipeline.engine.local import LocalWorkers
from recipeline.engine.workers import Call
from recipeline.errors import UnavailableError
from recipeline.orchestration.cards import StepResults, draw_card, page_of
from recipeline.orchestration.chain import Chain, run_chain, run_step
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import Step
from recipeline.orchestration.trail import Trail
from recipeline.reports.page import Page
from recipeline.tracking._compat import NOTE
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.connection import patience
from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import StepRun
from tests.conftest import Project
from tests.engine.calls import draw_elsewhere
from tests.reports.helpers import card_of
from tests.sessions import NAMES, Toys, lines_of, open_toys


@pytest.mark.xdist_group("cards")
def test_a_card_that_cannot_be_made_is_a_warning_and_fails_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:

    def fail(_: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("recipeline.reports.cards.split.make_card", fail)
    outcome = project.ok("main", model="lr")
    assert "warning: split: This card could not be drawn: RuntimeError: no ink" in outcome.stderr
    split = project.first("split")
    assert split.data.tags["recipeline.card_failures"].endswith("no ink")
    assert "This card could not be drawn" in card_of(project, split.info.run_id).read_text(encoding="utf-8")
    index = card_of(project, project.first("main").info.run_id).read_text(encoding="utf-8")
    assert "split: This card could not be drawn" in index
    assert "This card could not be drawn" in outcome.stdout


@pytest.mark.xdist_group("cards")
def test_a_card_that_cannot_be_saved_is_a_warning_and_fails_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    save = StepRun.save

    def refuse(run: StepRun, artifact: Any, value: Any) -> str:
        if artifact is CARD:
            raise OSError("no room")
        return save(run, artifact, value)

    monkeypatch.setattr(StepRun, "save", refuse)
    outcome = project.ok("main", model="lr")
    assert "warning: promote: This card could not be saved: OSError: no room" in outcome.stderr
    assert list(project.versions()) == ["1"]


def test_a_card_is_made_of_what_its_run_has_saved(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    with session.open_run("ingest") as run:
        run.save(DATASET, pd.DataFrame({"a": [1.0]}))
        run.tag(data_source="uci")
        results = StepResults(session.recipe, run)
        assert results.load(DATASET)["a"].tolist() == [1.0]
        assert (results.has(DATASET), results.has(TRAIN)) == (True, False)
        assert (results.tag("data_source"), results.tag("nothing")) == ("uci", "")


def test_a_card_and_its_plots_are_saved_and_what_could_not_be_drawn_is_said_and_kept(store: Store, tmp_path: Path) -> None:
    page = Page("<html></html>", {"shares": b"png"}, ["The plot b could not be drawn"])
    session = open_toys(store, tmp_path, draw=lambda *_: (lambda: page, ()))
    with session.open_run("ingest") as run:
        draw_card(session, run, "ingest", lambda: None)
    assert lines_of(session) == ["warning: ingest: The plot b could not be drawn"]
    assert store.client.get_run(run.id).data.tags["recipeline.card_failures"] == "The plot b could not be drawn"
    assert [file.path for file in store.client.list_artifacts(run.id, "plots")] == ["plots/shares.png"]


def test_a_server_that_is_silent_is_told_as_a_card_that_could_not_be_saved(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_toys(store, tmp_path, draw=lambda *_: (Page, ()))
    with session.open_run("ingest") as run:
        monkeypatch.setitem(patience._silent_until, patience._server_of(store.uri), time.monotonic() + 60)
        draw_card(session, run, "ingest", lambda: None, UnavailableError("The store is away."))
    (line,) = lines_of(session)
    assert line.startswith("warning: ingest: This card could not be saved: MlflowException: The MLflow server does not answer")


def trails(store: Store, folder: Path) -> tuple[Session, list[Trail]]:
    """Return a session of toys, and a list that its cards' trails are added to."""
    drawn: list[Trail] = []

    def draw(*given: Any) -> Call:
        drawn.append(given[-1])
        return Page, (f"<header>{given[0]}</header><main></main>",)

    return open_toys(store, folder, draw=draw), drawn


def test_a_card_leads_to_the_chains_and_to_those_before_it_and_the_chains_to_all(store: Store, tmp_path: Path) -> None:
    session, drawn = trails(store, tmp_path)
    chain = Chain()
    with session.open_run("main") as run:
        run_chain(session, NAMES, {}, chain, nested_in=run.id)
        draw_card(session, run, "main", lambda: None, steps=chain.lineage, version="4")
    ids = {"main": run.id, **chain.lineage}
    for place, (name, trail) in enumerate(zip((*NAMES, "main"), drawn, strict=True), 1):
        made = ids if name == "main" else dict(list(ids.items())[: place + 1])
        assert [(stop.step, stop.run_id) for stop in trail.stops] == [(step, made.get(step, "")) for step in ids]
        folder = Path(local_file_uri_to_path(session.reader.root(trail.run_id)))
        for stop in trail.stops:
            if stop.run_id:
                assert (folder / stop.path).resolve().is_file()
                assert stop.run_id in stop.address
    assert set(drawn[-1].packed) == set(chain.lineage.values())
    assert not any(trail.packed for trail in drawn[:-1])
    assert drawn[-1].places[-1].title == "version 4"
    note = store.client.get_run(chain.lineage["split"]).data.tags["mlflow.note.content"]
    assert f"runs/{run.id}/artifacts/card.html" in note


def test_a_reused_steps_card_is_that_of_the_run_that_is_reused(store: Store, tmp_path: Path) -> None:
    for place in range(2):
        session, drawn = trails(store, tmp_path)
        chain = Chain()
        with session.open_run("main") as run:
            run_chain(session, NAMES, {}, chain, nested_in=run.id)
            draw_card(session, run, "main", lambda: None, steps=chain.lineage)
        assert len(drawn) == (1 if place else 4)
    assert chain.reused == NAMES
    assert drawn[-1].packed == {run_id: f"<header>{step}</header><main></main>" for step, run_id in chain.lineage.items()}


def test_a_reused_step_of_another_experiment_is_found_there(store: Store, tmp_path: Path) -> None:
    for experiment in ("one", "other"):
        session, drawn = trails(store, tmp_path)
        session.experiment_name, chain = experiment, Chain()
        with session.open_run("main") as run:
            run_chain(session, NAMES, {}, chain, nested_in=run.id)
            draw_card(session, run, "main", lambda: None, steps=chain.lineage)
    assert chain.reused == NAMES
    places = {stop.step: stop.address.split("/")[2] for stop in drawn[-1].stops}
    one, other = store.experiment("one"), store.experiment("other")
    assert places == {"main": other, **dict.fromkeys(NAMES, one)}
    assert all(f"/experiments/{other}/" in place.address for place in drawn[-1].places[:1])


@pytest.mark.parametrize(("error", "limit"), [(None, None), (ValueError("x"), 30), (UnavailableError("x"), 2)])
def test_the_card_of_a_failure_does_not_wait_long_for_a_store_that_is_away(
    store: Store, tmp_path: Path, error: BaseException | None, limit: float | None
) -> None:
    limits = []
    session = open_toys(store, tmp_path, draw=lambda *_: limits.append(patience._LIMIT.get()) or (Page, ("<html></html>",)))
    with session.open_run("ingest") as run:
        draw_card(session, run, "ingest", lambda: None, error)
    assert limits == [limit]


def test_a_step_run_alone_leads_to_no_chain(store: Store, tmp_path: Path) -> None:
    session, drawn = trails(store, tmp_path)
    run_step(session, "split", {}, "")
    assert [[stop.step for stop in trail.stops if stop.run_id] for trail in drawn] == [["ingest"], ["ingest", "split"]]
    assert all("main" not in [stop.step for stop in trail.stops] for trail in drawn)


def test_a_trail_that_cannot_be_found_is_a_warning_and_fails_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = trails(store, tmp_path)
    monkeypatch.setattr("recipeline.orchestration.cards.way_to", lambda *_: 1 / 0)
    run, _ = run_step(session, "ingest", {}, "")
    assert any("This card could not be saved: ZeroDivisionError" in line for line in lines_of(session))
    assert store.client.get_run(run.id).info.status == "FINISHED"


def test_a_card_is_read_once_and_a_missing_one_is_empty(store: Store, tmp_path: Path) -> None:
    run, _ = run_step(trails(store, tmp_path)[0], "ingest", {}, "")
    session = open_toys(store, tmp_path)
    card = Path(local_file_uri_to_path(session.reader.root(run.id))) / CARD.name
    assert page_of(session, run.id) == "<header>ingest</header><main></main>"
    card.unlink()
    assert page_of(session, run.id) == "<header>ingest</header><main></main>"
    later = open_toys(store, tmp_path)
    assert [page_of(later, run.id) for _ in range(2)] == ["", ""]
    (line,) = lines_of(later)
    assert line.startswith(f"note: run {run.id} has no card that can be read")
    assert page_of(session, "no run") == ""


# --- beside the steps ----------------------------------------------------------------------------------------------------


class Counted(LocalWorkers):
    """Workers whose processes run, and that note what they are asked for."""

    def __init__(self) -> None:
        super().__init__(1)
        self.begun: list[Call] = []

    def begin(self, call: Call) -> Callable[[], Any]:
        self.begun.append(call)
        return super().begin(call)


def chain_of(session: Session, names: tuple[str, ...] = NAMES) -> Chain:
    chain = Chain()
    with session.open_run("main") as run:
        run_chain(session, names, {}, chain, nested_in=run.id)
    return chain


def stored_card(session: Session, run_id: str) -> str:
    """Return the card of a finished run, as another command finds it."""
    reader = session.reader.fresh()
    assert reader.runs.get(run_id).info.status == "FINISHED"
    assert CARD.name in reader.names(run_id)[1]
    with reader.view(CARD.name, run_id) as path:
        return CARD.read(path)


def test_in_a_chain_a_card_is_begun_at_the_end_of_its_step_and_saved_when_results_are_waited_for(
    store: Store, tmp_path: Path
) -> None:
    seen: list[tuple[str, ...]] = []

    def look(session: Session) -> None:
        seen.append(tuple(session.cards))

    toys, workers = Toys(), Counted()
    session = open_toys(store, tmp_path, toys, workers=workers)
    work = toys.step

    def step(name: str) -> Step:
        made = work(name)

        def wait(session: Session, run: StepRun, **params: str) -> str:
            look(session)
            results = session.workers.map([(int, ()), (int, ())])
            look(session)
            assert list(results) == [0, 0]
            look(session)
            return made.work(session, run, **params)

        return replace(made, work=wait) if name == "train" else made

    session.step = step
    chain = chain_of(session)
    ingest, split, train = chain.lineage.values()
    assert seen == [(), (), (ingest, split)]
    assert len(workers.begun) == 3
    assert session.workers is workers
    assert [stored_card(session, run_id) for run_id in (ingest, split, train)] == ["<html></html>"] * 3
    assert all("artifacts/card.html" in store.client.get_run(it).data.tags[NOTE] for it in (ingest, split, train))


@pytest.mark.parametrize("error", [UnavailableError("The store is away."), ValueError("a bug"), KeyboardInterrupt()])
def test_what_ends_a_chain_leaves_no_finished_step_without_its_card(store: Store, tmp_path: Path, error: BaseException) -> None:
    toys = Toys(errors={"train": error})
    session = open_toys(store, tmp_path, toys)
    with pytest.raises(type(error)):
        chain_of(session)
    finished = [run for run in store.client.search_runs([session.experiment_id]) if run.info.status == "FINISHED"]
    assert sorted(run.data.tags["recipeline.step"] for run in finished) == ["ingest", "split"]
    assert [stored_card(session, run.info.run_id) for run in finished] == ["<html></html>"] * 2


def test_a_card_that_its_worker_does_not_draw_is_drawn_here_and_leaves_fits_alone(store: Store, tmp_path: Path) -> None:
    workers, toys = LocalWorkers(2, preload="json"), Toys()
    workers.start()
    session = open_toys(store, tmp_path, toys, workers=workers, draw=lambda *_: (draw_elsewhere, (os.getpid(),)))
    work = toys.step("split").work
    found: list[int] = []

    def fit(session: Session, run: StepRun, **params: str) -> str:
        found.extend(session.workers.map([(pow, (number, 2)) for number in range(8)]))
        return str(work(session, run, **params))

    session.step = lambda name: replace(toys.step(name), work=fit) if name == "split" else toys.step(name)
    chain = chain_of(session)
    assert found == [number**2 for number in range(8)]
    assert [stored_card(session, run_id) for run_id in chain.lineage.values()] == ["<html>here</html>"] * 3
    assert not [line for line in lines_of(session) if "warning" in line]


def test_an_interrupt_while_a_card_is_saved_loses_none(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, save, interrupts = open_toys(store, tmp_path), StepRun.save, [KeyboardInterrupt()]

    def interrupted(run: StepRun, artifact: Any, value: Any) -> str:
        if artifact is CARD and interrupts:
            raise interrupts.pop()
        return save(run, artifact, value)

    monkeypatch.setattr(StepRun, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        chain_of(session)
    finished = [run for run in store.client.search_runs([session.experiment_id]) if run.info.status == "FINISHED"]
    assert len(finished) == 3
    for run in finished:
        assert stored_card(session, run.info.run_id) == "<html></html>"
        assert run.data.tags[NOTE].count("Cards:") == 1


def test_a_late_card_that_cannot_be_saved_is_told_on_its_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StepRun, "close_card", lambda _: 1 / 0)
    session = open_toys(store, tmp_path)
    chain = chain_of(session)
    for name, run_id in chain.lineage.items():
        assert any(line.startswith(f"warning: {name}: This card could not be saved") for line in lines_of(session))
        tags = store.client.get_run(run_id).data.tags
        assert "ZeroDivisionError" in tags["recipeline.card_failures"]
        assert tags["recipeline.outcome"] == "ok"


@given(data=st.data())
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_late_card_that_a_killed_command_left_unfinished_is_no_card(
    store: Store, tmp_path: Path, data: st.DataObject
) -> None:
    page = "<html><header>ingest</header><main></main></html>"
    session = open_toys(store, tmp_path, draw=lambda *_: (Page, (page,)))
    folder = Path(local_file_uri_to_path(session.reader.root(chain_of(session).lineage["ingest"])))
    (folder / CARD.name).write_text(page, encoding="utf-8")
    assert page_of(open_toys(store, tmp_path), folder.parent.name) == page
    (folder / CARD.name).write_text(page[: data.draw(st.integers(0, len(page) - 1))], encoding="utf-8")
    later = open_toys(store, tmp_path)
    assert page_of(later, folder.parent.name) == ""
    (line,) = lines_of(later)
    assert line.startswith(f"note: run {folder.parent.name} has no card that can be read")


def test_the_digests_of_a_late_card_are_there_before_its_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However early a command is killed that saves them."""
    noted, save = [], StepRun.save

    def look(run: StepRun, artifact: Any, value: Any) -> str:
        if artifact.name in (CARD.name, "plots/dots.png") and run.step in NAMES:
            noted.append(artifact.name in Reader(store.client).names(run.id)[1])
        return save(run, artifact, value)

    monkeypatch.setattr(StepRun, "save", look)
    chain_of(open_toys(store, tmp_path, draw=lambda *_: (Page, ("<html></html>", {"dots": b"png"}))))
    assert noted == [True] * 2 * len(NAMES)
