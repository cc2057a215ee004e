"""Promote: put the challenger into Production where it has earned it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

import click

from pipeline.artifacts import DECISION, GOLDEN, TEST, VERSION
from pipeline.errors import PipelineError, UnavailableError, UsageError, nearest
from pipeline.profiles import Policy
from pipeline.promotion import Contender, decide
from pipeline.registry import CHAMPION
from pipeline.runs import StepRun
from pipeline.session import Session, Step
from steps.command import step_command

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

POLICIES = get_args(Policy)


def choose_policy(session: Session, promote: str) -> Policy:
    """Return the policy `promote`, or the profile's where it is empty. Raises UsageError where there is no such policy."""
    if promote and promote not in POLICIES:
        raise UsageError(f"promote must be one of {', '.join(POLICIES)}.", got=f"'{promote}'", fix=nearest(promote, POLICIES))
    return cast(Policy, promote or session.profile.promote)


def inputs(session: Session, promote: str) -> dict[str, Any]:
    """Return the settings that decide what may be promoted."""
    return {**session.recipe.part(["model_name", "target"]), "promote": choose_policy(session, promote)}


def work(session: Session, run: StepRun, promote: str) -> str:
    """Decide by the promotion gate, and carry the decision out."""
    policy = choose_policy(session, promote)
    if run.parent_tag("outcome") == "rejected":
        raise UnavailableError(
            "register_run_id must be a run that registered a version.",
            got=f"'{run.lineage['register']}', whose model was rejected,",
            fix="See its verdict with `mlflow ui`; improve the candidates or the data, or change the gates in the recipe.",
        )
    registry = session.registry
    test, golden = run.load(TEST), run.load(GOLDEN)
    # From reading the champion to replacing it, no other command may change it.
    with registry.locked():
        registry.settle()
        challenger = registry.version(run.load(VERSION)["version"])
        champion = registry.holder(CHAMPION)
        decision = decide(
            _contender(session, challenger, champion, test),
            _contender(session, champion, challenger, test) if champion else None,
            policy,
        )
        if decision.promoted:
            _require_golden(session, challenger, golden)
        run.save(DECISION, {"policy": policy, "version": challenger.version, **decision.as_dict()})
        if decision.promoted:
            registry.promote(str(challenger.version))
    run.outcome = decision.outcome
    run.tag(model_version=challenger.version, decision_rule=decision.rule, decision_reason=decision.reason)
    stage = registry.version(challenger.version).current_stage
    return f"version {challenger.version} {decision.outcome} (now in {stage}): {decision.reason} [{decision.rule}]"


def _require_golden(session: Session, version: ModelVersion, golden: pd.DataFrame) -> None:
    """Load the version as a client would. Raises UnavailableError where it does not load, or does not answer as evaluated."""
    from pipeline.evaluation import answers_golden
    from pipeline.models import load_model

    uri = f"models:/{session.registry.name}/{version.version}"
    if not answers_golden(load_model(uri), golden):
        raise UnavailableError(
            f"{uri} must answer the golden rows as it did when it was evaluated.",
            got="other predictions",
            fix="Its files were changed: train and register it again.",
        )


def _contender(session: Session, version: ModelVersion, other: ModelVersion | None, test: pd.DataFrame) -> Contender:
    """Return the version as the gate sees it, scored on `test` where there is another one to compare it with."""
    tags = version.tags
    scores, problem = None, ""
    if other and other.version != version.version:
        scores, problem = _score(session, version, test)
    return Contender(
        str(version.version),
        tags.get("pipeline.verdict", "unknown"),
        tags.get("pipeline.data_source", "unknown"),
        tags.get("pipeline.split_method", "unknown"),
        scores,
        problem,
    )


def _score(session: Session, version: ModelVersion, test: pd.DataFrame) -> tuple[dict[str, float] | None, str]:
    from pipeline.metrics import score_predictions
    from pipeline.models import load_model

    recipe = session.recipe
    try:
        model = load_model(f"models:/{session.registry.name}/{version.version}")
        predicted = model.predict(test[list(recipe.features)])
    except PipelineError as error:
        return None, error.sentence
    except (ValueError, TypeError) as error:  # it was fitted to other columns
        return None, f"version {version.version} does not take these rows ({' '.join(str(error).split())[:200]})"
    return {**score_predictions(test[recipe.target].to_numpy(), predicted), "rows": len(test)}, ""


STEP = Step("promote", work, inputs, params=("promote",))


@step_command(STEP)
@click.option(
    "--promote",
    default="",
    show_default="the profile's: auto",
    help="auto: when it has earned it; manual: it stays the challenger; never; always: whatever the gate says.",
)
def promote() -> None:
    """Put the challenger into Production where it has earned it; the version before it is archived.

    \b
    Reads:  challenger and champion
    Writes: the decision and its evidence, decision.json
    Example: python -m steps.promote --promote always
    """


if __name__ == "__main__":
    promote()
