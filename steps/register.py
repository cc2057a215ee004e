"""Register: make a version of the best candidate, as the challenger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipeline.artifacts import DIAGNOSIS, LEADERBOARD, METRICS, MODEL_CARD, MODEL_INFO, TRAIN, TRAINING_ROWS, VERDICT, VERSION
from recipeline.cli.command import step_command
from recipeline.errors import EXIT_REJECTED
from recipeline.orchestration.step import Step

if TYPE_CHECKING:
    from recipeline.orchestration.session import Session
    from recipeline.tracking.runs import StepRun


def inputs(session: Session) -> dict[str, Any]:
    """Return the settings that decide where the model is registered."""
    return session.recipe.part(["model_name"])


def work(session: Session, run: StepRun) -> str:
    """Register the best candidate, unless its verdict is REJECTED or it is registered already."""
    from recipeline.data.grouping import rows_digest, training_rows
    from recipeline.data.relations import relate_rows
    from recipeline.evaluation.gates import VALIDATED, failures
    from recipeline.evaluation.model_card import write_model_card
    from recipeline.orchestration.commit import describe_commit

    verdict = run.load(VERDICT)
    if verdict["verdict"] != VALIDATED:
        run.outcome, run.exit_code = "rejected", EXIT_REJECTED
        return "\n".join(
            [
                f"{verdict['candidate']} is {verdict['verdict']}; nothing is registered:",
                *(f"  {line}" for line in failures(verdict)),
                "  Improve the candidates or the data, or change the gates in the recipe.",
            ]
        )
    run.require_model("train", verdict["model_id"])
    metrics = run.load(METRICS)
    best = metrics["best"]
    train = run.load(TRAIN)
    # Before there is a version: whoever finds one, finds the rows that it learned from.
    group, times = session.recipe.split.group, relate_rows(train, session.recipe).times
    run.save(TRAINING_ROWS, training_rows(train[list(session.recipe.features)], train[group] if group else None, times))
    tags = {
        **_lineage_tags(session, run, verdict),
        "recipe_digest": session.recipe_digest(verdict["candidate"]),
        "environment_digest": session.environment_digest(verdict["candidate"]),
        "training_rows": rows_digest(train[list(session.recipe.columns)]),
        "candidates_compared": int(run.load(LEADERBOARD)["settings_tried"].sum()),
        **describe_commit(session.root),
        "cv_mean_score": metrics["candidates"][verdict["candidate"]]["cv_mean_score"],
        "cv_std": metrics["candidates"][verdict["candidate"]]["cv_std"],
        **{name: best[name] for name in ("r2", "rmse", "mae")},
    }
    diagnosis = run.load(DIAGNOSIS) if run.has(DIAGNOSIS) else None
    card = write_model_card(session.recipe, metrics, diagnosis, run.load(MODEL_INFO), tags)
    run.save(MODEL_CARD, card.as_markdown())
    version, is_new = session.registry.register(
        source=f"models:/{verdict['model_id']}",
        run_id=verdict["run_id"],
        model_id=verdict["model_id"],
        identity="/".join(tags[key][:16] for key in ("recipe_digest", "training_rows", "environment_digest")),
        tags=tags,
        description=card.as_description(),
    )
    if not is_new and version.description != card.as_description():
        session.registry.describe(str(version.version), card.as_description())
    if not is_new and session.reader.faults(str(version.tags.get("recipeline.register_run_id"))):
        # Whoever made the version was stopped before its run was whole: the rows are to be found in this one.
        session.registry.note(str(version.version), {"register_run_id": run.id})
    run.save(VERSION, {"name": session.registry.name, "version": str(version.version), "new": is_new, **verdict, "tags": tags})
    run.tag(model_version=version.version)
    run.show(
        params={"best_candidate": verdict["candidate"], "model_version": version.version},
        title=f"register · v{version.version}",
    )
    return f"{session.registry.name} version {version.version}: {verdict['candidate']}, " + (
        f"registered in stage {version.current_stage}"
        if is_new
        else f"the same model is registered already, in stage {version.current_stage}"
    )


def _lineage_tags(session: Session, run: StepRun, verdict: dict[str, Any]) -> dict[str, Any]:
    """Return what leads from the version back to its rows: run IDs, digests and how the rows were split."""
    client = session.store.client
    split, train = (client.get_run(run.lineage[step]).data.tags for step in ("split", "train"))
    return {
        **{f"{step}_run_id": run_id for step, run_id in run.lineage.items()},
        "register_run_id": run.id,
        "recipe": session.recipe.name,
        "profile": session.profile_name,
        "candidate": verdict["candidate"],
        "verdict": verdict["verdict"],
        "data_source": train["recipeline.data_source"],
        "data_digest": train["recipeline.data_digest"],
        "split_method": split["recipeline.split_method"],
        "train_fingerprint": train["recipeline.fingerprint"],
    }


STEP = Step(
    "register",
    work,
    inputs,
    reads=(DIAGNOSIS, LEADERBOARD, METRICS, MODEL_INFO, TRAIN, VERDICT),
    writes=(MODEL_CARD, TRAINING_ROWS, VERSION),
)


@step_command(STEP)
def register() -> None:
    """Make a version of the best candidate, in Staging with the alias challenger. The same model is not registered twice.

    \b
    Reads:  the best candidate and its verdict
    Writes: a model version, version.json, model_card.md, training_rows.parquet
    Exit code 4: the best candidate fails a gate of the recipe; nothing is registered.
    Example: python -m steps.register
    """


if __name__ == "__main__":
    register()
