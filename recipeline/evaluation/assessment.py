"""The evaluation of trained candidates: test scores, and the best one's verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from recipeline import artifacts as kept
from recipeline.artifacts import Artifact
from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.relating.held_out import HeldOut
from recipeline.data.relating.relations import relate_rows, weigh_rows
from recipeline.data.results import FittedRows, LeakAudit
from recipeline.data.stored_rows import HELD
from recipeline.data.target_codes import TargetCodes, is_predicted
from recipeline.engine.workers import Workers
from recipeline.evaluation.described import FurtherMetric
from recipeline.evaluation.diagnosis import diagnose
from recipeline.evaluation.gates import judge
from recipeline.evaluation.results import Diagnosis, Metrics, Verdict
from recipeline.evaluation.scoring import evaluate_best, measure_leaks, predict_all, score_mean_predictor, score_random_split
from recipeline.evaluation.tasks.every import TASKS
from recipeline.inference.columns import Columns
from recipeline.inference.golden import choose_golden, golden_places
from recipeline.inference.model_info import ModelInfo, describe_model
from recipeline.metrics.two_labels import or_half
from recipeline.monitoring.baseline import describe_baseline, draw_reference
from recipeline.monitoring.results import Baseline
from recipeline.training.fitted_rows import choose_groups


@dataclass(frozen=True)
class Trained:
    """The results of split and train: leaderboard, rows, out-of-fold predictions.

    The best candidate is first. `train` are the rows that models were fitted to, and `fitted` says how many of the training
    rows they are; None: all.
    """

    leaderboard: pd.DataFrame
    train: pd.DataFrame
    test: pd.DataFrame | HeldOut
    out_of_fold: pd.DataFrame
    leak_audit: LeakAudit
    fitted: FittedRows | None = None


@dataclass(frozen=True)
class Predictions:
    """The target, each candidate's predictions and the best one's limits, by column.

    `index` is that of the rows in the table.
    """

    columns: Mapping[str, np.ndarray]
    index: pd.Index

    def frame(self, places: slice) -> pd.DataFrame:
        """Return some rows as a table."""
        return pd.DataFrame({name: values[places] for name, values in self.columns.items()}, index=self.index[places])

    def frames(self) -> Iterator[pd.DataFrame]:
        """Yield all rows as tables of at most HELD cells."""
        at_once = max(1, HELD // max(1, len(self.columns)))
        for start in range(0, max(1, len(self.index)), at_once):
            yield self.frame(slice(start, start + at_once))


@dataclass(frozen=True)
class Evaluation:
    """The results of evaluate, one field for each artifact.

    `scores` are the metrics of the task by candidate. `interval_models` are the tail models if the interval of the best
    candidate depends on the features, else None.
    """

    scores: Mapping[str, Mapping[str, float]]
    verdict: Verdict
    metrics: Metrics
    diagnosis: Diagnosis
    baseline: Baseline
    baseline_rows: pd.DataFrame
    golden: pd.DataFrame
    model_info: ModelInfo
    predictions: Predictions
    interval_models: tuple[BaseEstimator, BaseEstimator] | None

    @property
    def test_predictions(self) -> pd.DataFrame:
        """The target, each candidate's predictions and the best one's limits, by row."""
        return self.predictions.frame(slice(None))

    def artifacts(self) -> list[tuple[Artifact[Any], Any]]:
        """Return the artifacts of evaluate with their values.

        Without interval models there is no interval.skops. The predictions of test rows are not among them: they are written in
        pieces.
        """
        interval = [] if self.interval_models is None else [(kept.INTERVAL, self.interval_models)]
        return [
            (kept.DIAGNOSIS, self.diagnosis),
            (kept.BASELINE, self.baseline),
            (kept.BASELINE_ROWS, self.baseline_rows),
            (kept.GOLDEN, self.golden),
            *interval,
            (kept.MODEL_INFO, self.model_info),
            (kept.VERDICT, self.verdict),
            (kept.METRICS, self.metrics),
        ]


def evaluate_candidates(
    recipe: Recipe, trained: Trained, load_models: Callable[[], dict[str, BaseEstimator]], workers: Workers
) -> Evaluation:
    """Return the test scores of all candidates and the evaluation of the best one.

    `load_models` returns the fitted candidates by name; it is called while the workers fit the tails of the interval.
    """
    board, train, held_out = trained.leaderboard, trained.train, HeldOut.of(trained.test)
    test = held_out.keys
    columns, codes, task = Columns.learn(recipe, train), TargetCodes.learn(recipe, train), TASKS[recipe.task]
    task.require_measurable(codes.of(test, recipe), recipe, codes)
    # The workers have work from here on; what they found is called for when nothing else is left to do.
    measure = task.start_uncertainty(recipe, train, columns, codes, trained.leak_audit.method, workers)
    models = load_models()
    random_split_r2 = _start_random_split(recipe, trained, models, codes, workers)
    predicted, target, counted = predict_all(models, held_out, recipe, codes), codes.of(test, recipe), weigh_rows(test, recipe)
    thresholds = {name: task.threshold(model) for name, model in models.items()}
    scorer = build_scorer(recipe, codes.labels)
    scores = {
        name: scorer.score(target, said, counted, or_half(thresholds[name]), whose=f"the candidate {name}")
        for name, said in predicted.items()
    }

    best = board.iloc[0]
    best_predicted, threshold = predicted[best.candidate], thresholds[best.candidate]
    out_of_fold = codes.from_columns(f"predicted {best.candidate}", trained.out_of_fold)
    scored = is_predicted(out_of_fold)
    certain = measure(out_of_fold, held_out, best_predicted)
    golden = golden_places(best_predicted)
    mean_predictor = score_mean_predictor(train, test, recipe, codes, or_half(threshold))
    verdict, criteria = judge(scores[best.candidate], mean_predictor, recipe.gates, recipe.task, recipe.further)
    return Evaluation(
        scores=scores,
        verdict=Verdict(best.candidate, best.run_id, best.model_id, verdict, criteria),
        metrics=Metrics(
            best=evaluate_best(best.candidate, best_predicted, certain.measured, test, recipe, codes, or_half(threshold)),
            test_rows=len(test),
            rows_out_of_fold=None if scored.all() else int(scored.sum()),
            candidates={
                name: {**scores[name], "cv_mean_score": float(mean), "cv_std": float(std)}
                for name, mean, std in zip(board["candidate"], board["cv_mean_score"], board["cv_std"], strict=True)
            },
            mean_predictor=mean_predictor,
            leaks=measure_leaks(predicted, train, test, recipe, codes),
            random_split_r2=random_split_r2(),
            task=recipe.task,
            more=tuple(FurtherMetric(it.name, it.label, it.greater_is_better) for it in recipe.further),
            ranked_by=recipe.primary_metric or "",
        ),
        diagnosis=diagnose(
            models[best.candidate],
            held_out,
            best_predicted,
            certain,
            recipe,
            columns,
            codes,
            (codes.of(train[scored], recipe), out_of_fold[scored], weigh_rows(train[scored], recipe)),
            or_half(threshold),
        ),
        baseline=describe_baseline(train, out_of_fold, recipe, columns, codes, or_half(threshold)),
        baseline_rows=draw_reference(train[scored], out_of_fold[scored], recipe, columns, codes),
        golden=choose_golden(
            held_out.take(golden, recipe.features),
            best_predicted[golden],
            {name: values[golden] for name, values in certain.answers.items()},
            recipe,
            codes,
        ),
        model_info=describe_model(
            recipe,
            train,
            codes,
            certain.interval,
            certain.prediction_set,
            candidate=best.candidate,
            threshold=threshold,
            coverage=certain.measured.coverage,
            test_rows=certain.measured.rows,
            fitted=trained.fitted,
        ),
        predictions=_join_predictions(predicted, held_out, recipe, certain.answers, codes),
        interval_models=certain.models,
    )


def _start_random_split(
    recipe: Recipe, trained: Trained, models: dict[str, BaseEstimator], codes: TargetCodes, workers: Workers
) -> Callable[[], dict[str, float] | None]:
    """Start to score a plain random split; None if it is one, or would have no twins."""
    audit = trained.leak_audit
    if audit.method == "random" or not (audit.random_split.leaked_rows or audit.columns_of_split):
        return lambda: None
    test = _as_many(HeldOut.of(trained.test), recipe, len(trained.train), trained.fitted)
    return score_random_split(pd.concat([trained.train, test]).sort_index(), models, recipe, codes, workers)


def _as_many(held_out: HeldOut, recipe: Recipe, train_rows: int, fitted: FittedRows | None) -> pd.DataFrame:
    """Return the test rows; of limited training rows, as many as belong to these."""
    if fitted is None:
        return held_out.take(np.arange(len(held_out)))
    share = recipe.split.test_size
    count = max(1, round(train_rows * share / (1 - share)))
    if len(held_out) <= count:
        return held_out.take(np.arange(len(held_out)))
    groups = relate_rows(held_out.keys, recipe).groups
    return held_out.take(np.flatnonzero(choose_groups(groups, count, recipe.random_state)))


def _join_predictions(
    predicted: Mapping[str, np.ndarray],
    held_out: HeldOut,
    recipe: Recipe,
    answers: Mapping[str, np.ndarray],
    codes: TargetCodes,
) -> Predictions:
    """Return the target, each candidate's predictions and the best one's limits."""
    columns: dict[str, np.ndarray] = {}
    for name, said in predicted.items():
        columns |= codes.as_columns(f"predicted {name}", said)
    if answers:
        lower, upper = answers.values()
        columns |= {"interval lower": lower, "interval upper": upper}
    return Predictions(columns | {"target": held_out.keys[recipe.target].to_numpy()}, held_out.index)
