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
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from sklearn.base import BaseEstimator

    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun


def inputs(session: Session) -> dict[str, Any]:
    """Return the settings that decide what is measured and what is good enough."""
    slices = session.recipe.promotion.guard_rails.model_dump(mode="json", include={"slices"})
    return session.recipe.part(["task", "target", "random_state", "metrics", "gates"]) | {"guard_rails": slices}


def work(session: Session, run: StepRun) -> str:
    """Score the candidates, measure the best one closely, judge it, and keep rows that any copy of it must answer alike."""
    from recipeline.data.splits import cv_folds
    from recipeline.evaluation.diagnosis import diagnose
    from recipeline.evaluation.gates import REJECTED, failures, judge
    from recipeline.evaluation.scoring import evaluate_best, measure_interval, measure_leaks, predict_all, score_mean_predictor
    from recipeline.inference.golden import choose_golden
    from recipeline.inference.interval import QUANTILE
    from recipeline.inference.model_info import describe_model
    from recipeline.metrics.regression import score_predictions
    from recipeline.monitoring.baseline import describe_baseline, draw_reference
    from recipeline.training.quantiles import choose_interval, fit_quantiles

    recipe = session.recipe
    board, train, test, audit = run.load(LEADERBOARD), run.load(TRAIN), run.load(TEST), run.load(LEAK_AUDIT)
    features, learned = train[list(recipe.features)], train[recipe.target].to_numpy(dtype=float)
    folds = cv_folds(train, recipe, audit["method"])
    # The workers have work from here on; what they found is called for when nothing else is left to do.
    quantiles = fit_quantiles(features, learned, folds, session.workers, seed=recipe.random_state)
    models = {str(row.candidate): run.load_model("train", str(row.model_id)) for row in board.itertuples()}
    random_split_r2 = _random_split_r2(session, audit, train, test, models)
    predicted = predict_all(models, test, recipe)
    target = test[recipe.target].to_numpy()
    scores = {name: score_predictions(target, predicted[name].to_numpy()) for name in models}
    _log_scores(run, board, scores)

    best = board.iloc[0]
    best_predicted = predicted[best.candidate].to_numpy()
    out_of_fold = run.load(OUT_OF_FOLD)[f"predicted {best.candidate}"].to_numpy()
    tails = quantiles()
    interval = choose_interval(features, learned, out_of_fold, tails)
    limits = interval.around(best_predicted, test[list(recipe.features)].to_numpy(dtype=float))
    inside = measure_interval(target, limits, interval.level)
    run.save(DIAGNOSIS, diagnose(models[best.candidate], test, best_predicted, limits, recipe))
    run.save(BASELINE, describe_baseline(train, out_of_fold, recipe))
    run.save(BASELINE_ROWS, draw_reference(train, out_of_fold, recipe))
    run.save(GOLDEN, choose_golden(test, best_predicted, limits, recipe))
    if interval.method == QUANTILE:
        run.save(INTERVAL, tails.models)
    run.save(MODEL_INFO, describe_model(recipe, train, interval, candidate=best.candidate, measured=inside))
    run.save(TEST_PREDICTIONS, _test_predictions(predicted, target, limits))
    mean_predictor = score_mean_predictor(train, test, recipe.target)
    verdict = {
        "candidate": best.candidate,
        "run_id": best.run_id,
        "model_id": best.model_id,
        **judge(scores[best.candidate], mean_predictor, recipe.gates),
    }
    metrics = {
        "best": {
            "candidate": best.candidate,
            **scores[best.candidate],
            **evaluate_best(target, best_predicted, test, recipe),
            "interval_90": inside,
        },
        "test_rows": len(test),
        "candidates": {
            name: {"cv_mean_score": mean, "cv_std": std, **scores[name]}
            for name, mean, std in zip(board["candidate"], board["cv_mean_score"], board["cv_std"], strict=True)
        },
        "mean_predictor": mean_predictor,
        "leaks": measure_leaks(predicted, train, test, recipe),
        "random_split_r2": random_split_r2(),
    }
    run.save(VERDICT, verdict)
    run.save(METRICS, metrics)
    run.tag(verdict=verdict["verdict"])
    run.show(
        params={"best_candidate": best.candidate, "verdict": verdict["verdict"]},
        metrics={"test_rows": len(test), **{f"best.{name}": value for name, value in scores[best.candidate].items()}},
        note="\n".join([f"{best.candidate} is {verdict['verdict']}.", *failures(verdict)]),
    )
    if verdict["verdict"] == REJECTED:
        run.outcome = "rejected"
    return _words(verdict, metrics, audit)


def _log_scores(run: StepRun, board: pd.DataFrame, scores: dict[str, dict[str, float]]) -> None:
    """Add the test metrics to each candidate's run."""
    from mlflow.entities import Metric

    from recipeline.tracking.store import now_ms

    now = now_ms()
    for row in board.itertuples():
        run.client.log_batch(
            row.run_id, metrics=[Metric(name, value, now, 0) for name, value in scores[str(row.candidate)].items()]
        )


def _random_split_r2(
    session: Session, audit: dict[str, Any], train: pd.DataFrame, test: pd.DataFrame, models: dict[str, BaseEstimator]
) -> Callable[[], dict[str, float] | None]:
    """Start to find out what a plain random split would say; None where this is one, or where it would leak nothing."""
    import pandas as pd

    from recipeline.evaluation.scoring import score_random_split

    if audit["method"] == "random" or not audit["random_split"]["leaked_rows"]:
        return lambda: None
    return score_random_split(pd.concat([train, test]).sort_index(), models, session.recipe, session.workers)


def _test_predictions(predicted: pd.DataFrame, target: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> pd.DataFrame:
    """Return the target, what each candidate predicts, and the limits around the best one's predictions, by row."""
    named = predicted.add_prefix("predicted ")
    return named.assign(**{"interval lower": limits[0], "interval upper": limits[1], "target": target})


def _words(verdict: dict[str, Any], metrics: dict[str, Any], audit: dict[str, Any]) -> str:
    from recipeline.evaluation.gates import failures
    from recipeline.reports.summary import explain_split

    best, interval = metrics["best"], metrics["best"]["interval_95"]
    lines = [
        f"{best['candidate']} is {verdict['verdict']}: R2 {best['r2']:.4f} (95 % interval {interval['r2'][0]:.3f} to "
        f"{interval['r2'][1]:.3f}), RMSE {best['rmse']:.4f}, MAE {best['mae']:.4f} on {metrics['test_rows']} test rows"
    ]
    lines += [f"  {line}" for line in failures(verdict)]
    return "\n".join([*lines, *(explain_split(audit, metrics) if metrics["leaks"] else [])])


STEP = Step("evaluate", work, inputs, uses_workers=True)


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
