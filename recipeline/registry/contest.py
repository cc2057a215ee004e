"""The comparison of challenger and champion: the evidence for the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from sklearn.base import BaseEstimator, clone

from recipeline.artifacts import DATASET, OUT_OF_FOLD, TRAINING_ROWS
from recipeline.config.measuring.scoring import build_scorer
from recipeline.config.recipe import Recipe
from recipeline.data.relating.grouping import count_distinct, hash_features, is_among, value_keys
from recipeline.data.relating.relations import group_rows, read_instants, read_keys, relate_rows, weigh_rows
from recipeline.data.splits import cv_folds
from recipeline.data.stored_rows import StoredRows
from recipeline.data.target_codes import TargetCodes, fit_target
from recipeline.engine.workers import Workers
from recipeline.errors import DataError, UnavailableError
from recipeline.evaluation.tasks.every import TASKS as EVALUATION_TASKS
from recipeline.inference.asking import ask_model
from recipeline.metrics.skill import skill_score
from recipeline.promotion.gain import Answers, cross_validate, keep_answered, measure_gain
from recipeline.promotion.gate import Rule, corrected_level
from recipeline.promotion.guard_rails import measure_rails, one_row_latency, slice_errors
from recipeline.promotion.results import CHALLENGER, CHAMPION, MEAN_PREDICTOR, CumulativeGain, Evidence
from recipeline.registry.loading import features_of, load_version
from recipeline.tracking.lineage import find_fitted, load_fitted
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import PREFIX, VersionTags
from recipeline.training.fitted_rows import KEY, choose_groups, limit_rows
from recipeline.training.scaling import find_limit
from recipeline.training.tasks.every import TASKS

#: Fitted models answer at most so many unseen rows: more would tell the gain no better than its guard rails need.
MOST_UNSEEN = 1_000_000

#: The measurements of a rule besides the gain, by their names in the evidence.
Details = dict[str, Any]


@dataclass(frozen=True)
class Contest:
    """A challenger and its champion on the rows of the challenger's lineage.

    The champion is None for a comparison with the mean predictor. `run` has that lineage; `candidates` were compared before the
    challenger was chosen, and it is the `attempt`-th at this champion. `origin` is the last champion promoted by its recipe;
    None: this one. Models are fitted to at most `max_rows` of the rows, as train fitted the challenger; None: to all. `advance`
    receives the arm of each fit, and the numbers of fits done and in all.
    """

    run: StepRun
    recipe: Recipe
    workers: Workers
    model_name: str
    challenger: ModelVersion
    champion: ModelVersion | None
    candidates: int
    attempt: int
    origin: ModelVersion | None = None
    max_rows: int | None = None
    advance: Callable[[str, int, int], None] = lambda *_: None

    def measure(self, rule: Rule, model: BaseEstimator) -> Evidence:
        """Return the evidence that `rule` requires; `model` is the fitted challenger.

        Raises
        ------
        UnavailableError : a model or its training rows are not available; or the champion does not accept the rows.
        """
        rows = self.run.open(DATASET)
        answers, details = {"first": self._first, "recipe": self._recipes, "refresh": self._refreshed}[rule](model, rows)
        settings = self.recipe.promotion
        # Where a row was seen by neither, and the recipe is the same, nothing was chosen on these rows.
        candidates = 1 if rule == "refresh" else self.candidates
        level = corrected_level(settings.alpha, candidates=candidates, attempt=self.attempt)
        measure = partial(
            measure_gain,
            level=level,
            draws=settings.bootstrap_draws,
            seed=self.recipe.random_state,
            scorer=build_scorer(self.recipe, answers.codes.labels),
            thresholds=self._thresholds(model),
        )
        gain, cumulative = measure(answers), None
        if rule == "refresh" and self.origin is not None:
            since = measure(self._fitted(model, rows, self.origin)[0])
            cumulative = CumulativeGain(**vars(since), champion=str(self.origin.version))
        rails = measure_rails(
            settings.guard_rails,
            gain,
            slice_errors(answers, settings.guard_rails.slices),
            one_row_latency(
                model,
                rows.take(np.arange(1), features_of(self.run.reader, self.challenger)),
                limit=settings.guard_rails.latency_ms,
            ),
            task=self.recipe.task,
            against_champion=self.champion is not None,
            more=self.recipe.further,
        )
        return Evidence(
            **vars(gain),
            champion=str(self.champion.version) if self.champion else MEAN_PREDICTOR,
            needed=-settings.margin if rule == "refresh" else 0.0,
            candidates=candidates,
            attempt=self.attempt,
            guard_rails=tuple(rails),
            data_digest=self.run.parent_tag("data_digest"),
            cumulative=cumulative,
            **details,
        )

    def _thresholds(self, model: BaseEstimator) -> dict[str, float]:
        """Return the thresholds of both models' decisions; empty where the task has none."""
        find = EVALUATION_TASKS[self.recipe.task].threshold
        ours = find(model)
        if ours is None:
            return {}
        theirs = find(load_version(self.run.reader, self.champion)) if self.champion is not None else None
        return {CHALLENGER: ours} if theirs is None else {CHALLENGER: ours, CHAMPION: theirs}

    def _uri(self, version: ModelVersion) -> str:
        return f"models:/{self.model_name}/{version.version}"

    def _first(self, _: BaseEstimator, __: StoredRows) -> tuple[Answers, Details]:
        """Compare the out-of-fold predictions with the mean of each fold's rows."""
        train, out_of_fold = load_fitted(self.run), self.run.load(OUT_OF_FOLD)
        codes, fitted_target = TargetCodes.learn(self.recipe, train), fit_target(train, self.recipe)
        target = codes.encode(fitted_target)
        name = self.challenger.tags[VersionTags.CANDIDATE]
        folds, mean = np.full((len(train), 1), -1), np.full((len(train), 1, *target.shape[1:]), np.nan)
        simple = TASKS[codes.task].simple()
        linear: np.ndarray | None = None if simple is None else np.full(target.shape, np.nan)
        features = train[list(self.recipe.features)]
        weights = weigh_rows(train, self.recipe)
        for fold, (seen, unseen) in enumerate(cv_folds(train, self.recipe, self.run_tag("split_method"))):
            learned = None if weights is None else weights[seen]
            folds[unseen], mean[unseen] = (
                fold,
                target[seen].mean(axis=0) if learned is None else np.average(target[seen], axis=0, weights=learned),
            )
            try:
                if linear is not None:
                    fitted = clone(simple).fit(features.iloc[seen], fitted_target[seen], sample_weight=learned)
                    linear[unseen] = ask_model(fitted, features.iloc[unseen], codes)
            except (TypeError, ValueError):  # it takes no missing values, text or dates
                linear = None
        predicted = {CHALLENGER: codes.from_columns(f"predicted {name}", out_of_fold)[:, None], CHAMPION: mean}
        related = relate_rows(train, self.recipe)
        answers = keep_answered(Answers(target, related, predicted, folds, weights=weights, codes=codes, against_mean=True))
        scored = folds[:, 0] >= 0
        r2 = None if linear is None else skill_score(answers.target, linear[scored], answers.weights)
        return answers, {"r2_linear_regression": r2, "limited": find_fitted(self.run)[1]}

    def _recipes(self, model: BaseEstimator, rows: StoredRows) -> tuple[Answers, Details]:
        """Cross-validate both recipes on all rows, or on as many as are fitted to.

        Each is rebuilt from its logged model.
        """
        assert self.champion is not None
        settings, codes = self.recipe.promotion, self._learn_codes(rows)
        try:
            table, limited = limit_rows(rows, self.recipe, self.run_tag("split_method"), self.max_rows)
        except DataError as error:
            raise UnavailableError(error.sentence) from None
        versions = {CHALLENGER: self.challenger, CHAMPION: self.champion}
        models = {CHALLENGER: model, CHAMPION: load_version(self.run.reader, self.champion)}
        for arm, version in versions.items():
            if found := find_limit(models[arm], len(table)):
                problem = f"The model {self._uri(version)} would be fitted to {len(table):,} rows: {found}."
                raise UnavailableError(problem, fix=f"Set {KEY} in the profile and train again, or use promote=always.")
        arms = {arm: (models[arm], table[self._names(version, rows.columns)]) for arm, version in versions.items()}
        try:
            answers = cross_validate(
                arms,
                fit_target(table, self.recipe),
                relate_rows(table, self.recipe),
                codes=codes,
                folds=self.recipe.cv.folds,
                repeats=settings.repeats,
                seed=self.recipe.random_state,
                workers=self.workers,
                weights=weigh_rows(table, self.recipe),
                advance=self.advance,
            )
        except (ValueError, TypeError) as error:  # scikit-learn's words for rows that an estimator refuses
            raise _not_comparable(self._uri(self.champion), " ".join(str(error).split())[:200]) from None
        return answers, {"limited": limited}

    def _refreshed(self, model: BaseEstimator, rows: StoredRows) -> tuple[Answers, Details]:
        assert self.champion is not None
        answers, unseen = self._fitted(model, rows, self.champion)
        return answers, {"unseen_rows": unseen}

    def _fitted(self, model: BaseEstimator, rows: StoredRows, champion: ModelVersion) -> tuple[Answers, int]:
        """Let both fitted models answer the rows that neither learned from.

        The number of these comes with the answers. If it is above `MOST_UNSEEN`, only whole groups of that many rows are
        asked.
        """
        keys = read_keys(rows, self.recipe) if rows.is_large else rows.read().reset_index(drop=True)
        unseen = self._unseen(keys, champion)
        asked, count = keys[unseen], int(unseen.sum())
        if count > MOST_UNSEEN:
            groups = group_rows(asked, self.recipe)
            chosen = choose_groups(groups, MOST_UNSEEN, self.recipe.random_state)
            asked = asked[chosen] if count_distinct(groups[chosen]) > 1 else asked
        related = relate_rows(asked, self.recipe)
        alone = [way.unit for way in related.evidence() if way.is_clustered and way.count < 2]
        if asked[self.recipe.target].nunique() < 2 or alone:
            raise UnavailableError(
                "Rows that neither model has seen must have different targets.",
                got=f"{count} rows{f' of a single one of the {alone[0]}' if alone and count else ''}",
                fix="Wait for more data.",
            )
        codes, arms = self._learn_codes(rows), {}
        for arm, version in ((CHALLENGER, self.challenger), (CHAMPION, champion)):
            fitted = model if arm == CHALLENGER else load_version(self.run.reader, version)
            arms[arm] = fitted, self._names(version, rows.columns)
        predicted, weights = _ask(arms, rows, asked.index.to_numpy(), codes), weigh_rows(asked, self.recipe)
        return Answers(codes.of(asked, self.recipe), related, predicted, weights=weights, codes=codes), count

    def _learn_codes(self, rows: StoredRows) -> TargetCodes:
        return TargetCodes.learn(self.recipe, rows.read([self.recipe.target]))

    def _unseen(self, table: pd.DataFrame, champion: ModelVersion) -> np.ndarray:
        """Return a mask of the rows that neither model learned from.

        With `split.group` they are of groups that neither learned from. With `split.time` they are later than all that either
        learned from, by more than the embargo.
        """
        seen = pd.concat([self._training_rows(version) for version in (self.challenger, champion)])
        unseen: np.ndarray = ~is_among(hash_features(table, self.recipe.features), seen.iloc[:, 0].to_numpy())
        split = self.recipe.split
        if split.group and not split.time:
            unseen &= ~is_among(value_keys(table[split.group]), seen["group"].to_numpy())
        if split.time:
            unseen &= read_instants(table[split.time]) > seen["time"].max() + split.gap
        return unseen

    def _names(self, version: ModelVersion, columns: Sequence[str]) -> list[str]:
        """Return the columns that a version's model takes, which must be among `columns`."""
        names = features_of(self.run.reader, version)
        missing = [name for name in names if name not in columns]
        if missing:
            raise _not_comparable(self._uri(version), f"no column '{missing[0]}'")
        return names

    def _training_rows(self, version: ModelVersion) -> pd.DataFrame:
        return self.run.reader.load(TRAINING_ROWS, version.tags.get(VersionTags.REGISTER_RUN_ID, ""))

    def run_tag(self, name: str) -> str:
        """Return a tag of the challenger."""
        return str(self.challenger.tags.get(f"{PREFIX}{name}", ""))


def _ask(
    arms: Mapping[str, tuple[BaseEstimator, list[str]]], rows: StoredRows, places: np.ndarray, codes: TargetCodes
) -> dict[str, np.ndarray]:
    """Return the predictions of both arms, (rows, 1) or (rows, 1, labels).

    An arm is a model with the columns that it takes; rows are read in batches.
    """
    parts: dict[str, list[np.ndarray]] = {arm: [] for arm in arms}
    for batch in rows.select(places, [*dict.fromkeys(name for _, names in arms.values() for name in names)]):
        for arm, (fitted, names) in arms.items():
            if len(batch):
                parts[arm].append(ask_model(fitted, batch[names], codes))
    return {arm: np.concatenate(found)[:, None] for arm, found in parts.items()}


def _not_comparable(uri: str, got: str) -> UnavailableError:
    return UnavailableError(
        f"The model {uri} must accept the rows of the data set.", got=got, fix="Use promote=always to replace it anyway."
    )
