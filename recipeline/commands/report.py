"""Report: the newest cards, and a detailed inspection of the best candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipeline.artifacts import DATASET, DIAGNOSIS, INSPECTION, LEADERBOARD, LEAK_AUDIT, TRAIN
from recipeline.cli.cards import card_of
from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_session
from recipeline.cli.options import session_options
from recipeline.errors import UnavailableError, UsageError
from recipeline.orchestration.cards import StepResults, draw_card
from recipeline.tracking.failures import store_errors
from recipeline.tracking.lineage import lineage_of_chain
from recipeline.tracking.tags import RunTags, run_id_tag

if TYPE_CHECKING:
    from recipeline.evaluation.results import Inspection
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun

#: The partial dependence is drawn for so many columns, the most important ones.
TOP = 4


@entry_point("report")
@session_options
def report(recipe: str, profile: str) -> Result:
    """Print the location of the newest cards and draw the inspection card.

    The inspection takes longer than the chain may: learning curve, partial dependence, file-order stress score.

    \b
    Reads:  the newest finished run of main and its upstream runs
    Writes: inspection.json, card.html; once for each run of main
    Example: recipeline report
    """
    session = open_session(recipe, profile)
    with store_errors(session.store.uri):
        chains = session.history.newest("main")
        ids = lineage_of_chain(chains[0], session.order) if chains else {}
        if "evaluate" not in ids:
            raise UnavailableError("No finished run of main to report on.", fix="Run `make pipeline`.")
        closer = _drawn_before(session, ids["evaluate"])
    if not closer:
        with session.open_run("report") as run:
            run.set_lineage(ids)
            if not run.has(DIAGNOSIS):
                raise UnavailableError(
                    "The newest run of main was evaluated by an earlier version of the library.",
                    fix="Run `make pipeline`.",
                )
            run.save(INSPECTION, _inspect(session, run))
            draw_card(session, run, "report", lambda: StepResults(session.recipe, run))
        closer = run.id
    lines = [
        f"The run:     {card_of(session, chains[0].info.run_id)}",
        f"Inspection:  {card_of(session, closer)}",
    ]
    return Result("\n".join(lines))


def _drawn_before(session: Session, evaluate_run_id: str) -> str:
    """Return the run ID of an existing report on an evaluation.

    Its card is complete; empty where there is none.
    """
    for run in session.history.newest("report", limit=50):
        tags = run.data.tags
        if tags.get(run_id_tag("evaluate")) == evaluate_run_id and RunTags.CARD_FAILURES not in tags:
            return str(run.info.run_id)
    return ""


def _inspect(session: Session, run: StepRun) -> Inspection:
    from recipeline.data.relations import FOLD
    from recipeline.data.target_codes import TargetCodes
    from recipeline.evaluation.inspection import learning_curve, partial_dependence, score_file_order
    from recipeline.evaluation.results import Inspection
    from recipeline.inference.columns import Columns

    session.find_columns(run.lineage)
    recipe, train = session.recipe, run.load(TRAIN)
    if set(train.columns) - {FOLD} != set(recipe.columns):
        raise UsageError(
            f"The recipe must have the columns of the newest run: {', '.join(train.columns)}.",
            got=f"{', '.join(recipe.columns)}",
            fix="Run `make pipeline` with this recipe.",
        )
    best = run.load(LEADERBOARD).iloc[0]
    model = run.load_model("train", str(best.model_id))
    session.reporter.say(f"report: inspecting {best.candidate}")
    top = [entry.feature for entry in run.load(DIAGNOSIS).importance[:TOP]]
    method = run.load(LEAK_AUDIT).method
    return Inspection(
        split_method=method,
        learning_curve=learning_curve(model, train, recipe, method, session.workers, session.reporter.advance),
        file_order=score_file_order(model, run.load(DATASET), recipe, session.workers),
        dependence=partial_dependence(
            model, train[list(recipe.features)], top, Columns.learn(recipe, train), TargetCodes.learn(recipe, train)
        ),
    )
