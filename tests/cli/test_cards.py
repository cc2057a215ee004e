from __future__ import annotations

from pathlib import Path

import pandas as pd

from recipeline.artifacts import ORDER
from recipeline.cli.cards import card_of, describe_side, plan_card
from recipeline.cli.environment import open_session
from recipeline.engine._compat import pack
from recipeline.engine.workers import run_call
from recipeline.errors import DataError
from recipeline.orchestration.cards import StepResults
from recipeline.reports.blocks import Plot
from recipeline.reports.page import render_anyway
from recipeline.reports.tasks.base import Evaluated
from recipeline.tracking.connection.store import Store
from recipeline.tracking.lineage import lineage_of_chain
from recipeline.tracking.runs import StepRun
from tests.conftest import Project, small_recipe
from tests.reports.cards.helpers import Saved
from tests.sessions import open_toys


def test_where_a_card_is_is_a_path_for_people(store: Store, tmp_path: Path) -> None:
    session = open_toys(store, tmp_path)
    with session.open_run("ingest") as run:
        pass
    found = Path(card_of(session, run.id))
    assert found.name == "card.html"
    assert found.is_relative_to(tmp_path / "mlruns")


def test_the_card_of_a_step_that_failed_has_the_sentence() -> None:
    page = run_call(*plan_card("ingest", lambda: Saved({}), "small, run f00", DataError("The rows must be good.")))
    assert "The rows must be good." in page.html
    assert "small, run f00" in page.html
    assert page.failures == []


def test_a_card_that_cannot_be_made_is_a_page_that_says_so() -> None:
    for step in ("split", "no_such_step"):
        page = run_call(*plan_card(step, lambda: Saved({}), "small, run f00"))
        (failure,) = page.failures
        assert failure.startswith("This card could not be drawn: ")
        assert "This card could not be drawn" in page.html


def test_the_call_of_a_card_carries_what_its_plots_show_and_no_table_of_rows(trained: Project) -> None:
    session = open_session(str(trained.recipe_path), str(trained.profile_path))
    lineage = lineage_of_chain(trained.first("main"), ORDER)
    for step, run_id in lineage.items():
        run = StepRun(run_id, step, session.store.client, session.experiment_id, lineage=lineage, reader=session.reader)
        function, arguments = plan_card(step, lambda run=run: StepResults(session.recipe, run), "small")
        assert function is render_anyway
        assert len(pack((function, arguments))) < 100_000
        plots = [block for section in arguments[1].sections for block in section.blocks if isinstance(block, Plot)]
        assert bool(plots) == (step != "register")
        for plot in plots:
            captured = [cell.cell_contents for cell in plot.draw.__closure__ or ()]
            assert [it for it in captured if isinstance(it, Evaluated | StepResults)] == [], plot.name
            assert [
                it for it in captured if isinstance(it, pd.DataFrame) and len(it) > len(small_recipe()["candidates"])
            ] == [], plot.name


def test_a_side_of_a_comparison_is_what_its_runs_have_saved(trained: Project) -> None:
    session = open_session(str(trained.recipe_path), str(trained.profile_path))
    lineage = lineage_of_chain(trained.first("main"), ORDER)
    side = describe_side(session, "1", lineage)
    assert (side.name, side.run_id, side.verdict) == ("version 1", lineage["evaluate"], "VALIDATED")
    assert side.source.startswith("file, sha256 ")
    assert len(side.rows) == 64
    assert describe_side(session, "this run", lineage).name == "this run"
