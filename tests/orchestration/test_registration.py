from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from recipeline.artifacts import LEADERBOARD, METRICS, TRAIN, VERDICT
from recipeline.data.relating.grouping import rows_digest
from recipeline.evaluation.results import Metrics, Verdict
from recipeline.orchestration.registration import gather_facts
from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import open_run
from tests.conftest import as_recipe, small_recipe
from tests.records import some
from tests.sessions import open_toys


def test_the_facts_are_of_the_runs_that_the_best_candidate_is_made_of(
    store: Store, tmp_path: Path, wines: pd.DataFrame
) -> None:
    session = open_toys(store, tmp_path, recipe=as_recipe(small_recipe()))
    experiment = store.experiment("toy")
    scores = {"cv_mean_score": 0.4, "cv_std": 0.1, "r2": 0.5, "rmse": 0.6, "mae": 0.7}
    kept = {
        TRAIN: wines.head(20),
        LEADERBOARD: pd.DataFrame({"settings_tried": [1, 10]}),
        METRICS: some(Metrics, {"candidates": {"ElasticNet": scores, "DecisionTree": dict.fromkeys(scores, 0.0)}}),
        VERDICT: some(Verdict, {"candidate": "ElasticNet", "verdict": "VALIDATED"}),
    }
    lineage: dict[str, str] = {}
    for step in ("ingest", "split", "train", "evaluate"):
        with open_run(store.client, step, experiment, {"split_method": "random", "fingerprint": step}) as run:
            run.tag(data_source="file", data_digest="ab" * 32)
            for artifact, value in kept.items():
                if artifact.step == step:
                    run.save(artifact, value)
        lineage[step] = run.id
    with open_run(store.client, "register", experiment, {}) as run:
        run.set_lineage(lineage)
        facts = gather_facts(session, run)
    assert {name: facts[f"{name}_run_id"] for name in (*lineage, "register")} == {**lineage, "register": run.id}
    assert {name: facts[name] for name in scores} == scores
    assert (facts["candidate"], facts["verdict"], facts["split_method"]) == ("ElasticNet", "VALIDATED", "random")
    assert (facts["data_source"], facts["data_digest"], facts["train_fingerprint"]) == ("file", "ab" * 32, "train")
    assert facts["candidates_compared"] == 11
    assert facts["training_rows"] == rows_digest(wines.head(20)[list(session.recipe.columns)])
    assert facts["recipe_digest"] == session.recipe_digest("ElasticNet") != session.recipe_digest("DecisionTree")
    json.dumps(facts)
