"""Register: create a model version of the best candidate, the challenger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipeline import artifacts as kept
from recipeline.cli.command import step_command
from recipeline.errors import EXIT_REJECTED
from recipeline.orchestration.step import Step
from recipeline.tracking.tags import VersionTags

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun


def inputs(session: Session) -> dict[str, Any]:
    """Return the settings of the registered model."""
    return session.recipe.part(["model_name"])


def work(session: Session, run: StepRun) -> str:
    """Register the best candidate unless it is REJECTED or registered already."""
    from recipeline.data.relating.relations import list_seen
    from recipeline.evaluation.gates import VALIDATED, failures
    from recipeline.evaluation.model_card import write_model_card
    from recipeline.evaluation.results import RegisteredVersion
    from recipeline.orchestration.registration import gather_facts
    from recipeline.registry.facts import choose_tags, identify
    from recipeline.tracking.lineage import load_fitted

    verdict, registry = run.load(kept.VERDICT), session.registry
    if verdict.verdict != VALIDATED:
        run.outcome, run.exit_code = "rejected", EXIT_REJECTED
        told = [*failures(verdict), "Improve the candidates or the data, or change the gates in the recipe."]
        return "\n  ".join([f"{verdict.candidate} is {verdict.verdict}; nothing is registered:", *told])
    run.require_model("train", verdict.model_id)
    # Before there is a version: whoever finds one, finds the rows that it learned from.
    run.save(kept.TRAINING_ROWS, list_seen(load_fitted(run), session.recipe))
    facts = gather_facts(session, run)
    diagnosis = run.load(kept.DIAGNOSIS) if run.has(kept.DIAGNOSIS) else None
    card = write_model_card(session.recipe, run.load(kept.METRICS), diagnosis, run.load(kept.MODEL_INFO), facts)
    run.save(kept.MODEL_CARD, card.as_markdown())
    version, is_new = registry.register(
        source=f"models:/{verdict.model_id}",
        run_id=verdict.run_id,
        model_id=verdict.model_id,
        identity=identify(facts),
        tags=choose_tags(facts),
        description=card.as_description(),
    )
    number, text = str(version.version), card.as_description()
    if version.description != text:
        registry.describe(number, text)
    if not is_new and session.reader.faults(str(version.tags.get(VersionTags.REGISTER_RUN_ID))):
        # The command that made the version was stopped before its run was complete: the rows are in this one.
        registry.note(number, {VersionTags.REGISTER_RUN_ID: run.id})
    run.save(kept.VERSION, RegisteredVersion(**vars(verdict), name=registry.name, version=number, new=is_new, tags=facts))
    run.tag(model_version=number)
    run.show(params={"best_candidate": verdict.candidate, "model_version": number}, title=f"register · v{number}")
    became = "registered" if is_new else "the same model is registered already,"
    return f"{registry.name} version {number}: {verdict.candidate}, {became} in stage {version.current_stage}"


READS = (kept.DIAGNOSIS, kept.FITTED, kept.LEADERBOARD, kept.METRICS, kept.MODEL_INFO, kept.TRAIN, kept.VERDICT)
STEP = Step("register", work, inputs, reads=READS, writes=(kept.MODEL_CARD, kept.TRAINING_ROWS, kept.VERSION))


@step_command(STEP)
def register() -> None:
    """Create a version of the best candidate in Staging, alias challenger.

    The same model is not registered twice.

    \b
    Reads:  the best candidate and its verdict
    Writes: a model version, version.json, model_card.md, training_rows.parquet
    Exit code 4: the best candidate fails a gate of the recipe; nothing is registered.
    Example: python -m steps.register
    """


if __name__ == "__main__":
    register()
