"""The steps, one by one and as a chain, on a small recipe and a real store."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from recipeline.artifacts import ORDER
from recipeline.config.import_path import import_paths
from recipeline.registry.facts import TAGS
from recipeline.registry.ledger import PROMOTE, Actor, ChangedBy, Ledger
from recipeline.registry.tries import count_looks
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import open_store
from tests.classes import turn_into_classes
from tests.conftest import NAME, ROOT, Project, small_recipe, words_of
from tests.processes import Command

CANDIDATES = {"LinearRegression", "DecisionTree", "ElasticNet"}
#: Candidates of the project's own recipe, one of every kind, and what makes each of them small.
EVERY_KIND = {
    "RandomForest": {"n_estimators": 10},
    "ExtraTrees": {"n_estimators": 10},
    "HistGradientBoosting": {"max_iter": 10},
    "SVR": {},
    **{name: {} for name in ("LinearRegression", "DecisionTree", "ElasticNet")},
}


def use_every_kind(content: dict[str, Any]) -> None:
    """Replace the candidates of a recipe by EVERY_KIND, and the mean of three of them."""
    known = yaml.safe_load((ROOT / "recipe.yaml").read_text(encoding="utf-8"))["candidates"]
    content["candidates"] = {name: known[name] for name in (*EVERY_KIND, "MeanOfThree")}
    for name, smaller in EVERY_KIND.items():
        known[name]["params"] = known[name].get("params", {}) | smaller


def candidate_metrics(project: Project, train_run_id: str) -> dict[str, dict[str, float]]:
    """Return the metrics of each candidate of a train run, but for times."""
    children = [run for run in project.runs() if run.data.tags.get("mlflow.parentRunId") == train_run_id]
    return {
        run.data.tags["model_type"]: {key: value for key, value in run.data.metrics.items() if key != "fit_seconds"}
        for run in children
    }


def whole_result(project: Project, evaluate_run_id: str) -> dict[str, Any]:
    """Return all of an evaluation and its train run but times and IDs."""
    train_run_id = project.tags(evaluate_run_id)["recipeline.train_run_id"]
    board = pd.read_csv(artifact_path(project, train_run_id, "leaderboard.csv"))
    verdict = artifact(project, evaluate_run_id, "verdict.json")
    return {
        "candidates": candidate_metrics(project, train_run_id),
        "metrics.json": artifact(project, evaluate_run_id, "metrics.json"),
        "verdict.json": {key: value for key, value in verdict.items() if key not in {"run_id", "model_id"}},
        "leaderboard.csv": board.drop(columns=["run_id", "model_id", "fit_seconds", "predict_seconds"]).to_dict("list"),
    }


def artifact_path(project: Project, run_id: str, name: str) -> Path:
    return Path(project.client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / name


def artifact(project: Project, run_id: str, name: str) -> Any:
    return json.loads(artifact_path(project, run_id, name).read_text(encoding="utf-8"))


def test_the_chain_ends_with_a_production_version_a_summary_and_its_run_id(project: Project) -> None:
    outcome = project.ok("main")
    assert str(project.production().version) == "1"
    for words in ("candidate", "◀", "Best model:", f"Registered: {NAME} version 1", "Promotion: promoted", "Next:"):
        assert words in outcome.stdout
    assert "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning" in outcome.stdout
    assert project.tags(outcome.run_id)["recipeline.step"] == "main"


def test_the_summary_sorts_the_candidates_by_r2(trained: Project) -> None:
    rows = re.findall(r"^│ (\w+)[^│]*│ +(-?\d\.\d+)", trained.ok("main").stdout, re.MULTILINE)
    scores = [float(score) for _, score in rows]
    assert {name for name, _ in rows} == CANDIDATES
    assert scores == sorted(scores, reverse=True)


def test_the_run_of_the_chain_names_every_step_and_holds_their_runs(project: Project) -> None:
    main = project.ok("main").run_id
    tags = project.tags(main)
    for step in ORDER:
        own = project.tags(tags[f"recipeline.{step}_run_id"])
        assert own["recipeline.step"] == step
        assert own["mlflow.parentRunId"] == main
        assert own["recipeline.profile"] == "test"
        assert len(own["recipeline.fingerprint"]) == 64
        assert (own["recipeline.data_source"], own["recipeline.exit_code"]) == ("file", "0")
    assert (tags["recipeline.outcome"], tags["recipeline.data_source"]) == ("promoted", "file")


def test_a_second_chain_reuses_everything_and_opens_runs_for_register_and_promote_only(ran: Project) -> None:
    before = len(ran.runs())
    outcome = ran.ok("main")
    assert "Reused: ingest, split, train, evaluate." in outcome.stdout
    assert len(ran.runs()) - before == 3
    assert ran.versions() == {"1": "Production"}
    assert ran.tags(outcome.run_id)["recipeline.outcome"] == "kept"


def test_a_chain_that_is_all_cached_imports_nothing_that_fits_or_draws_in_any_of_its_processes(ran: Project) -> None:
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}  # those that it starts inherit it, and stderr
    words = [sys.executable, *words_after(ran, "main")]
    done = subprocess.run(words, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=120, check=True)
    assert "Reused: ingest, split, train, evaluate." in done.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert {"mlflow", "pandas", "recipeline"} <= imported
    assert imported & {"joblib", "matplotlib", "sklearn", "skops"} == set()


def pictures(project: Project, chain: str) -> dict[str, bytes]:
    """Return the plots of a chain's cards by step and name."""
    found: dict[str, bytes] = {}
    for step in ("ingest", "split", "evaluate"):
        folder = artifact_path(project, project.tags(chain)[f"recipeline.{step}_run_id"], "plots")
        found |= {f"{step} {path.name}": path.read_bytes() for path in folder.iterdir()}
    return found


def test_step_by_step_with_and_without_run_ids_and_the_chain_give_the_same_metrics(project: Project) -> None:
    """For every kind of model, to the last digit, and with one worker as with two.

    Workers draw the pictures, too, and they are the same to the byte.
    """
    project.write_recipe(use_every_kind)
    project.write_profile(engine={"n_jobs": 2})
    chain = project.ok("main").run_id
    expected = whole_result(project, project.tags(chain)["recipeline.evaluate_run_id"])
    assert {"cv_mean_score", "cv_std", "r2", "rmse", "mae"} < set(expected["candidates"]["ElasticNet"])
    names = {*EVERY_KIND, "MeanOfThree"}
    assert set(expected["candidates"]) == set(expected["leaderboard.csv"]["candidate"]) == names

    project.write_profile()
    ingest = project.ok("ingest").run_id
    split = project.ok("split", ingest_run_id=ingest).run_id
    train = project.ok("train", split_run_id=split).run_id
    assert whole_result(project, project.ok("evaluate", train_run_id=train).run_id) == expected

    project.write_profile(engine={"n_jobs": 2})
    project.ok("ingest")
    project.ok("split")
    train = project.ok("train").run_id
    evaluate = project.ok("evaluate")
    assert whole_result(project, evaluate.run_id) == expected
    assert project.tags(evaluate.run_id)["recipeline.train_run_id"] == train

    project.write_profile()
    project.draws = True
    again = project.ok("main", cache="off").run_id
    assert whole_result(project, project.tags(again)["recipeline.evaluate_run_id"]) == expected
    drawn = pictures(project, chain)
    assert len(drawn) >= 12
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())
    assert {**drawn, **pictures(project, again)} == drawn
    assert len(project.runs("train")) == 4


def test_a_candidates_run_has_the_score_of_each_fold_whose_mean_is_its_score_and_how_long_it_fitted(trained: Project) -> None:
    folds = small_recipe()["cv"]["folds"]
    candidates = [run for run in trained.runs() if "model_type" in run.data.tags]
    assert {run.data.tags["model_type"] for run in candidates} == CANDIDATES
    for run in candidates:
        history = trained.client.get_metric_history(run.info.run_id, "cv_fold_score")
        scores = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
        assert [metric.step for metric in sorted(history, key=lambda metric: metric.step)] == list(range(folds))
        assert len(set(scores)) == folds
        assert run.data.metrics["cv_mean_score"] == np.mean(scores)
        assert run.data.metrics["cv_std"] == np.std(scores)
        assert run.data.metrics["fit_seconds"] > 0


def test_the_progress_of_train_is_on_stderr_and_its_table_on_stdout(project: Project) -> None:
    outcome = project.ok("train", model="lr,dt")
    fits = 2 * (small_recipe()["cv"]["folds"] + 1)
    assert re.search(rf"^  {fits}/{fits} fits, last (LinearRegression|DecisionTree)$", outcome.stderr, re.MULTILINE)
    assert "fits" not in outcome.stdout
    assert len(outcome.stdout.splitlines()) == 1 + 2 + 1  # the head, a line per candidate, the run ID
    assert "cv_mean_score" in outcome.stdout.splitlines()[0]


@pytest.mark.parametrize("step", ORDER)
def test_each_step_runs_alone_on_an_empty_store(project: Project, step: str) -> None:
    outcome = project.ok(step)
    tags = project.tags(outcome.run_id)
    assert tags["recipeline.step"] == step
    for upstream in ORDER[: ORDER.index(step)]:
        assert project.tags(tags[f"recipeline.{upstream}_run_id"])["recipeline.step"] == upstream


def test_a_step_named_by_the_user_works_again_where_the_chain_would_reuse(project: Project) -> None:
    first, second = project.ok("ingest").run_id, project.ok("ingest").run_id
    assert first != second
    project.ok("split")
    assert project.tags(project.runs("split")[0].info.run_id)["recipeline.ingest_run_id"] == second


def test_the_chain_reuses_what_was_made_step_by_step(project: Project) -> None:
    for step in ("ingest", "split", "train"):
        project.ok(step)
    assert "Reused: ingest, split, train." in project.ok("main").stdout


def test_a_step_says_which_run_it_builds_on_and_what_changed_since(project: Project) -> None:
    project.ok("split")
    project.write_recipe(lambda content: content["split"].update(test_size=0.3))
    outcome = project.ok("train")
    assert "using the newest split run, " in outcome.stderr
    assert "split.test_size 0.2 → 0.3" in outcome.stderr


def test_a_step_says_which_code_changed_since_the_run_that_it_builds_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command reads the module of a candidate anew, as processes do."""
    project.write_recipe(lambda c: c["candidates"].update(Own={"alias": "own", "estimator": "own_models.make"}))
    roots, digests = [], []
    for name, more in (("before", ""), ("edited", "# edited\n")):
        root = project.folder / name
        root.mkdir()
        for package in ("recipeline", "custom", "steps", "MLproject"):
            (root / package).symlink_to(ROOT / package)
        code = f"from sklearn.linear_model import LinearRegression as make\n{more}"
        (root / "own_models.py").write_text(code, encoding="utf-8")
        roots.append(root)
        digests.append(hashlib.sha256(code.encode()).hexdigest()[:12])
    monkeypatch.syspath_prepend(roots[0])
    monkeypatch.setenv("RECIPELINE_PROJECT", str(roots[0]))
    train = project.ok("train", model="own").run_id
    assert "warning" not in project.ok("evaluate").stderr
    monkeypatch.setenv("RECIPELINE_PROJECT", str(roots[1]))
    changed = f"changed since train run {train}: code own_models.py {digests[0]} → {digests[1]}. Run train again"
    assert [line for line in project.ok("evaluate").stderr.splitlines() if "warning" in line] == [
        f"warning: {changed} to apply the change."
    ]


def test_a_step_that_is_missing_in_between_is_run_on_the_newest_run_before_it(project: Project) -> None:
    split = project.ok("split", method="random").run_id
    evaluate = project.ok("evaluate").run_id
    assert project.tags(evaluate)["recipeline.split_run_id"] == split


def test_another_method_of_the_split_is_no_change_of_the_recipe(project: Project) -> None:
    project.ok("split", method="random")
    assert "warning" not in project.ok("train").stderr


@pytest.mark.parametrize(
    ("change", "reused", "reason"),
    [
        (
            lambda c: c["candidates"]["DecisionTree"]["params"].update(max_depth=5),
            "ingest, split",
            "train: candidates.DecisionTree.params.max_depth 6 → 5",
        ),
        (
            lambda c: c["gates"]["validation_criteria"][0].update(threshold=0.04),
            "ingest, split, train",
            "evaluate: gates.validation_criteria",
        ),
        (lambda c: c.update(random_state=7), "ingest", "split: random_state 42 → 7"),
        (lambda c: c["columns"]["pH"].update(max=6), "none", "ingest: columns.pH.max 5.0 → 6.0"),
        (lambda c: c["candidates"].pop("ElasticNet"), "ingest, split", "train: candidates.ElasticNet removed"),
        (
            lambda c: c["metrics"].update(bootstrap_draws=120),
            "ingest, split, train",
            "evaluate: metrics.bootstrap_draws 100 → 120",
        ),
    ],
)
def test_a_miss_names_what_changed_with_old_and_new_value(ran: Project, change: Any, reused: str, reason: str) -> None:
    ran.write_recipe(change)
    outcome = ran.ok("main")
    assert f"Reused: {reused}." in outcome.stdout
    assert reason in outcome.stdout


def test_other_rows_are_a_miss_with_their_digests(ran: Project, wines: pd.DataFrame) -> None:
    wines.head(300).to_csv(ran.data, index=False)
    assert re.search(r"Run: ingest: content of data \w{12} \(file\) → \w{12} \(file\)", ran.ok("main").stdout)


def test_changed_code_is_a_miss(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from recipeline.orchestration import fingerprints

    real = fingerprints._file_digest
    monkeypatch.setattr(fingerprints, "_file_digest", lambda path: "changed" if path.name == "diagnosis.py" else real(path))
    outcome = ran.ok("main")
    assert "Reused: ingest, split, train." in outcome.stdout
    assert "evaluate: code recipeline/evaluation/diagnosis.py" in outcome.stdout


def test_an_artifact_that_was_changed_or_removed_is_a_miss_and_made_again(ran: Project) -> None:
    [split] = ran.runs("split")
    test_rows = artifact_path(ran, split.info.run_id, "test.parquet")
    test_rows.write_bytes(test_rows.read_bytes()[:-10])
    outcome = ran.ok("main")
    assert "Reused: ingest." in outcome.stdout
    assert f"test.parquet of run {split.info.run_id} has changed or is truncated" in outcome.stdout
    [second] = [run for run in ran.runs("split") if run.info.run_id != split.info.run_id]
    artifact_path(ran, second.info.run_id, "test.parquet").unlink()
    assert "Reused: ingest." in ran.ok("main").stdout


def test_a_removed_model_file_is_a_miss(ran: Project) -> None:
    served = str(ran.production().model_id or ran.production().source)  # without its own file, Production is exit code 6
    files = (ran.folder / "mlruns").rglob("model.skops")
    next(file for file in files if served.rpartition("/")[2] not in file.parts).unlink()
    outcome = ran.ok("main")
    assert "Reused: ingest, split." in outcome.stdout
    assert "model.skops of the logged model" in outcome.stdout


def test_a_deleted_run_is_not_reused(ran: Project) -> None:
    [train] = ran.runs("train")
    ran.client.delete_run(train.info.run_id)
    assert "Reused: ingest, split." in ran.ok("main").stdout


def test_cache_off_runs_everything_and_registers_nothing_twice(ran: Project) -> None:
    outcome = ran.ok("main", cache="off")
    assert "Reused: none." in outcome.stdout
    assert "train: cache=off" in outcome.stdout
    assert ran.versions() == {"1": "Production"}


def test_metrics_and_best_model_are_on_candidates_runs_only(trained: Project) -> None:
    of_candidates = {"cv_mean_score", "cv_std", "r2", "rmse", "mae"}
    for run in trained.runs():
        is_candidate = "model_type" in run.data.tags
        assert of_candidates & set(run.data.metrics) == (of_candidates if is_candidate else set())
        assert is_candidate or "best_model" not in run.data.tags
    train = trained.first("train")
    best = [run for run in trained.runs() if run.data.tags.get("best_model") == "true"]
    metrics = candidate_metrics(trained, train.info.run_id)
    assert [run.data.tags["model_type"] for run in best] == [max(metrics, key=lambda name: metrics[name]["cv_mean_score"])]


def test_a_candidates_run_has_its_parameters_and_a_model_with_signature_example_and_pinned_requirements(
    trained: Project,
) -> None:
    import mlflow

    [run] = [run for run in trained.runs() if run.data.tags.get("model_type") == "ElasticNet"]
    assert run.data.params["estimator"] == "sklearn.linear_model.ElasticNet"
    assert run.data.params["alpha"] == "0.1"
    [model] = trained.client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    assert {"r2", "rmse", "mae", "cv_mean_score", "cv_std"} <= {metric.key for metric in model.metrics}
    info = mlflow.models.get_model_info(f"models:/{model.model_id}")
    assert len(info.signature.inputs) == 11
    assert info.saved_input_example_info
    assert info.flavors["sklearn"]["serialization_format"] == "skops"
    requirements = Path(model.artifact_location.removeprefix("file://"), "requirements.txt").read_text(encoding="utf-8")
    assert re.fullmatch(r"([\w-]+==[\w.]+\n?)+", requirements)


def test_the_production_model_loads_by_its_stage_and_answers_the_golden_rows(trained: Project) -> None:
    import mlflow

    trained.production()
    evaluate = trained.first("evaluate")
    golden = pd.read_parquet(artifact_path(trained, evaluate.info.run_id, "golden.parquet"))
    model = mlflow.pyfunc.load_model(f"models:/{NAME}/Production")
    answers = model.predict(golden.drop(columns="prediction"))
    assert list(answers) == list(golden["prediction"])


def test_the_version_carries_its_lineage_digests_scores_and_commit(trained: Project) -> None:
    version = trained.production()
    tags = {key.removeprefix("recipeline."): value for key, value in version.tags.items()}
    for step in ("ingest", "split", "train", "evaluate", "register"):
        assert trained.tags(tags[f"{step}_run_id"])["recipeline.step"] == step
    assert len(tags["data_digest"]) == 64
    assert (tags["data_source"], tags["verdict"], tags["split_method"]) == ("file", "VALIDATED", "grouped")
    runs = {f"{step}_run_id" for step in ("ingest", "split", "train", "evaluate", "register")}
    gate = {"gate_rule", "gate_gain", "gate_lower", "gate_passed", "gate_run_id", "held_against"}
    of_classes = {"brier_skill", "log_loss", "roc_auc", "cv_metric"}
    assert set(tags) == {*TAGS, *runs, *gate} - of_classes
    known = [name for name in TAGS if name not in {"identity", *of_classes}]
    assert [*tags][: len(known)] == known  # as MLflow's pages show them
    facts = artifact(trained, tags["register_run_id"], "version.json")["tags"]
    assert {name: str(facts[name]) for name in known} == {name: tags[name] for name in known}
    assert {"training_rows", "recipe_digest", "environment_digest", "candidates_compared"} <= set(facts) - set(tags)
    assert "cross-validated R2" in version.description


def test_ingest_logs_the_dataset_input_with_the_digest_of_the_file(trained: Project) -> None:
    digest = hashlib.sha256(trained.data.read_bytes()).hexdigest()
    ingest = trained.first("ingest")
    assert ingest.data.tags["recipeline.data_digest"] == digest
    assert [entry.dataset.digest for entry in ingest.inputs.dataset_inputs] == [digest[:32]]


def test_train_evaluate_and_the_candidates_name_the_rows_that_they_were_fitted_to_and_scored_on(trained: Project) -> None:
    import mlflow

    def rows(run: Run) -> dict[str, int]:
        """Return the number of rows by what they were used for."""
        inputs = run.inputs.dataset_inputs
        tables = [pd.read_parquet(mlflow.data.get_source(entry.dataset).load()) for entry in inputs]
        return {entry.tags[0].value: len(table) for entry, table in zip(inputs, tables, strict=True)}

    train, evaluate = trained.first("train"), trained.first("evaluate")
    audit = artifact(trained, trained.first("split").info.run_id, "leak_audit.json")
    both = {"training": audit["train_rows"], "evaluation": audit["test_rows"]}
    assert rows(train) == {"training": both["training"]}
    assert rows(evaluate) == {"evaluation": both["evaluation"]}
    candidates = [run for run in trained.runs() if "model_type" in run.data.tags]
    assert [rows(run) for run in candidates] == [both] * len(CANDIDATES)
    chain, ingest = (trained.first(step).inputs.dataset_inputs for step in ("main", "ingest"))
    assert [entry.to_dictionary() for entry in chain] == [entry.to_dictionary() for entry in ingest]


def test_the_random_split_leaks_and_says_what_it_does_to_the_metric(project: Project) -> None:
    outcome = project.ok("main", split="random", data="synthetic")
    assert re.search(r"random, \d+ training and 313 test rows; [1-9]\d* test rows have a twin", outcome.stdout)
    assert re.search(r"R2 of \w+ on those \d+ rows is -?\d\.\d+, on the others -?\d\.\d+", outcome.stdout)
    [evaluate] = project.runs("evaluate")
    metrics = artifact(project, evaluate.info.run_id, "metrics.json")
    assert metrics["leaks"]["leaked_rows"] > 0


def test_evaluate_alone_says_what_the_leaks_of_a_random_split_do_to_the_metric(project: Project) -> None:
    project.ok("split", method="random", ingest_run_id=project.ok("ingest", data="synthetic").run_id)
    printed = project.ok("evaluate").stdout
    evaluate = project.first("evaluate").info.run_id
    metrics = artifact(project, evaluate, "metrics.json")
    leaks, best = metrics["leaks"], metrics["best"]["candidate"]
    learned = artifact(project, project.first("split").info.run_id, "leak_audit.json")["train_rows"]
    split = f"Split: random, {learned} training and {metrics['test_rows']} test rows"
    assert f"{split}; {leaks['leaked_rows']} test rows have a twin in training." in printed
    with_twin, without = leaks["r2_with_twin"][best], leaks["r2_without_twin"][best]
    assert with_twin != without
    worth = f"R2 of {best} on those {leaks['leaked_rows']} rows is {with_twin:.4f}, on the others {without:.4f}: "
    assert worth in printed
    assert printed.endswith(f"\n{evaluate}\n")


def test_evaluate_alone_says_nothing_of_leaks_where_the_split_has_none(project: Project) -> None:
    assert "twin" not in project.ok("evaluate").stdout


def test_the_grouped_split_leaks_nothing_and_shows_the_usual_figure_beside(trained: Project) -> None:
    split, evaluate = trained.first("split"), trained.first("evaluate")
    audit = artifact(trained, split.info.run_id, "leak_audit.json")
    assert audit["leaked_rows"] == 0
    assert audit["random_split"]["leaked_rows"] > 0
    metrics = artifact(trained, evaluate.info.run_id, "metrics.json")
    assert set(metrics["random_split_r2"]) == CANDIDATES


def test_evaluate_draws_its_plots(ran: Project) -> None:
    ran.draws = True
    evaluate = ran.client.get_run(ran.ok("evaluate").run_id)
    for name in ("candidates", "predicted_vs_true", "residuals", "errors_per_grade", "importance", "slices"):
        path = artifact_path(ran, evaluate.info.run_id, f"plots/{name}.png")
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_rejected_model_is_not_registered_and_ends_with_4(project: Project) -> None:
    project.write_recipe(lambda c: c["gates"]["validation_criteria"].append({"metric": "mae", "threshold": 0.01}))
    outcome = project.run("main")
    assert outcome.exit_code == 4
    assert "Rejected" in outcome.stdout
    assert "mae must be at most 0.01" in outcome.stdout
    run = project.client.get_run(outcome.run_id)
    assert (run.info.status, run.data.tags["recipeline.outcome"], run.data.tags["recipeline.exit_code"]) == (
        "FINISHED",
        "rejected",
        "4",
    )
    assert project.versions() == {}
    evaluate = project.run("evaluate")
    assert evaluate.exit_code == 0
    assert project.tags(evaluate.run_id)["recipeline.outcome"] == "rejected"
    assert project.run("register").exit_code == 4
    promote = project.run("promote")
    assert promote.exit_code == 6
    assert "whose model was rejected" in promote.stderr


def test_a_version_whose_register_was_stopped_points_to_the_next_run_that_registers_it(project: Project) -> None:
    stopped = project.ok("register").run_id
    artifact_path(project, stopped, "manifest.json").unlink()
    whole = project.ok("register").run_id
    tags = project.client.get_model_version(NAME, "1").tags
    assert tags["recipeline.register_run_id"] == whole != stopped


def test_a_better_model_replaces_the_champion_and_a_worse_one_does_not(project: Project) -> None:
    project.ok("main", model="dt", promote="always")
    outcome = project.ok("main", model="en")
    assert "Promotion: promoted (recipe): R2 +0." in outcome.stdout
    assert project.versions() == {"1": "Archived", "2": "Production"}
    assert str(project.client.get_model_version_by_alias(NAME, "previous").version) == "1"
    project.write_recipe(lambda c: c["candidates"]["ElasticNet"]["params"].update(alpha=0.6))
    outcome = project.ok("main", model="en")
    assert "Promotion: kept (recipe): R2 -0." in outcome.stdout
    assert "not above 0" in outcome.stdout
    assert str(project.production().version) == "2"
    assert str(project.client.get_model_version_by_alias(NAME, "challenger").version) == "3"
    assert project.versions()["3"] == "Staging"


@pytest.mark.parametrize(("policy", "stage"), [("manual", "Staging"), ("never", "Staging"), ("always", "Production")])
def test_the_policy_decides_what_may_be_promoted(project: Project, policy: str, stage: str) -> None:
    outcome = project.ok("main", promote=policy)
    assert project.versions() == {"1": stage}
    assert artifact(project, project.tags(outcome.run_id)["recipeline.promote_run_id"], "decision.json")["policy"] == policy


def test_the_profile_gives_the_policy_and_the_parameter_wins(project: Project) -> None:
    project.write_profile(promote="never")
    project.ok("main")
    assert project.versions() == {"1": "Staging"}
    project.ok("promote", promote="auto")
    assert project.versions() == {"1": "Production"}


def test_synthetic_rows_never_replace_real_ones_and_are_announced(ran: Project) -> None:
    outcome = ran.ok("main", data="synthetic", promote="always")
    assert "SYNTHETIC" in outcome.stdout
    assert "Promotion: kept (synthetic-never-replaces-real)" in outcome.stdout
    assert str(ran.production().version) == "1"
    version = ran.client.get_model_version(NAME, "2")
    assert version.tags["recipeline.data_source"] == "synthetic"
    assert "SYNTHETIC" in version.description


def test_real_rows_replace_a_synthetic_champion(project: Project) -> None:
    project.ok("main", data="synthetic")
    assert "Promotion: promoted (first-real)" in project.ok("main").stdout


def test_a_champion_with_other_columns_is_not_compared_and_stays(ran: Project, wines: pd.DataFrame) -> None:
    wines.drop(columns="pH").to_csv(ran.data, index=False)
    ran.write_recipe(lambda content: content["columns"].pop("pH"))
    assert "Promotion: kept (not-comparable)" in ran.ok("main").stdout


def test_the_last_line_of_stdout_is_the_run_id_and_logs_are_on_stderr(project: Project) -> None:
    outcome = project.ok("split")
    assert re.fullmatch(r"[0-9a-f]{32}", outcome.run_id)
    assert len(outcome.stdout.splitlines()) == 2
    assert "ingest" in outcome.stderr


def test_a_search_finds_parameters_inside_the_folds_logs_them_and_the_card_shows_them(project: Project) -> None:
    project.write_recipe(
        lambda c: c["candidates"]["ElasticNet"].update(
            search={"space": {"elasticnet__alpha": {"loguniform": [0.001, 1.0]}}, "iterations": 3, "seconds": 30}
        )
    )
    train = project.ok("train", model="en").run_id
    [run] = [run for run in project.runs() if run.data.tags.get("mlflow.parentRunId") == train]
    found = run.data.params["found.elasticnet__alpha"]
    assert 0.001 <= float(found) <= 1.0
    card = artifact_path(project, train, "card.html").read_text(encoding="utf-8")
    assert f"<td>elasticnet__alpha</td><td>{found}, found by the search</td>" in card


@pytest.mark.parametrize(("seconds", "tried"), [(1e-9, 1), (None, 4)])
def test_the_draws_that_were_tried_are_told_counted_and_warned_of_where_time_cut_them(
    project: Project, seconds: float | None, tried: int
) -> None:
    search = {"space": {"elasticnet__alpha": {"loguniform": [0.001, 1.0]}}, "iterations": 4, "seconds": seconds}
    project.write_recipe(lambda content: content["candidates"]["ElasticNet"].update(search=search))
    outcome = project.ok("train", model="en,lr")
    assert ("Raise seconds, or lower iterations, in its search" in outcome.stderr) is (seconds is not None)
    board = pd.read_csv(artifact_path(project, outcome.run_id, "leaderboard.csv")).set_index("candidate")
    assert board["settings_tried"].to_dict() == {"ElasticNet": tried, "LinearRegression": 1}
    assert (board["cut_searches"] > 0).to_dict() == {"ElasticNet": seconds is not None, "LinearRegression": False}
    registry = Registry(open_store(project.uri, root=project.folder), NAME)
    assert count_looks(registry, "") == tried + 1


def test_a_second_table_needs_a_recipe_and_no_code(project: Project) -> None:
    content = yaml.safe_load((ROOT / "examples/diabetes/recipe.yaml").read_text(encoding="utf-8"))
    content["candidates"]["RandomForest"]["params"]["n_estimators"] = 10
    path = project.folder / "diabetes.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    outcome = project.ok("main", recipe=str(path), data="auto")
    champion = project.client.get_model_version_by_alias("DiabetesBestModel", "champion")
    assert champion.current_stage == "Production"
    assert project.versions() == {}  # of the other recipe's model
    assert "DiabetesBestModel version 1" in outcome.stdout


def test_evaluate_does_not_need_the_candidates_to_be_in_the_recipe_still(project: Project) -> None:
    project.ok("train", model="lr,dt")
    project.write_recipe(lambda content: content["candidates"].pop("DecisionTree"))
    outcome = project.ok("evaluate")
    metrics = artifact(project, outcome.run_id, "metrics.json")
    assert set(metrics["random_split_r2"]) == {"LinearRegression", "DecisionTree"}


def test_the_usual_figure_is_of_the_candidate_that_was_trained_whatever_the_recipe_says_now(project: Project) -> None:
    def shallow(content: dict[str, Any]) -> None:
        content["candidates"]["DecisionTree"]["params"]["max_depth"] = 1

    project.ok("train", model="dt")
    before = artifact(project, project.ok("evaluate").run_id, "metrics.json")["random_split_r2"]
    project.write_recipe(shallow)
    assert artifact(project, project.ok("evaluate").run_id, "metrics.json")["random_split_r2"] == before


def test_code_of_the_project_in_a_preprocessing_step_counts() -> None:
    from tests.conftest import as_recipe, small_recipe

    content = small_recipe()
    content["candidates"]["ElasticNet"]["preprocess"] = [{"estimator": "custom.red_wine.draw"}]
    part = as_recipe(content).part([], candidates=["ElasticNet"])
    assert list(import_paths(part)) == ["custom.red_wine.draw", "sklearn.linear_model.ElasticNet"]


def test_the_experiment_that_the_environment_names_by_id_is_used(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = project.client.create_experiment("theirs", artifact_location=(project.folder / "theirs").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    assert project.client.get_run(project.ok("ingest").run_id).info.experiment_id == experiment


def test_a_champion_that_changed_while_it_was_measured_is_decided_upon_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recipeline.registry import decision

    project.ok("main", model="en")
    for model in ("lr", "dt"):
        project.ok("main", model=model, promote="never")
    real, calls = decision.choose_rule, []

    def choose_rule(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:  # another command is faster
            registry = Registry(open_store(project.uri, root=project.folder), NAME)
            changed_by = ChangedBy(Actor("bob", "there"), "0" * 32)
            registry.change("2", expected="1", kind=PROMOTE, reason="faster", changed_by=changed_by)
        return real(*arguments)

    monkeypatch.setattr("recipeline.registry.decision.choose_rule", choose_rule)
    outcome = project.ok("promote", promote="always")
    assert "the champion was changed meanwhile: deciding again" in outcome.stderr
    assert [champion.version for _, champion, _ in calls] == ["1", "2"]
    changes = Ledger(project.client, NAME).read().changes
    assert [(entry.before, entry.after) for entry in changes] == [("", "1"), ("1", "2"), ("2", "3")]
    assert str(project.production().version) == "3"


def test_environment_wins_over_profile_and_parameter_over_both(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "Mine")
    monkeypatch.chdir(tmp_path)
    outcome = project.ok("ingest", data="synthetic")
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/other.db")
    run = client.get_run(outcome.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "Mine"
    assert run.data.tags["recipeline.data_source"] == "synthetic"


def test_the_profile_of_continuous_integration_runs_the_chain_on_synthetic_rows_in_the_store_it_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load((ROOT / "profiles" / "ci.yaml").read_text(encoding="utf-8"))
    content["store"]["artifact_location"] = str(project.folder / content["store"]["artifact_location"])
    project.write_profile(**content)
    monkeypatch.setenv("CI_TRACKING_URI", project.uri)
    outcome = project.ok("main")
    assert "SYNTHETIC" in outcome.stdout
    assert (project.tags(outcome.run_id)["recipeline.data_source"], project.versions()) == ("synthetic", {"1": "Production"})


def words_after(project: Project, *arguments: str) -> list[str]:
    """Return what is typed after `python` for a step of the project."""
    settings = ["--recipe", str(project.recipe_path), "--profile", str(project.profile_path)]
    return [*words_of(arguments[0]).split(), *settings, *arguments[1:]]


def spawn(project: Project, *arguments: str, place: str = "out") -> Command:
    """Start a step as a process that writes to files of the project's folder."""
    _, *words = words_after(project, *arguments)
    stdout, stderr = (project.folder / f"{place}.{name}" for name in ("stdout", "stderr"))
    return Command(*words, environment=os.environ, stdout=stdout, stderr=stderr)


@pytest.mark.parametrize("task", ["regression", *(pytest.param(it, marks=pytest.mark.full) for it in ("binary", "multiclass"))])
def test_two_chains_at_once_on_a_store_that_does_not_exist_both_finish(project: Project, task: str) -> None:
    if task != "regression":
        turn_into_classes(project, task)
    (project.folder / "mlflow.db").unlink()
    both = [spawn(project, "main", "--model", "lr,en", place=place) for place in ("one", "two")]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(stderr for _, stderr in outputs)
    stages = list(project.versions().values())
    assert stages.count("Production") == 1
    project.production()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.full)])
def test_a_step_that_is_ended_by_a_signal_says_so_and_its_run_is_failed(project: Project, number: int, code: int) -> None:
    project.write_recipe(
        lambda c: c["candidates"]["DecisionTree"].update(
            estimator="sklearn.ensemble.RandomForestRegressor", params={"n_estimators": 5000}
        )
    )
    project.write_profile(engine={"n_jobs": 2})
    process = subprocess.Popen(  # of its own from its start on, with those that fit for it
        [sys.executable, *words_after(project, "train", "--model", "dt")],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not (runs := project.runs("train")) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert "Traceback" not in stderr
    assert {signal.SIGINT: "train: interrupted", signal.SIGTERM: "train: terminated"}[signal.Signals(number)] in stderr
    run = project.client.get_run(runs[0].info.run_id)
    assert (run.info.status, run.data.tags["recipeline.exit_code"]) == ("FAILED", str(code))


def test_a_signal_that_python_swallows_in_a_callback_ends_the_command_all_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from steps import split

    class Thing:
        pass

    def work(*_: object, **__: object) -> str:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(0.01))
        del thing  # the signal arrives in the callback, where nothing can be raised
        assert reference() is None
        time.sleep(5)
        raise AssertionError("the signal was lost")

    monkeypatch.setattr(split, "STEP", replace(split.STEP, work=work))
    outcome = project.run("split")
    assert outcome.exit_code == 143
    assert "split: terminated" in outcome.stderr


def test_a_killed_chain_leaves_production_as_it_was_and_the_next_one_recovers(ran: Project) -> None:
    ran.write_recipe(
        lambda c: c["candidates"]["DecisionTree"].update(
            estimator="sklearn.ensemble.RandomForestRegressor", params={"n_estimators": 2000}
        )
    )
    process = spawn(ran, "main")
    deadline = time.monotonic() + 60
    while len(ran.runs("train")) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.communicate()
    assert str(ran.production().version) == "1"
    ran.write_recipe(lambda c: c["candidates"]["DecisionTree"]["params"].update(max_depth=4))
    ran.ok("main")
    ran.production()
