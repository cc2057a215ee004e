"""Promote: put the challenger into Production where it has earned it."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast, get_args

import click

from recipeline.artifacts import DATASET, DECISION, OUT_OF_FOLD, TRAIN, VERSION
from recipeline.cli.command import step_command
from recipeline.config.profile import Policy
from recipeline.errors import UnavailableError, UsageError, nearest
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun

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
    from recipeline.promotion.results import RecordedDecision
    from recipeline.registry.decision import decide, gains_of, name_of, require_champion
    from recipeline.registry.ledger import FORCED, PROMOTE
    from recipeline.registry.loading import load_golden

    policy = choose_policy(session, promote)
    if run.parent_tag("outcome") == "rejected":
        raise UnavailableError(
            "register_run_id must be a run that registered a version.",
            got=f"'{run.lineage['register']}', whose model was rejected,",
            fix="See its verdict with `mlflow ui`; improve the candidates or the data, or change the gates in the recipe.",
        )
    registry, changed_by = session.registry, session.changed_by(run)
    for note in registry.reconcile(changed_by):
        session.reporter.say(f"warning: {note}")
    number = str(run.load(VERSION).version)
    # Measuring may take minutes, and nobody waits for it: where the champion is another one by then, it is done again.
    while True:
        challenger, champion = registry.version(number), registry.champion()
        load = cache(partial(load_golden, run.reader, challenger))
        decision = decide(
            challenger,
            champion,
            policy,
            run=run,
            recipe=session.recipe,
            workers=session.workers,
            registry=registry,
            changed_by=changed_by,
            load=load,
            say=session.reporter.say,
        )
        if champion and not decision.promoted:
            require_champion(champion, run.reader)  # one that stays and cannot be loaded is a failure, whatever the rule
        digest = run.save(DECISION, RecordedDecision(**vars(decision), policy=policy, version=str(challenger.version)))
        if decision.rule not in ("same-version", "policy-never", "forced"):
            against = {"held_against": name_of(champion), "gate_passed": str(decision.passed).lower(), "gate_run_id": run.id}
            registry.note(str(challenger.version), against)
        if not decision.promoted:
            break
        load()
        entry = registry.change(
            str(challenger.version),
            expected=str(champion.version) if champion else "",
            kind=FORCED if decision.rule == "forced" else PROMOTE,
            reason=f"{decision.rule}: {decision.reason}",
            changed_by=changed_by,
            evidence=digest,
        )
        if entry is not None:
            break
        session.reporter.say("the champion was changed meanwhile: deciding again")
    run.outcome = decision.outcome
    run.tag(model_version=challenger.version, decision_rule=decision.rule, decision_reason=decision.reason)
    run.show(
        params={"model_version": challenger.version, "decision_rule": decision.rule},
        metrics=gains_of(decision.evidence),
        title=f"promote · v{challenger.version} {decision.outcome}",
        note=decision.reason,
    )
    stage = registry.version(number).current_stage
    return f"version {challenger.version} {decision.outcome} (now in {stage}): {decision.reason} [{decision.rule}]"


STEP = Step("promote", work, inputs, params=("promote",), reads=(DATASET, OUT_OF_FOLD, TRAIN, VERSION), writes=(DECISION,))


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
