"""Cards of commands: their location, drawing, and the sides of a comparison."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from recipeline.artifacts import CARD, METRICS, TEST, VERDICT
from recipeline.data.origin.uris import redact
from recipeline.engine.workers import Call
from recipeline.orchestration.session import Session
from recipeline.orchestration.trail import Trail
from recipeline.tracking.artifacts.artifact_folders import place_of
from recipeline.tracking.artifacts.kept_reader import KeptReader
from recipeline.tracking.tags import RunTags

if TYPE_CHECKING:
    from recipeline.reports.cards.compare import Side


def card_of(session: Session, run_id: str) -> str:
    """Return the location of a run's card for people: a path or a URI."""
    return redact(place_of(session.reader.root(run_id), CARD.name))


def plan_card(
    step: str,
    results: Callable[[], object],
    origin: str,
    error: BaseException | None = None,
    trail: Trail | None = None,
) -> Call:
    """Return the call that draws the card of a step.

    If the card cannot be made, the call returns a page with the error.
    """
    # By name: what a card is made with is imported only where one is made.
    page = importlib.import_module("recipeline.reports.page")
    try:
        if error is None:
            card = importlib.import_module(f"recipeline.reports.cards.{step}").make_card(results())
        else:
            card = importlib.import_module("recipeline.reports.cards.failure").describe_failure(step, results(), error)
    except Exception as problem:  # a picture is no reason to lose a result
        return page.render_failure, (step, origin, problem, trail)
    return page.render_anyway, (step, card, origin, trail)


def describe_side(session: Session, name: str, lineage: dict[str, str], kept: KeptReader | None = None) -> Side:
    """Return one side of a comparison from the run IDs of its steps.

    `kept` holds artifacts that were read already.
    """
    from recipeline.reports.cards.compare import Side

    reader = kept or session.reader
    run = session.find_run(lineage["evaluate"])
    tags = run.data.tags if run else {}
    return Side(
        name if not name.isdigit() else f"version {name}",
        lineage["evaluate"],
        reader.load(METRICS, lineage["evaluate"]),
        reader.load(VERDICT, lineage["evaluate"]).verdict,
        f"{tags.get(RunTags.DATA_SOURCE, 'unknown')}, sha256 {tags.get(RunTags.DATA_DIGEST, '')[:12]}",
        session.reader.digest(TEST, lineage["split"]),
    )
