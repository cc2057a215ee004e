"""Report: the newest index card, and a closer look at the best candidate, which takes longer than the chain may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.artifacts import DATASET, DIAGNOSIS, INSPECTION, LEADERBOARD, LEAK_AUDIT, TRAIN
from pipeline.chain import StepResults, draw_card
from pipeline.errors import UnavailableError
from steps.command import Result, card_of, entry_point, open_session, session_options

if TYPE_CHECKING:
    from pipeline.runs import StepRun
    from pipeline.session import Session

#: Of so many columns, those that matter most, the partial dependence is drawn.
TOP = 4


@entry_point("report")
@session_options
def report(recipe: str, profile: str) -> Result:
    """Print where the newest cards are, and draw what is dear: learning curve, partial dependence, file-order stress score.

    \b
    Reads:  the newest finished run of main and what it was made from
    Writes: inspection.json, card.html; once for each run of main
    Example: python -m steps.report
    """
    session = open_session(recipe, profile)
    chains = session.history.newest("main")
    ids = {step: chains[0].data.tags.get(f"pipeline.{step}_run_id", "") for step in session.order} if chains else {}
    if not ids.get("evaluate"):
        raise UnavailableError("A finished run of main must be there to report on.", got="none", fix="Run `make pipeline`.")
    done = [
        run
        for run in session.history.newest("report", limit=20)
        if run.data.tags.get("pipeline.evaluate_run_id") == ids["evaluate"]
    ]
    if done:
        closer = done[0].info.run_id
    else:
        with session.open_run("report") as run:
            run.descend({step: run_id for step, run_id in ids.items() if run_id})
            run.save(INSPECTION, _inspect(session, run))
            draw_card(session, run, "report", StepResults(session.recipe, run))
        closer = run.id
    lines = [
        f"The run:        {card_of(session, chains[0].info.run_id)}",
        f"A closer look:  {card_of(session, closer)}",
    ]
    return Result("\n".join(lines))


def _inspect(session: Session, run: StepRun) -> dict[str, Any]:
    from pipeline.inspection import learning_curve, partial_dependence, score_file_order
    from pipeline.models import load_model

    recipe, train = session.recipe, run.load(TRAIN)
    best = run.load(LEADERBOARD).iloc[0]
    run.require_model("train", best.model_id)
    model = load_model(f"models:/{best.model_id}")
    session.reporter.say(f"report: a closer look at {best.candidate}")
    top = [entry["feature"] for entry in run.load(DIAGNOSIS)["importance"][:TOP]]
    method = run.load(LEAK_AUDIT)["method"]
    return {
        "learning_curve": learning_curve(model, train, recipe, method, session.workers, session.reporter.advance),
        "file_order": score_file_order(model, run.load(DATASET), recipe, session.workers),
        "dependence": partial_dependence(model, train[list(recipe.features)], top),
    }


if __name__ == "__main__":
    report()
