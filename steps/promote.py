"""Promote: put the challenger into Production if it passes the promotion gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from recipeline.artifacts import DATASET, DECISION, FITTED, OUT_OF_FOLD, TRAIN, VERSION
from recipeline.cli.command import step_command
from recipeline.cli.options import check_target, choose_word, promote_option, to_option
from recipeline.config.profile import Policy
from recipeline.errors import UnavailableError
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun


def choose_policy(session: Session, promote: str) -> Policy:
    """Return the policy `promote` or the profile's; UsageError if unknown."""
    return cast(Policy, choose_word("promote", promote, get_args(Policy), default=session.profile.promote))


def inputs(session: Session, promote: str, to: str) -> dict[str, Any]:
    """Return the settings of the promotion gate."""
    check_target(session, to)
    return {**session.recipe.part(["model_name", "target", "promotion"]), "promote": choose_policy(session, promote)}


def work(session: Session, run: StepRun, promote: str, to: str) -> str:
    """Decide by the promotion gate, here or in another store, and carry it out."""
    from recipeline.cli.target import promote_there
    from recipeline.registry.decision import gains_of
    from recipeline.registry.promoting import promote_version

    if run.parent_tag("outcome") == "rejected":
        raise UnavailableError(
            "register_run_id must be a run with a registered version.",
            got=f"'{run.lineage['register']}', whose model was rejected,",
            fix="See its verdict with `mlflow ui`; improve the candidates or the data, or change the gates in the recipe.",
        )
    if to:
        return promote_there(session, run, str(run.load(VERSION).version), to, promote)
    version, decision = promote_version(
        str(run.load(VERSION).version),
        choose_policy(session, promote),
        run=run,
        recipe=session.recipe,
        workers=session.workers,
        registry=session.registry,
        changed_by=session.changed_by(run),
        say=session.reporter.say,
        advance=session.reporter.advance,
    )
    run.outcome = decision.outcome
    run.tag(model_version=version.version, decision_rule=decision.rule, decision_reason=decision.reason)
    shown, title = {"model_version": version.version, "decision_rule": decision.rule}, f"promote · v{version.version}"
    gains = gains_of(decision.evidence)
    run.show(params=shown, metrics=gains, title=f"{title} {decision.outcome}", note=decision.reason)
    return f"version {version.version} {decision.outcome} (now in {version.current_stage}): {decision.reason} [{decision.rule}]"


READS = (DATASET, FITTED, OUT_OF_FOLD, TRAIN, VERSION)
STEP = Step("promote", work, inputs, params=("promote", "to"), reads=READS, writes=(DECISION,))


@step_command(STEP)
@promote_option
@to_option
def promote() -> None:
    """Promote the challenger if it passes the gate; archive the version before.

    With --to the version is transferred to another store, whose champion, ledger and policy decide.

    \b
    Reads:  challenger and champion
    Writes: the decision and its evidence, decision.json; an entry in the ledger
    Example: python -m steps.promote --to https://mlflow.example.com
    """


if __name__ == "__main__":
    promote()
