"""Promotion of a challenger: decision, and its execution under the lock.

The champion must still be the one that the challenger was compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import DECISION
from recipeline.config.profile import Policy
from recipeline.config.recipe import Recipe
from recipeline.engine.workers import Workers
from recipeline.promotion.results import Decision, RecordedDecision
from recipeline.registry.decision import decide, name_of, require_champion
from recipeline.registry.ledger import FORCED, PROMOTE, ChangedBy
from recipeline.registry.loading import load_golden
from recipeline.registry.versions import Registry
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import VersionTags

#: The rules by which a version is decided on without being held against the champion.
_NOT_HELD_AGAINST = ("same-version", "policy-never", "forced")


def promote_version(
    number: str,
    policy: Policy,
    *,
    run: StepRun,
    recipe: Recipe,
    workers: Workers,
    registry: Registry,
    changed_by: ChangedBy,
    say: Callable[[str], None],
    advance: Callable[[str, int, int], None],
) -> tuple[ModelVersion, Decision]:
    """Decide on the version `number` and carry out the decision; return both.

    The measurement takes up to minutes in which others may change the champion: then the decision is repeated. It is an
    artifact of `run`, and its sha256 the evidence of the ledger's entry.

    Raises
    ------
    UnavailableError : the version, its rows, or the model of a champion that stays are not available.
    """
    while True:
        with registry.locked():
            notes = registry.reconcile(changed_by)
            challenger, champion = registry.version(number), registry.champion()
        for note in notes:
            say(f"warning: {note}")
        load = cache(partial(load_golden, run.reader.fresh(), challenger))
        decision = decide(
            challenger,
            champion,
            policy,
            run=run,
            recipe=recipe,
            workers=workers,
            registry=registry,
            changed_by=changed_by,
            load=load,
            say=say,
            advance=advance,
        )
        if champion and not decision.promoted:
            require_champion(champion, run.reader)  # one that stays and cannot be loaded is a failure, whatever the rule
        digest = run.save(DECISION, RecordedDecision(**vars(decision), policy=policy, version=number))
        if decision.rule not in _NOT_HELD_AGAINST:
            against = {
                VersionTags.HELD_AGAINST: name_of(champion),
                VersionTags.GATE_PASSED: str(decision.passed).lower(),
                VersionTags.GATE_RUN_ID: run.id,
            }
            registry.note(number, against)
        if not decision.promoted:
            return registry.known_version(number), decision
        load()
        entry = registry.change(
            number,
            expected=str(champion.version) if champion else "",
            kind=FORCED if decision.rule == "forced" else PROMOTE,
            reason=f"{decision.rule}: {decision.reason}",
            changed_by=changed_by,
            evidence=digest,
        )
        if entry is not None:
            return registry.known_version(number), decision
        say("the champion was changed meanwhile: deciding again")
