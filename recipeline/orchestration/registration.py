"""The facts of a new version, gathered from its runs."""

from __future__ import annotations

from recipeline.artifacts import LEADERBOARD, METRICS, VERDICT
from recipeline.data.relating.grouping import rows_digest
from recipeline.orchestration.commit import describe_commit
from recipeline.orchestration.session import Session
from recipeline.tracking.lineage import find_fitted, fitted_tags, load_fitted
from recipeline.tracking.runs import StepRun
from recipeline.tracking.tags import RunTags


def gather_facts(session: Session, run: StepRun) -> dict[str, str | float]:
    """Return the lineage, identity and quality of a version of the best candidate.

    `run` is the open one of register. `recipeline.registry.facts` has the facts that become tags of the version.
    """
    verdict, metrics = run.load(VERDICT), run.load(METRICS)
    name = verdict.candidate
    split, train = (session.runs.get(run.lineage[step]).data.tags for step in ("split", "train"))
    return {
        **{f"{step}_run_id": run_id for step, run_id in run.lineage.items()},
        "register_run_id": run.id,
        "recipe": session.recipe.name,
        "profile": session.profile_name,
        "candidate": name,
        "verdict": verdict.verdict,
        "data_source": train[RunTags.DATA_SOURCE],
        "data_digest": train[RunTags.DATA_DIGEST],
        "split_method": split[RunTags.SPLIT_METHOD],
        "train_fingerprint": train[RunTags.FINGERPRINT],
        "recipe_digest": session.recipe_digest(name),
        "environment_digest": session.environment_digest(name),
        "training_rows": rows_digest(load_fitted(run)[list(session.recipe.columns)]),
        **fitted_tags(*find_fitted(run)),
        "candidates_compared": int(run.load(LEADERBOARD)["settings_tried"].sum()),
        **describe_commit(session.root),
        **metrics.candidates[name],
    }
