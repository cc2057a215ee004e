"""The evaluation of trained candidates: test scores, and the best one's verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline import artifacts as kept
from recipeline.artifacts import Artifact
from recipeline.config.recipe import Recipe
from recipeline.data.relations import relate_rows, weigh_rows
from recipeline.data.results import LeakAudit
from recipeline.data.splits import cv_folds
from recipeline.engine.local import Workers
from recipeline.evaluation.diagnosis import diagnose
from recipeline.evaluation.gates import judge
from recipeline.evaluation.results import CandidateScores, Diagnosis, Metrics, Scores, Verdict
from recipeline.evaluation.scoring import (
    evaluate_best,
    measure_interval,
    measure_leaks,
    predict_all,
    score_mean_predictor,
    score_random_split,
)
from recipeline.inference.columns import Columns
from recipeline.inference.golden import choose_golden
from recipeline.inference.interval import QUANTILE
from recipeline.inference.model_info import ModelInfo, describe_model
from recipeline.metrics.regression import score_predictions
from recipeline.monitoring.baseline import describe_baseline, draw_reference
from recipeline.monitoring.results import Baseline
from recipeline.training.quantiles import choose_interval, fit_quantiles


@dataclass(frozen=True)
class Trained:
    """The results of split and train: leaderboard, rows, out-of-fold predictions.

    The best candidate is first.
    """

    leaderboard: pd.DataFrame
    train: pd.DataFrame
    test: pd.DataFrame
    out_of_fold: pd.DataFrame
    leak_audit: LeakAudit


@dataclass(frozen=True)
class Evaluation:
    """The results of evaluate, one field for each artifact.

    `scores` is R2, RMSE and MAE by candidate. `interval_models` are the tail models if the interval of the best candidate
    depends on the features, else None.
    """

    scores: Mapping[str, Mapping[str, float]]
    verdict: Verdict
    metrics: Metrics
    diagnosis: Diagnosis
    baseline: Baseline
    baseline_rows: pd.DataFrame
    golden: pd.DataFrame
    model_info: ModelInfo
    test_predictions: pd.DataFrame
    interval_models: tuple[BaseEstimator, BaseEstimator] | None

    def artifacts(self) -> list[tuple[Artifact[Any], Any]]:
        """Return the artifacts of evaluate with their values.

        Without interval models there is no interval.skops.
        """
        interval = [] if self.interval_models is None else [(kept.INTERVAL, self.interval_models)]
        return [
            (kept.DIAGNOSIS, self.diagnosis),
            (kept.BASELINE, self.baseline),
            (kept.BASELINE_ROWS, self.baseline_rows),
            (kept.GOLDEN, self.golden),
            *interval,
            (kept.MODEL_INFO, self.model_info),
            (kept.TEST_PREDICTIONS, self.test_predictions),
            (kept.VERDICT, self.verdict),
            (kept.METRICS, self.metrics),
        ]


def evaluate_candidates(
    recipe: Recipe, trained: Trained, load_models: Callable[[], dict[str, BaseEstimator]], workers: Workers
) -> Evaluation:
    """Return the test scores of all candidates and the evaluation of the best one.

    `load_models` returns the fitted candidates by name; it is called while the workers fit the tails of the interval.
    """
    board, train, test = trained.leaderboard, trained.train, trained.test
    columns, learned = Columns.learn(recipe, train), train[recipe.target].to_numpy(dtype=float)
    codes = pd.DataFrame(columns.matrix(train), columns=list(columns.names))
    folds = cv_folds(train, recipe, trained.leak_audit.method)
    # The workers have work from here on; what they found is called for when nothing else is left to do.
    quantiles = fit_quantiles(codes, learned, folds, workers, seed=recipe.random_state, weights=weigh_rows(train, recipe))
    models = load_models()
    random_split_r2 = _start_random_split(recipe, trained, models, workers)
    predicted, target = predict_all(models, test, recipe), test[recipe.target].to_numpy()
    counted = weigh_rows(test, recipe)
    scores = {name: score_predictions(target, predicted[name].to_numpy(), counted) for name in models}

    best = board.iloc[0]
    best_predicted = predicted[best.candidate].to_numpy()
    out_of_fold = trained.out_of_fold[f"predicted {best.candidate}"].to_numpy()
    tails = quantiles()
    scored, related = ~np.isnan(out_of_fold), relate_rows(train, recipe)
    interval = choose_interval(
        codes.to_numpy()[scored],
        columns.names,
        learned[scored],
        out_of_fold[scored],
        tails.take(scored),
        # Over time the groups remain the same.
        groups=related.groups[scored] if related.column and related.times is None else None,
    )
    limits = interval.around(best_predicted, columns.matrix(test))
    inside = measure_interval(target, limits, interval.level, relate_rows(test, recipe))
    mean_predictor = score_mean_predictor(train, test, recipe)
    verdict, criteria = judge(Scores(**scores[best.candidate]), mean_predictor, recipe.gates)
    return Evaluation(
        scores=scores,
        verdict=Verdict(best.candidate, best.run_id, best.model_id, verdict, criteria),
        metrics=Metrics(
            best=evaluate_best(best.candidate, target, best_predicted, inside, test, recipe),
            test_rows=len(test),
            rows_out_of_fold=None if scored.all() else int(scored.sum()),
            candidates={
                name: CandidateScores(**scores[name], cv_mean_score=mean, cv_std=std)
                for name, mean, std in zip(board["candidate"], board["cv_mean_score"], board["cv_std"], strict=True)
            },
            mean_predictor=mean_predictor,
            leaks=measure_leaks(predicted, train, test, recipe),
            random_split_r2=random_split_r2(),
        ),
        diagnosis=diagnose(models[best.candidate], test, best_predicted, limits, recipe, columns),
        baseline=describe_baseline(train, out_of_fold, recipe, columns),
        baseline_rows=draw_reference(train[scored], out_of_fold[scored], recipe, columns),
        golden=choose_golden(test, best_predicted, limits, recipe),
        model_info=describe_model(
            recipe, train, interval, candidate=best.candidate, coverage=inside.coverage, test_rows=inside.rows
        ),
        test_predictions=_join_predictions(predicted, target, limits),
        interval_models=tails.models if interval.method == QUANTILE else None,
    )


def _start_random_split(
    recipe: Recipe, trained: Trained, models: dict[str, BaseEstimator], workers: Workers
) -> Callable[[], dict[str, float] | None]:
    """Start to score a plain random split; None if it is one, or would have no twins."""
    audit = trained.leak_audit
    if audit.method == "random" or not (audit.random_split.leaked_rows or audit.columns_of_split):
        return lambda: None
    return score_random_split(pd.concat([trained.train, trained.test]).sort_index(), models, recipe, workers)


def _join_predictions(predicted: pd.DataFrame, target: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> pd.DataFrame:
    """Return the target, each candidate's predictions and the best one's limits.

    The index is that of the rows.
    """
    named = predicted.add_prefix("predicted ")
    return named.assign(**{"interval lower": limits[0], "interval upper": limits[1], "target": target})
