"""The decision on a challenger: rule, measurement and record in the registry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import GOLDEN
from recipeline.config.profile import Policy
from recipeline.config.recipe import Recipe
from recipeline.engine.workers import Workers
from recipeline.errors import UnavailableError
from recipeline.metrics.catalogue import skill_of
from recipeline.promotion.gate import Contender, Rule, choose_rule, judge
from recipeline.promotion.results import MEAN_PREDICTOR, Decision, Evidence
from recipeline.registry.facts import digests_of, facts_of
from recipeline.registry.ledger import EXTERNAL, FORCED, ROLLBACK, ChangedBy
from recipeline.registry.shadow import find_shadow
from recipeline.registry.tries import count_looks, look_of, record_attempt
from recipeline.registry.versions import Registry
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.lineage import find_fitted, run_of_version
from recipeline.tracking.models import feature_names, model_id_of
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import VersionTags, run_id_tag

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def as_contender(version: ModelVersion) -> Contender:
    """Return the version as the promotion gate sees it."""
    tags, digests = version.tags, digests_of(version)
    return Contender(
        version=str(version.version),
        verdict=tags.get(VersionTags.VERDICT, "unknown"),
        data_source=tags.get(VersionTags.DATA_SOURCE, "unknown"),
        split_method=tags.get(VersionTags.SPLIT_METHOD, "unknown"),
        recipe=digests["recipe_digest"],
        training_rows=digests["training_rows"],
        environment=digests["environment_digest"],
        withdrawn=tags.get(VersionTags.WITHDRAWN, ""),
    )


def decide(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    policy: Policy,
    *,
    run: StepRun,
    recipe: Recipe,
    workers: Workers,
    registry: Registry,
    changed_by: ChangedBy,
    load: Callable[[], BaseEstimator],
    say: Callable[[str], None],
    advance: Callable[[str, int, int], None],
) -> Decision:
    """Decide whether `challenger` replaces `champion`, with measured evidence.

    The evidence is recorded in the decision and on the challenger's tags. `load` returns the challenger's model after a check
    of its golden rows; `say` receives progress messages.

    Raises
    ------
    UnavailableError : the challenger or its training rows are not available.
    """
    found = choose_rule(as_contender(challenger), as_contender(champion) if champion else None, policy)
    if isinstance(found, Decision):
        return found
    if found == "recipe":
        workers.start()  # while this process imports what measures
    from recipeline.registry.contest import Contest  # scikit-learn, which a chain that is all cached does not need

    rule, held_against = found, name_of(champion)
    number, own = (str(champion.version), look_of(as_contender(champion).recipe)) if champion else ("", "")
    words = f"version {challenger.version} is compared with {held_against}, rule {rule}, random_state {recipe.random_state}"
    max_rows, _ = find_fitted(run)
    with registry.locked(goes_on=True):
        attempt = record_attempt(registry, _attempt_key(rule, challenger, run, recipe, max_rows), number, words, changed_by)
        looks = count_looks(registry, number, own)
    contest = Contest(
        run=run,
        recipe=recipe,
        workers=workers,
        model_name=registry.name,
        challenger=challenger,
        champion=champion,
        candidates=max(_count_compared(run.reader, challenger), looks),
        attempt=attempt,
        advance=advance,
        max_rows=max_rows,
        origin=find_origin(registry, champion) if champion and rule == "refresh" else None,
    )
    if rule == "recipe":
        limited = f" of at most {max_rows:,} rows (engine.max_train_rows)" if max_rows else ""
        say(f"measuring version {challenger.version} against version {held_against} on the same folds{limited}")
    model = load()
    try:
        if champion and rule == "recipe" and (thresholds := _changed_thresholds(challenger, champion, model, run.reader)):
            words = "it is the model of version {} with another decision: the threshold {:.4g} instead of {:.4g}"
            reason = words.format(champion.version, *thresholds)
            return Decision("kept", "decision", f"{reason}, which no skill shows: it awaits `approve`", passed=True)
        evidence = contest.measure(rule, model)
        shadow = find_shadow(run.client, run.reader, recipe.name, challenger, champion) if champion else None
    except UnavailableError as error:
        if champion is None:
            raise
        return Decision(
            "kept", "not-comparable", f"the two cannot be compared: {error.sentence.removesuffix('.')}", passed=False
        )
    opponent = f"version {champion.version}" if champion else "the mean predictor"
    decision = judge(
        rule,
        evidence,
        evidence.guard_rails,
        recipe.promotion,
        policy=policy,
        opponent=opponent,
        skill=skill_of(recipe.task).label,
        cumulative=evidence.cumulative,
    )
    measured = {VersionTags.GATE_RULE: rule, VersionTags.GATE_GAIN: evidence.gain, VersionTags.GATE_LOWER: evidence.lower}
    registry.note(str(challenger.version), measured)
    return replace(decision, evidence=replace(evidence, shadow=shadow))


def _changed_thresholds(
    challenger: ModelVersion, champion: ModelVersion, model: BaseEstimator, reader: Reader
) -> tuple[float, float] | None:
    """Return both thresholds where two versions differ in their decision alone."""
    from recipeline.registry.loading import load_version
    from recipeline.training.decision import find_changed_threshold

    ours, theirs = as_contender(challenger), as_contender(champion)
    if (ours.training_rows, ours.environment) != (theirs.training_rows, theirs.environment):
        return None
    return find_changed_threshold(model, load_version(reader, champion))


def require_champion(champion: ModelVersion, reader: Reader) -> None:
    """Raise UnavailableError if files of the champion are missing or changed.

    They are its model and its golden rows.
    """
    tags = champion.tags
    try:
        if run_id_tag("train") in tags:
            reader.require_model(model_id_of(champion), tags[run_id_tag("train")])
            reader.load(GOLDEN, run_of_version(champion, GOLDEN.step))
        else:  # registered by other means: there are no digests of its files
            feature_names(f"models:/{champion.name}/{champion.version}")
    except UnavailableError as error:
        raise UnavailableError(
            f"Version {champion.version} of {champion.name} is in Production and cannot be loaded. {error.sentence}",
            fix="Or restore a backup, `recipeline rollback`, or replace it with promote=always.",
        ) from None


def find_origin(registry: Registry, champion: ModelVersion) -> ModelVersion | None:
    """Return the last champion promoted by its recipe; None if it is `champion`.

    Only refreshes have followed it. A rollback restores an earlier promotion. A version that was forced, or whose predecessor
    was deleted, counts as an origin.
    """
    version, versions = champion, {str(it.version): it for it in registry.versions()}
    for entry in reversed(registry.ledger.read().changes):
        if entry.after == str(version.version) and entry.kind not in (ROLLBACK, EXTERNAL):
            is_refresh = entry.kind != FORCED and version.tags.get(VersionTags.GATE_RULE) == "refresh"
            if not is_refresh or entry.before not in versions:
                break
            version = versions[entry.before]
    return None if version.version == champion.version else version


def _attempt_key(rule: Rule, challenger: ModelVersion, run: StepRun, recipe: Recipe, max_rows: int | None) -> str:
    """Return a digest of what the measurement depends on, besides the champion."""
    settings = [recipe.random_state, recipe.cv.folds, recipe.promotion.repeats, recipe.promotion.bootstrap_draws]
    settings += [] if max_rows is None else [max_rows]
    content = json.dumps([rule, str(challenger.version), run.parent_tag("data_digest"), *settings])
    return hashlib.sha256(content.encode()).hexdigest()


def _count_compared(reader: Reader, challenger: ModelVersion) -> int:
    """Return the number of settings that the challenger was chosen from.

    It is 1 for a version that was registered outside of the pipeline.
    """
    count = challenger.tags.get(VersionTags.CANDIDATES_COMPARED)  # of a version of 0.2.0 and before
    return int(count or facts_of(reader, challenger).get("candidates_compared", 1))


def name_of(champion: ModelVersion | None) -> str:
    """Return the name of the comparison: the champion's version or mean predictor."""
    return str(champion.version) if champion else MEAN_PREDICTOR


def gains_of(evidence: Evidence | None) -> dict[str, float]:
    """Return a decision's gain and lower limit as metrics; empty if not measured."""
    return {"best.gain": evidence.gain, "best.gain_lower": evidence.lower} if evidence else {}
