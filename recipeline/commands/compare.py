"""Compare: differences between two results, and their effect on the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recipeline.cli.cards import card_of, describe_side
from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_session
from recipeline.cli.options import session_options
from recipeline.cli.output.results import ComparedSide, CompareValues
from recipeline.errors import UnavailableError, UsageError
from recipeline.metrics.catalogue import REPORTED, skill_of
from recipeline.orchestration.cards import draw_card
from recipeline.orchestration.provenance import differing_components
from recipeline.orchestration.session import Session
from recipeline.reports.summary import tabulate
from recipeline.tracking.lineage import lineage_of, lineage_of_chain, lineage_of_version
from recipeline.tracking.tags import RunTags

if TYPE_CHECKING:
    from recipeline.reports.cards.compare import Side


@entry_point("compare")
@session_options
@click.option("--before", default="", show_default="the finished chain before the last", help="A version or a run ID.")
@click.option("--after", default="", show_default="the last finished chain", help="A version or a run ID.")
def compare(recipe: str, profile: str, before: str, after: str) -> Result:
    """Compare two versions or two runs; the card shows the differences.

    A run is one of main, evaluate, register or promote.

    \b
    Reads:  both runs of evaluate and their upstream runs
    Writes: card.html
    Example: recipeline compare --before 1 --after 2
    """
    from recipeline.reports.cards.compare import Comparison

    if before and before == after:
        raise UsageError(
            "before and after must be two results.",
            got=f"'{before}' for both",
            fix="Leave one out for that of a finished chain.",
        )
    session = open_session(recipe, profile, makes=False)
    with session.open_run("compare") as run:
        chains = session.history.newest("main", limit=2)
        ids = [
            _lineage(session, word, chains[place].info.run_id if len(chains) > place else "", name)
            for place, (name, word) in ((1, ("before", before)), (0, ("after", after)))
        ]
        sides = [
            describe_side(session, title, lineage)
            for title, lineage in zip((before or "the chain before", after or "the last chain"), ids, strict=True)
        ]
        comparison = Comparison(sides[0], sides[1], differing_components(session, *ids))
        run.tag(before=sides[0].run_id, after=sides[1].run_id)
        draw_card(session, run, "compare", lambda: comparison)
    task, scores = sides[1].metrics.task, [side.metrics.scores for side in sides]
    rows = [
        (name, *(f"{found[name]:.4f}" if name in found else "" for found in scores))  # the other one may be of another task
        for name in (skill_of(task).name, REPORTED[task])
    ]
    lines = [
        tabulate(["test", sides[0].name, sides[1].name], rows),
        *([] if comparison.is_comparable else ["The test rows differ: the metrics cannot be compared."]),
        *(comparison.differences or ["No recorded differences."]),
        f"The card: {(card := card_of(session, run.id))}",
    ]
    values = CompareValues(_as_values(sides[0]), _as_values(sides[1]), tuple(comparison.differences), card)
    return Result("\n".join(lines), run_id=run.id, outcome=run.outcome, values=values)


def _as_values(side: Side) -> ComparedSide:
    return ComparedSide(side.name, side.run_id, side.verdict, side.metrics.best.candidate, side.metrics.scores)


def _lineage(session: Session, word: str, newest: str, parameter: str) -> dict[str, str]:
    """Return the run IDs of the steps behind a version or a run.

    `newest` is the run to take where `word` is empty.

    Raises
    ------
    UnavailableError : there is none, or it has no evaluation.
    """
    rule = f"{parameter} must be a version, or the ID of a run with an evaluation."
    if not word and not newest:
        raise UnavailableError(
            "Fewer than two finished chains to compare.",
            fix="Run `make pipeline`, or name two versions: `make compare ARGS='before=1 after=2'`.",
        )
    if word.isdigit():
        found = lineage_of_version(session.registry.version(word), session.order)
    else:
        run = session.find_run(word or newest)
        if run is None:
            raise UnavailableError(rule, got=f"'{word}', which is not in the store,", fix="See `mlflow ui` for the runs.")
        is_step = run.data.tags.get(RunTags.STEP) in session.order
        found = (lineage_of if is_step else lineage_of_chain)(run, session.order)
    if "evaluate" not in found:
        raise UnavailableError(
            rule, got=f"'{word or newest}', which has none,", fix="Name a run of main, evaluate, register or promote."
        )
    return found
