from __future__ import annotations

from pathlib import Path

from recipeline.artifacts import ORDER
from recipeline.cli.cards import card_of, describe_side, plan_card
from recipeline.cli.environment import open_session
from recipeline.engine.workers import run_call
from recipeline.errors import DataError
from recipeline.tracking.connection.store import Store
from recipeline.tracking.lineage import lineage_of_chain
from tests.conftest import Project
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


def test_a_side_of_a_comparison_is_what_its_runs_have_saved(trained: Project) -> None:
    session = open_session(str(trained.recipe_path), str(trained.profile_path))
    lineage = lineage_of_chain(trained.first("main"), ORDER)
    side = describe_side(session, "1", lineage)
    assert (side.name, side.run_id, side.verdict) == ("version 1", lineage["evaluate"], "VALIDATED")
    assert side.source.startswith("file, sha256 ")
    assert len(side.rows) == 64
    assert describe_side(session, "this run", lineage).name == "this run"
