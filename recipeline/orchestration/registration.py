"""The facts that a version is registered with, gathered from the runs that it is made of."""

from __future__ import annotations

from typing import Any

from recipeline.artifacts import LEADERBOARD, METRICS, TRAIN, VERDICT
from recipeline.data.grouping import rows_digest
from recipeline.orchestration.commit import describe_commit
from recipeline.orchestration.session import Session
from recipeline.tracking.runs import StepRun


def gather_facts(session: Session, run: StepRun) -> dict[str, Any]:
    """Return what leads from a version of the best candidate back to its rows, what it is the same as, and how good it is.

    `run` is the open one of register. Which of the facts become tags of the version: `recipeline.registry.facts`.
    """
    verdict, metrics, client = run.load(VERDICT), run.load(METRICS), session.store.client
    name, best = verdict["candidate"], metrics["best"]
    split, train = (client.get_run(run.lineage[step]).data.tags for step in ("split", "train"))
    return {
        **{f"{step}_run_id": run_id for step, run_id in run.lineage.items()},
        "register_run_id": run.id,
        "recipe": session.recipe.name,
        "profile": session.profile_name,
        "candidate": name,
        "verdict": verdict["verdict"],
        "data_source": train["recipeline.data_source"],
        "data_digest": train["recipeline.data_digest"],
        "split_method": split["recipeline.split_method"],
        "train_fingerprint": train["recipeline.fingerprint"],
        "recipe_digest": session.recipe_digest(name),
        "environment_digest": session.environment_digest(name),
        "training_rows": rows_digest(run.load(TRAIN)[list(session.recipe.columns)]),
        "candidates_compared": int(run.load(LEADERBOARD)["settings_tried"].sum()),
        **describe_commit(session.root),
        **{score: metrics["candidates"][name][score] for score in ("cv_mean_score", "cv_std")},
        **{score: best[score] for score in ("r2", "rmse", "mae")},
    }
