from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recipeline.artifacts import CARD, DATASET, TRAIN
from recipeline.orchestration.cards import StepResults, draw_card
from recipeline.reports.page import Page
from recipeline.tracking.runs import StepRun
from recipeline.tracking.store import Store
from tests.conftest import Project
from tests.reports.helpers import card_of
from tests.sessions import lines_of, open_toys


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
    session = open_toys(store, tmp_path, draw=lambda *_: page)
    with session.open_run("ingest") as run:
        draw_card(session, run, "ingest", lambda: None)
    assert lines_of(session) == ["warning: ingest: The plot b could not be drawn"]
    assert store.client.get_run(run.id).data.tags["recipeline.card_failures"] == "The plot b could not be drawn"
    assert [file.path for file in store.client.list_artifacts(run.id, "plots")] == ["plots/shares.png"]
