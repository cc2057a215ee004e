"""Evaluate: score every candidate on the test rows, and judge the best one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipeline.artifacts import (
    BASELINE,
    BASELINE_ROWS,
    DIAGNOSIS,
    GOLDEN,
    INTERVAL,
    LEADERBOARD,
    LEAK_AUDIT,
    METRICS,
    MODEL_INFO,
    OUT_OF_FOLD,
    TEST,
    TEST_PREDICTIONS,
    TRAIN,
    VERDICT,
)
from recipeline.cli.command import step_command
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from recipeline.data.results import LeakAudit
    from recipeline.evaluation.results import Metrics, Verdict
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun


def inputs(session: Session) -> dict[str, Any]:
    """Return the settings that decide what is measured and what is good enough."""
    slices = session.recipe.promotion.guard_rails.model_dump(mode="json", include={"slices"})
    return session.recipe.part(["task", "target", "random_state", "metrics", "gates"]) | {"guard_rails": slices}


def work(session: Session, run: StepRun) -> str:
    """Score the candidates, measure the best one closely, judge it, and keep rows that any copy of it must answer alike."""
    from recipeline.evaluation.assessment import Trained, evaluate_candidates
    from recipeline.evaluation.gates import REJECTED, failures

    board, audit = run.load(LEADERBOARD), run.load(LEAK_AUDIT)
    trained = Trained(board, run.load(TRAIN), run.load(TEST), run.load(OUT_OF_FOLD), audit)

    def load_models() -> dict[str, BaseEstimator]:
        return {str(row.candidate): run.load_model("train", str(row.model_id)) for row in board.itertuples()}

    found = evaluate_candidates(session.recipe, trained, load_models, session.workers)
    for row in board.itertuples():
        run.log_scores(str(row.run_id), found.scores[str(row.candidate)])
    run.save(DIAGNOSIS, found.diagnosis)
    run.save(BASELINE, found.baseline)
    run.save(BASELINE_ROWS, found.baseline_rows)
    run.save(GOLDEN, found.golden)
    if found.interval_models is not None:
        run.save(INTERVAL, found.interval_models)
    run.save(MODEL_INFO, found.model_info)
    run.save(TEST_PREDICTIONS, found.test_predictions)
    run.save(VERDICT, found.verdict)
    run.save(METRICS, found.metrics)

    verdict, best = found.verdict.verdict, found.verdict.candidate
    run.tag(verdict=verdict)
    run.show(
        params={"best_candidate": best, "verdict": verdict},
        metrics={
            "test_rows": len(trained.test),
            **{f"best.{name}": value for name, value in found.scores[best].items()},
        },
        note="\n".join([f"{best} is {verdict}.", *failures(found.verdict)]),
    )
    if verdict == REJECTED:
        run.outcome = "rejected"
    return _words(found.verdict, found.metrics, audit)


def _words(verdict: Verdict, metrics: Metrics, audit: LeakAudit) -> str:
    from recipeline.evaluation.gates import failures
    from recipeline.reports.summary import explain_split

    best, (low, high) = metrics.best, metrics.best.interval_95["r2"]
    lines = [
        f"{best.candidate} is {verdict.verdict}: R2 {best.r2:.4f} (95 % interval {low:.3f} to {high:.3f}), "
        f"RMSE {best.rmse:.4f}, MAE {best.mae:.4f} on {metrics.test_rows} test rows"
    ]
    lines += [f"  {line}" for line in failures(verdict)]
    return "\n".join([*lines, *(explain_split(audit, metrics) if metrics.leaks else [])])


STEP = Step(
    "evaluate",
    work,
    inputs,
    uses_workers=True,
    reads=(LEADERBOARD, LEAK_AUDIT, OUT_OF_FOLD, TEST, TRAIN),
    writes=(BASELINE, BASELINE_ROWS, DIAGNOSIS, GOLDEN, INTERVAL, METRICS, MODEL_INFO, TEST_PREDICTIONS, VERDICT),
)


@step_command(STEP)
def evaluate() -> None:
    """Score every candidate on the test rows, and judge the best one by the recipe's gates.

    \b
    Reads:  the candidates, out_of_fold.parquet, test.parquet
    Writes: verdict.json, metrics.json, model_info.json, interval.skops, golden.parquet,
            test_predictions.parquet, diagnosis.json, baseline.json, baseline_rows.parquet;
            r2, rmse and mae on each candidate's run
    Example: python -m steps.evaluate
    """


if __name__ == "__main__":
    evaluate()
