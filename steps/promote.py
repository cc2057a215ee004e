"""Promote: put the challenger into Production where it has earned it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast, get_args

import click

from recipeline.artifacts import DECISION, VERSION
from recipeline.cli.command import step_command
from recipeline.config.profile import Policy
from recipeline.errors import UnavailableError, UsageError, nearest
from recipeline.orchestration.session import Session
from recipeline.orchestration.step import Step
from recipeline.promotion.gate import Decision, Rule, choose_rule, judge
from recipeline.registry.contest import as_contender
from recipeline.registry.ledger import FORCED, PROMOTE
from recipeline.registry.loading import load_golden
from recipeline.registry.stages import CHAMPION
from recipeline.tracking.runs import StepRun

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

POLICIES = get_args(Policy)


def choose_policy(session: Session, promote: str) -> Policy:
    """Return the policy `promote`, or the profile's where it is empty. Raises UsageError where there is no such policy."""
    if promote and promote not in POLICIES:
        raise UsageError(f"promote must be one of {', '.join(POLICIES)}.", got=f"'{promote}'", fix=nearest(promote, POLICIES))
    return cast(Policy, promote or session.profile.promote)


def inputs(session: Session, promote: str) -> dict[str, Any]:
    """Return the settings that decide what may be promoted."""
    return {**session.recipe.part(["model_name", "target", "promotion"]), "promote": choose_policy(session, promote)}


def work(session: Session, run: StepRun, promote: str) -> str:
    """Decide by the promotion gate, and carry the decision out."""
    policy = choose_policy(session, promote)
    if run.parent_tag("outcome") == "rejected":
        raise UnavailableError(
            "register_run_id must be a run that registered a version.",
            got=f"'{run.lineage['register']}', whose model was rejected,",
            fix="See its verdict with `mlflow ui`; improve the candidates or the data, or change the gates in the recipe.",
        )
    registry, hand = session.registry, session.hand(run)
    for note in registry.settle(hand):
        session.reporter.say(f"warning: {note}")
    number = str(run.load(VERSION)["version"])
    # Measuring may take minutes, and nobody waits for it: where the champion is another one by then, it is done again.
    while True:
        challenger, champion = registry.version(number), registry.holder(CHAMPION)
        load = cache(partial(load_golden, run.reader, challenger))
        decision = _decide(session, run, challenger, champion, policy, load)
        digest = run.save(DECISION, {"policy": policy, "version": str(challenger.version), **decision.as_dict()})
        if decision.rule not in ("same-version", "policy-never", "forced"):
            against = {"held_against": _name(champion), "gate_passed": str(decision.passed).lower(), "gate_run_id": run.id}
            registry.note(str(challenger.version), against)
        if not decision.promoted:
            break
        load()
        entry = registry.change(
            str(challenger.version),
            expected=str(champion.version) if champion else "",
            kind=FORCED if decision.rule == "forced" else PROMOTE,
            reason=f"{decision.rule}: {decision.reason}",
            hand=hand,
            evidence=digest,
        )
        if entry is not None:
            break
        session.reporter.say("the champion was changed meanwhile: deciding again")
    run.outcome = decision.outcome
    run.tag(model_version=challenger.version, decision_rule=decision.rule, decision_reason=decision.reason)
    stage = registry.version(number).current_stage
    return f"version {challenger.version} {decision.outcome} (now in {stage}): {decision.reason} [{decision.rule}]"


def _decide(
    session: Session,
    run: StepRun,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    policy: Policy,
    load: Callable[[], Any],
) -> Decision:
    ours, theirs = as_contender(challenger), as_contender(champion) if champion else None
    found = choose_rule(ours, theirs, policy)
    if isinstance(found, Decision):
        return found
    return _measure(session, run, challenger, champion, found, policy, load)


def _measure(
    session: Session,
    run: StepRun,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    rule: Rule,
    policy: Policy,
    load: Callable[[], Any],
) -> Decision:
    """Return the decision of a rule that needs evidence, and keep the evidence with the run and the version."""
    from dataclasses import asdict, replace

    from recipeline.registry.contest import Contest

    registry, held_against = session.registry, _name(champion)
    # Each other version that was measured against this champion was an attempt; a refresh is measured on rows of its own.
    mark = f"measured_against_{held_against.replace(' ', '_')}"
    before = [v for v in registry.versions() if v.version != challenger.version and f"recipeline.{mark}" in v.tags]
    contest = Contest(
        run=run,
        recipe=session.recipe,
        workers=session.workers,
        model_name=registry.name,
        challenger=challenger,
        champion=champion,
        candidates=int(challenger.tags.get("recipeline.candidates_compared", 1)),
        attempt=len(before) + 1 if rule == "recipe" else 1,
    )
    if rule == "recipe":
        session.reporter.say(f"measuring version {challenger.version} against version {held_against} on the same folds")
    model = load()
    try:
        evidence = contest.measure(rule, model)
    except UnavailableError as error:
        if champion is None:
            raise
        return Decision("kept", "not-comparable", f"the two cannot be compared: {error.sentence}", passed=False)
    settings = session.recipe.promotion
    opponent = f"version {champion.version}" if champion else "the mean predictor"
    decision = judge(rule, evidence.gain, evidence.rails, settings, policy=policy, opponent=opponent)
    found = {
        "champion": held_against,
        **evidence.gain.as_dict(),
        **evidence.details,
        "needed": -settings.margin if rule == "refresh" else 0.0,
        "guard_rails": [asdict(rail) for rail in evidence.rails],
        "data_digest": run.parent_tag("data_digest"),
    }
    registry.note(
        str(challenger.version),
        {
            "gate_rule": rule,
            **({mark: run.id} if rule == "recipe" else {}),
            "gate_gain": evidence.gain.gain,
            "gate_lower": evidence.gain.lower,
            "gate_level": evidence.gain.level,
            "gate_interval_90": list(evidence.gain.interval_90),
            "gate_guard_rails": {rail.name: rail.value for rail in evidence.rails},
            "gate_rows": evidence.gain.rows,
            "gate_seed": evidence.gain.seed,
        },
    )
    return replace(decision, evidence=found)


def _name(champion: ModelVersion | None) -> str:
    return str(champion.version) if champion else "mean predictor"


STEP = Step("promote", work, inputs, params=("promote",), uses_workers=True)


@step_command(STEP)
@click.option(
    "--promote",
    default="",
    show_default="the profile's: auto",
    help="auto: when it has earned it; manual: once it is approved too; never; always: whatever the gate says.",
)
def promote() -> None:
    """Put the challenger into Production where it has earned it; the version before it is archived.

    \b
    Reads:  challenger and champion
    Writes: the decision and its evidence, decision.json; an entry in the ledger
    Example: python -m steps.promote --promote always
    """


if __name__ == "__main__":
    promote()
