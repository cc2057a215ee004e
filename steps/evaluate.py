"""Evaluate: test scores of all candidates, gates and diagnosis of the best one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipeline import artifacts as kept
from recipeline.cli.command import step_command
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun


def inputs(session: Session) -> dict[str, Any]:
    """Return the settings of metrics, gates and diagnosis."""
    rows = session.recipe.promotion.guard_rails.model_dump(mode="json", include={"slices"})
    return session.recipe.part(["task", "target", "random_state", "metrics", "primary_metric", "gates"]) | {"guard_rails": rows}


def work(session: Session, run: StepRun) -> str:
    """Score the candidates on the test rows; judge and diagnose the best one."""
    from recipeline.data.relating.held_out import HeldOut
    from recipeline.evaluation.assessment import Trained, evaluate_candidates
    from recipeline.evaluation.gates import REJECTED, failures
    from recipeline.reports.summary import describe_evaluation
    from recipeline.tracking.datasets import EVALUATION, log_rows
    from recipeline.tracking.lineage import find_fitted, load_fitted

    board, audit = run.load(kept.LEADERBOARD), run.load(kept.LEAK_AUDIT)
    out_of_fold, (_, fitted) = run.load(kept.OUT_OF_FOLD), find_fitted(run)
    test = HeldOut.open(run.open(kept.TEST), session.recipe)
    trained = Trained(board, load_fitted(run), test, out_of_fold, audit, fitted)

    def load_models() -> dict[str, BaseEstimator]:
        return {str(row.candidate): run.load_model("train", str(row.model_id)) for row in board.itertuples()}

    found = evaluate_candidates(session.recipe, trained, load_models, session.workers)
    for row in board.itertuples():
        run.log_scores(str(row.run_id), str(row.model_id), found.scores[str(row.candidate)])
    log_rows(run, kept.TEST, session.recipe, EVALUATION, board["run_id"])
    for artifact, value in found.artifacts():
        run.save(artifact, value)
    run.save_batches(kept.TEST_PREDICTIONS, found.predictions.frames())
    verdict, best = found.verdict.verdict, found.verdict.candidate
    run.tag(verdict=verdict)
    run.show(
        params={"best_candidate": best, "verdict": verdict},
        metrics={"test_rows": len(test), **{f"best.{name}": value for name, value in found.scores[best].items()}},
        note="\n".join([f"{best} is {verdict}.", *failures(found.verdict)]),
    )
    if verdict == REJECTED:
        run.outcome = "rejected"
    return describe_evaluation(found.verdict, found.metrics, audit)


WRITES = (kept.BASELINE, kept.BASELINE_ROWS, kept.DIAGNOSIS, kept.GOLDEN, kept.INTERVAL, kept.METRICS, kept.MODEL_INFO)
STEP = Step(
    "evaluate",
    work,
    inputs,
    uses_workers=True,
    reads=(kept.FITTED, kept.LEADERBOARD, kept.LEAK_AUDIT, kept.OUT_OF_FOLD, kept.TEST, kept.TRAIN),
    writes=(*WRITES, kept.TEST_PREDICTIONS, kept.VERDICT),
)


@step_command(STEP)
def evaluate() -> None:
    """Score every candidate on the test rows and check the best one's gates.

    \b
    Reads:  the candidates, out_of_fold.parquet, test.parquet
    Writes: verdict.json, metrics.json, model_info.json, interval.skops, golden.parquet, test_predictions.parquet,
            diagnosis.json, baseline.json, baseline_rows.parquet; scores on each candidate's run
    Example: python -m steps.evaluate
    """


if __name__ == "__main__":
    evaluate()
