"""Report: the newest cards, and a detailed inspection of the best candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from recipeline.artifacts import DATASET, DIAGNOSIS, INSPECTION, LEADERBOARD, LEAK_AUDIT
from recipeline.cli.cards import card_of
from recipeline.cli.command import Result, entry_point
from recipeline.cli.environment import open_session
from recipeline.cli.options import parse_switch, session_options
from recipeline.cli.output.results import ReportValues
from recipeline.errors import UnavailableError, UsageError
from recipeline.orchestration.cards import StepResults, draw_card
from recipeline.tracking.connection.failures import store_errors
from recipeline.tracking.lineage import lineage_of_chain
from recipeline.tracking.tags import RunTags, run_id_tag

if TYPE_CHECKING:
    import pandas as pd

    from recipeline.evaluation.described import NestedEstimate
    from recipeline.evaluation.results import Inspection
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun

#: The partial dependence is drawn for so many columns, the most important ones.
TOP = 4


@entry_point("report")
@session_options
@click.option(
    "--nested",
    default="",
    show_default="off",
    metavar="on|off",
    help="on adds a nested estimate of the best candidate's score; it takes as long as training once per fold.",
)
def report(recipe: str, profile: str, nested: str) -> Result:
    """Print the location of the newest cards and draw the inspection card.

    The inspection takes longer than the chain may: learning curve, partial dependence, file-order stress score. With
    --nested on the choice of the best candidate is repeated without each fold: its cross-validated score is optimistic.

    \b
    Reads:  the newest finished run of main and its upstream runs
    Writes: inspection.json, card.html; once for each run of main
    Example: recipeline report
    """
    is_nested = parse_switch("nested", nested, default=False)
    session = open_session(recipe, profile, makes=False)
    with store_errors(session.store.uri):
        chains = session.history.newest("main")
        ids = lineage_of_chain(chains[0], session.order) if chains else {}
        if "evaluate" not in ids:
            raise UnavailableError("No finished run of main to report on.", fix="Run `make pipeline`.")
        closer = _drawn_before(session, ids["evaluate"], is_nested=is_nested)
    if not closer:
        with session.open_run("report") as run:
            run.set_lineage(ids)
            if not run.has(DIAGNOSIS):
                raise UnavailableError(
                    "The newest run of main was evaluated by an earlier version of the library.",
                    fix="Run `make pipeline`.",
                )
            run.save(INSPECTION, _inspect(session, run, is_nested=is_nested))
            if is_nested:
                run.tag(nested="on")
            draw_card(session, run, "report", lambda: StepResults(session.recipe, run))
        closer = run.id
    main = chains[0].info.run_id
    values = ReportValues(main, card_of(session, main), closer, card_of(session, closer))
    lines = [f"The run:     {values.card}", f"Inspection:  {values.inspection_card}"]
    return Result("\n".join(lines), run_id=closer, outcome="ok", values=values)


def _drawn_before(session: Session, evaluate_run_id: str, *, is_nested: bool) -> str:
    """Return the run ID of an existing report on an evaluation.

    Its card is complete, and has a nested estimate if it should; empty where there is none.
    """
    for run in session.history.newest("report", limit=50):
        tags = run.data.tags
        is_enough = RunTags.NESTED in tags or not is_nested
        if tags.get(run_id_tag("evaluate")) == evaluate_run_id and is_enough and RunTags.CARD_FAILURES not in tags:
            return str(run.info.run_id)
    return ""


def _inspect(session: Session, run: StepRun, *, is_nested: bool) -> Inspection:
    from recipeline.data.relating.relations import FOLD
    from recipeline.data.target_codes import TargetCodes
    from recipeline.evaluation.inspection import learning_curve, partial_dependence, score_file_order
    from recipeline.evaluation.results import Inspection
    from recipeline.inference.columns import Columns
    from recipeline.tracking.lineage import find_fitted, load_fitted
    from recipeline.training.fitted_rows import limit_rows

    session.find_columns(run.lineage)
    recipe, train = session.recipe, load_fitted(run)
    if set(train.columns) - {FOLD} != set(recipe.columns):
        raise UsageError(
            f"The recipe must have the columns of the newest run: {', '.join(train.columns)}.",
            got=f"{', '.join(recipe.columns)}",
            fix="Run `make pipeline` with this recipe.",
        )
    board = run.load(LEADERBOARD)
    best = board.iloc[0]
    model = run.load_model("train", str(best.model_id))
    session.reporter.say(f"report: inspecting {best.candidate}")
    top = [entry.feature for entry in run.load(DIAGNOSIS).importance[:TOP]]
    method, (limit, _) = run.load(LEAK_AUDIT).method, find_fitted(run)
    table, _ = limit_rows(run.open(DATASET), recipe, method, limit)
    return Inspection(
        split_method=method,
        learning_curve=learning_curve(model, train, recipe, method, session.workers, session.reporter.advance),
        file_order=score_file_order(model, table, recipe, session.workers),
        dependence=partial_dependence(
            model, train[list(recipe.features)], top, Columns.learn(recipe, train), TargetCodes.learn(recipe, train)
        ),
        nested=_estimate_nested(session, train, board, method) if is_nested else None,
    )


def _estimate_nested(session: Session, train: pd.DataFrame, board: pd.DataFrame, method: str) -> NestedEstimate:
    from recipeline.evaluation.nested import estimate_nested

    names = [str(name) for name in board["candidate"]]
    unknown = [name for name in names if name not in session.recipe.candidates]
    if unknown:
        raise UsageError(
            "A nested estimate needs all candidates of the newest run in the recipe.",
            got=f"no '{unknown[0]}'",
            fix="Run `make pipeline` with this recipe.",
        )
    return estimate_nested(
        *(session.recipe, names, train, method, session.workers),
        selected=float(board["cv_mean_score"].iloc[0]),
        advance=session.reporter.advance,
    )
