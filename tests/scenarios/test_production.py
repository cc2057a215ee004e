"""Commands about Production: who, why, what is broken, and the way back."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.utils.file_utils import local_file_uri_to_path
from sklearn.linear_model import LinearRegression

import recipeline.cli.command
import recipeline.commands.rollback
from recipeline.cli.main import COMMANDS
from recipeline.registry.ledger import Ledger
from recipeline.tracking.connection.client import RegistryClient
from recipeline.tracking.models import log_model
from tests.conftest import NAME, MakeProject, Outcome, Project, few_trees, find_command, forget_mlflow, move_store, undrawn
from tests.faults import in_fork
from tests.registry.helpers import stopped_at

pytestmark = pytest.mark.xdist_group("production")


@pytest.fixture(scope="session")
def _served(make_project: MakeProject, wines: pd.DataFrame) -> Path:
    """Three versions: 1 and 2 were in Production, 3 is the challenger."""
    project = make_project(wines)
    for model, promote in (("en", "auto"), ("lr", "always"), ("dt", "never")):
        project.ok("main", model=model, promote=promote)
    return project.folder


@pytest.fixture
def served(_served: Path, tmp_path: Path, wines: pd.DataFrame) -> Iterator[Project]:
    """The project with three versions, in a folder of its own."""
    folder = tmp_path / "served"
    move_store(_served, folder)
    yield Project(folder, wines)
    mlflow.end_run()


def values(project: Project, command: str, **params: str) -> Any:
    """Run a command with --json; return its values."""
    return json.loads(with_json(project, command, **params).stdout)["values"]


def with_json(project: Project, command: str, **params: str) -> Outcome:
    from click.testing import CliRunner

    words = ["--recipe", str(project.recipe_path), "--profile", str(project.profile_path), "--json"]
    words += [word for key, value in params.items() for word in (f"--{key}", value)]
    with undrawn(), few_trees():
        result = CliRunner().invoke(find_command(command), words)
    forget_mlflow()
    return Outcome(result.exit_code, result.stdout, result.stderr)


def broken(project: Project) -> list[dict[str, str]]:
    """Return the faults that doctor finds, with repairs; check the exit code."""
    outcome = with_json(project, "doctor")
    found = [finding for finding in json.loads(outcome.stdout)["values"] if finding["state"] == "broken"]
    assert outcome.exit_code == (7 if found else 0)
    assert all(finding["fix"] for finding in found), found
    return found


def served_versions(project: Project) -> list[str]:
    return [term["version"] for term in values(project, "history")]


def test_history_tells_who_was_in_production_from_when_to_when_and_why(served: Project) -> None:
    first, second = values(served, "history")
    assert (first["version"], first["kind"], first["until"]) == ("1", "promote", second["since"])
    assert (second["version"], second["kind"], second["until"]) == ("2", "forced", None)
    assert first["reason"].startswith("first: R2 +0.")
    assert served.client.get_run(second["run_id"]).data.tags["recipeline.step"] == "promote"
    table = served.ok("history").stdout
    assert table.index("│ 2 ") < table.index("│ 1 ")


def test_who_served_names_the_version_of_a_moment_and_all_of_a_day(served: Project) -> None:
    first, second = values(served, "history")
    just_before = (datetime.fromisoformat(second["since"]) - timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
    assert [term["version"] for term in values(served, "who_served", at=just_before)] == ["1"]
    assert [term["version"] for term in values(served, "who_served", at=second["since"])] == ["2"]
    assert [term["version"] for term in values(served, "who_served", at="now")] == ["2"]
    before = (datetime.fromisoformat(first["since"]) - timedelta(milliseconds=1)).isoformat(timespec="milliseconds")
    assert values(served, "who_served", at=before) == []
    day = datetime.fromisoformat(first["since"]).astimezone()
    if day.date() == datetime.fromisoformat(second["since"]).astimezone().date():
        assert [term["version"] for term in values(served, "who_served", at=f"{day:%Y-%m-%d}")] == ["1", "2"]
    assert served.run("who_served", at="someday").exit_code == 2


def test_a_time_copied_from_the_history_table_is_in_the_term_that_it_begins(served: Project) -> None:
    newest = served.ok("history").stdout.splitlines()[3]
    copied = newest.split("│")[2].strip()
    assert "2" in [term["version"] for term in values(served, "who_served", at=copied)]


@pytest.mark.parametrize("command", ["rollback", "approve", "why"])
def test_a_version_is_a_number(served: Project, command: str) -> None:
    outcome = served.run(command, version="abc")
    assert outcome.exit_code == 2
    assert "version must be the number of a version. Got 'abc' instead." in outcome.stderr


def test_a_model_that_waits_for_approval_names_the_command(project: Project) -> None:
    line = f'make approve ARGS="recipe={project.recipe_path} profile={project.profile_path}"'
    assert line in project.ok("main", promote="manual").stdout
    project.ok("approve")
    assert project.production().version


def test_why_tells_a_versions_lineage_and_what_differs_from_the_one_before(served: Project) -> None:
    found = values(served, "why", version="2")
    assert set(found["runs"]) == {"ingest", "split", "train", "evaluate", "register"}
    assert {run["state"] for run in found["runs"].values()} == {"active"}
    assert found["tags"]["candidate"] == "LinearRegression"
    assert {"r2", "cv_mean_score"} <= set(found["metrics"])
    assert found["before"] == "1"
    assert any("candidates.ElasticNet" in line for line in found["differences"])
    assert values(served, "why")["version"] == "2"
    assert [term["kind"] for term in found["terms"]] == ["forced"]
    assert re.search(r"In Production from \S+ \d\d:\d\d:\d\d[+-]\d\d:\d\d until now ", served.ok("why").stdout)
    assert served.run("why", version="9").exit_code == 6
    assert "LinearRegression" in served.ok("why").stdout


def test_rollback_goes_back_withdraws_and_walks_past_the_withdrawn(served: Project) -> None:
    served.ok("rollback", reason="grades too high")
    assert str(served.production().version) == "1"
    assert "grades too high" in served.client.get_model_version(NAME, "2").tags["recipeline.withdrawn"]
    outcome = served.run("rollback")
    assert outcome.exit_code == 6
    assert "version 2 is withdrawn" in outcome.stderr
    assert "No earlier version of Production to restore." in outcome.stderr
    assert str(served.production().version) == "1"
    assert broken(served) == []


@pytest.mark.parametrize("write", range(1, 8))
def test_a_rollback_that_was_killed_and_is_typed_again_goes_back_once(served: Project, write: int) -> None:
    served.ok("main", model="dt", promote="always")  # 1, 2 and 3 were in Production: a second step would be one
    with stopped_at(RegistryClient, write) as names:
        served.run("rollback")
    assert len(names) == write, names
    outcome = served.ok("rollback")
    assert str(served.production().version) == "2"
    assert [term["kind"] for term in values(served, "history")][-1] == "rollback"
    assert served_versions(served) == ["1", "2", "3", "2"]
    assert "Traceback" not in outcome.stderr
    assert broken(served) == []


@pytest.mark.parametrize("status", ["RUNNING", "FAILED"])
def test_a_rollback_that_ended_before_it_could_say_so_is_not_repeated(
    served: Project, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    served.ok("main", model="dt", promote="always")
    end_after_change(served, "rollback", status, monkeypatch)
    assert str(served.production().version) == "2"
    assert broken(served) == []
    served.ok("repair")
    assert "version 2 is in Production: version 3 was rolled back by" in served.ok("rollback").stdout
    assert served_versions(served) == ["1", "2", "3", "2"]
    served.ok("rollback")  # what is typed again after an answer is another step
    assert served_versions(served) == ["1", "2", "3", "2", "1"]


def test_a_rollback_that_ended_long_ago_is_not_the_one_that_is_typed(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    served.ok("main", model="dt", promote="always")
    end_after_change(served, "rollback", "RUNNING", monkeypatch)
    monkeypatch.setattr(recipeline.cli.command, "_TYPED_AGAIN", timedelta())
    served.ok("rollback")
    assert served_versions(served) == ["1", "2", "3", "2", "1"]


def test_an_approval_that_ended_before_it_could_say_so_is_done_until_there_is_another_challenger(
    served: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = {"held_against": "2", "gate_passed": "true"}
    for name, value in passed.items():
        served.client.set_model_version_tag(NAME, "3", f"recipeline.{name}", value)
    end_after_change(served, "approve", "RUNNING", monkeypatch)
    challenger = served.client.get_model_version_by_alias(NAME, "previous").version
    served.client.set_registered_model_alias(NAME, "challenger", challenger)
    assert "has not passed the gate" in served.run("approve").stderr
    served.client.delete_registered_model_alias(NAME, "challenger")
    assert "version 3 is approved and in Production" in served.ok("approve").stdout
    assert "No challenger to approve." in served.run("approve").stderr
    assert served_versions(served) == ["1", "2", "3"]


def end_after_change(project: Project, command: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command that ends when Production is changed, before anything else."""
    module = importlib.import_module(f"recipeline.commands.{command}")

    def end(*_: object) -> None:
        if status == "RUNNING":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(module, "record_change", end)
        assert in_fork(lambda: project.ok(command)) != 0
    (run,) = project.client.search_runs(["1"], f"tags.`recipeline.step` = '{command}'", max_results=1)
    assert run.info.status == status


def test_of_two_rollbacks_at_once_one_is_carried_out(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    served.ok("main", model="dt", promote="always")
    check = recipeline.commands.rollback.load_golden

    def be_slow(*words: Any) -> Any:
        monkeypatch.setattr(recipeline.commands.rollback, "load_golden", check)
        assert in_fork(lambda: served.ok("rollback")) == 0
        return check(*words)

    monkeypatch.setattr(recipeline.commands.rollback, "load_golden", be_slow)
    second = served.ok("rollback")
    assert "version 2 is in Production: version 3 was rolled back by" in second.stdout
    assert str(served.production().version) == "2"
    served.ok("rollback")
    assert str(served.production().version) == "1"


@pytest.mark.parametrize("write", range(1, 7))
def test_an_approval_that_was_killed_and_is_typed_again_is_done(served: Project, write: int) -> None:
    for name, value in {"held_against": "2", "gate_passed": "true"}.items():
        served.client.set_model_version_tag(NAME, "3", f"recipeline.{name}", value)
    with stopped_at(RegistryClient, write) as names:
        served.run("approve")
    assert len(names) == write, names
    assert "version 3 is approved and in Production" in served.ok("approve").stdout
    assert served_versions(served) == ["1", "2", "3"]
    assert broken(served) == []


@pytest.fixture
def foreign(served: Project) -> Project:
    """The project with a version of other means than the chain in Production."""
    served.client.set_registered_model_alias(NAME, "champion", register_by_hand(served))
    return served


def register_by_hand(project: Project) -> str:
    """Register a model as MLflow's own examples do; return the version's number."""
    rows = pd.read_csv(project.data, sep=";")
    client, features = project.client, rows.drop(columns="quality")
    with mlflow.start_run(experiment_id="0") as run:
        made = log_model(LinearRegression().fit(features, rows["quality"]), run.info.run_id, features, packages={"sklearn"})
    return str(client.create_model_version(NAME, f"models:/{made[0]}", run.info.run_id, model_id=made[0]).version)


@pytest.mark.parametrize(("command", "params"), [("monitor", {}), ("retrain", {"data": "wines.csv"})])
def test_what_needs_the_runs_of_a_version_that_has_none_says_so(foreign: Project, command: str, params: dict[str, str]) -> None:
    outcome = foreign.run(command, **{name: str(foreign.folder / value) for name, value in params.items()})
    assert outcome.exit_code == 6
    assert "models:/SmallModel/4 has no run of" in outcome.stderr
    assert "registered by other means than the chain" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_version_of_other_means_is_told_as_such_and_can_be_left(foreign: Project) -> None:
    told = foreign.ok("why").stdout
    assert "SmallModel version 4, in no stage: registered by other means than the chain" in told
    assert "Changes since version 3:\n  none recorded" in told
    assert "┌──┬" not in told, "an empty table"
    assert "deleted" not in told
    assert "version 2 is back in Production" in foreign.ok("rollback").stdout


def test_a_withdrawn_version_is_not_promoted_automatically_and_always_lifts_it(served: Project) -> None:
    served.ok("rollback")
    assert "kept (withdrawn)" in served.ok("main", model="lr").stdout
    assert str(served.production().version) == "1"
    assert "promoted (forced)" in served.ok("main", model="lr", promote="always").stdout
    assert str(served.production().version) == "2"
    assert "recipeline.withdrawn" not in served.client.get_model_version(NAME, "2").tags


def test_rollback_to_a_named_version_and_to_the_one_in_production(served: Project) -> None:
    served.ok("rollback", version="3")
    assert str(served.production().version) == "3"
    assert served_versions(served) == ["1", "2", "3"]
    assert served.run("rollback", version="3").exit_code == 2
    assert served.run("rollback", version="8").exit_code == 6


def learned_from(project: Project, source: str, *versions: str) -> None:
    for version in versions:
        project.client.set_model_version_tag(NAME, version, "recipeline.data_source", source)


def test_rollback_never_puts_a_model_of_synthetic_rows_in_the_place_of_one_of_real_rows(served: Project) -> None:
    learned_from(served, "synthetic", "1", "3")
    named = served.run("rollback", version="3")
    assert named.exit_code == 2
    assert "must be trained on real rows" in named.stderr
    assert "Got version 3, trained on synthetic rows, instead." in named.stderr
    unnamed = served.run("rollback")
    assert unnamed.exit_code == 6
    assert "version 1 was trained on synthetic rows" in unnamed.stderr
    assert str(served.production().version) == "2"
    assert served_versions(served) == ["1", "2"]


def test_rollback_from_a_model_of_synthetic_rows_goes_to_either(served: Project) -> None:
    learned_from(served, "synthetic", "1", "2")
    served.ok("rollback")
    assert str(served.production().version) == "1"
    served.ok("rollback", version="3")
    assert str(served.production().version) == "3"


def test_rollback_refuses_a_version_that_answers_differently(served: Project) -> None:
    shutil.copy(model_folder(served, "3") / "model.skops", model_folder(served, "1") / "model.skops")
    outcome = served.run("rollback", version="1")
    assert outcome.exit_code == 6
    assert "has changed or is truncated" in outcome.stderr
    assert str(served.production().version) == "2"
    assert any("Version 1" in finding["what"] and "model.skops" in finding["what"] for finding in broken(served))


def test_under_the_policy_manual_a_challenger_that_passed_waits_for_approve(project: Project) -> None:
    outcome = project.ok("main", model="en", promote="manual")
    assert "awaits `approve`" in outcome.stdout
    assert project.versions() == {"1": "Staging"}
    project.ok("approve", reason="seen")
    assert str(project.production().version) == "1"
    assert [term["kind"] for term in values(project, "history")] == ["approve"]
    project.ok("main", model="dt", promote="manual")
    outcome = project.run("approve")
    assert outcome.exit_code == 6
    assert "has not passed the gate against the present Production" in outcome.stderr
    assert str(project.production().version) == "1"


def test_doctor_on_no_store_makes_none(project: Project) -> None:
    (project.folder / "mlflow.db").unlink()
    assert broken(project) == []
    assert f"There is no store yet at {project.folder}/mlflow.db." in project.ok("doctor").stdout
    assert not (project.folder / "mlflow.db").exists()
    (project.folder / "mlflow.db").touch()
    assert broken(project) == []
    assert [path.stat().st_size for path in project.folder.glob("mlflow*")] == [0]


#: Commands that work on what a store has: without one there is nothing that they could do.
ON_A_STORE = "approve compare history monitor predict prune repair report rollback who_served why"


@pytest.mark.parametrize("command", ON_A_STORE.split())
def test_a_command_that_needs_a_store_makes_none(project: Project, command: str) -> None:
    (project.folder / "mlflow.db").unlink()
    before = sorted(project.folder.iterdir())
    outcome = with_json(project, command)
    assert outcome.exit_code == json.loads(outcome.stdout)["exit_code"] == 6
    sentence = f"No MLflow store at {project.folder}/mlflow.db: there is no such file. Correct store.tracking_uri of"
    assert sentence in json.loads(outcome.stdout)["error"]
    assert sentence in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert sorted(project.folder.iterdir()) == before


def test_every_command_is_known_to_need_a_store_or_to_do_without() -> None:
    without = "backup check doctor new restore retrain serve server_down server_status server_up upgrade"
    assert {*ON_A_STORE.split(), *without.split()} == {name.replace("-", "_") for name in COMMANDS}


def test_doctor_finds_a_whole_project_whole(served: Project) -> None:
    assert broken(served) == []


def test_doctor_names_an_inherited_run(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    (finding,) = broken(served)
    assert finding["fix"] == "unset MLFLOW_RUN_ID"


def delete_version(project: Project) -> None:
    project.client.delete_model_version(NAME, "1")


def move_stage(project: Project) -> None:
    with pytest.warns(FutureWarning):
        project.client.transition_model_version_stage(NAME, "3", "Production")


def move_alias(project: Project) -> None:
    project.client.set_registered_model_alias(NAME, "champion", "3")


def tamper_with_entry(project: Project) -> None:
    name = Ledger(project.client, NAME).name
    text = project.client.get_model_version(name, "1").tags["recipeline.entry"]
    project.client.set_model_version_tag(name, "1", "recipeline.entry", text.replace('"reason": "', '"reason": "not '))


def cut_off_ledger(project: Project) -> None:
    ledger = Ledger(project.client, NAME)
    project.client.delete_model_version(ledger.name, str(len(ledger.read().entries)))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (delete_version, "Version 1, which was in Production, was deleted"),
        (move_stage, "Versions 2 and 3 are both in stage Production"),
        (move_alias, "Production was changed outside of the pipeline"),
        (tamper_with_entry, "Entry 1 of the ledger was changed"),
        (cut_off_ledger, "of the ledger is missing"),
    ],
)
def test_doctor_names_what_was_done_behind_its_back_and_repair_mends_it(served: Project, damage: Any, words: str) -> None:
    damage(served)
    assert any(words in finding["what"] for finding in broken(served))
    can_be_repaired = damage in (move_stage, move_alias)
    told = served.ok("repair").stdout.splitlines()
    assert any(line.startswith("repaired: " if can_be_repaired else "acknowledged: ") and words in line for line in told), told
    assert broken(served) == []
    served.production()
    served.ok("main", model="en")


def model_folder(project: Project, version: str) -> Path:
    """Return the folder of a version's files."""
    model_id = project.client.get_model_version(NAME, version).source.rpartition("/")[2]
    return Path(local_file_uri_to_path(project.client.get_logged_model(model_id).artifact_location))


def remove_artifacts(project: Project) -> None:
    shutil.rmtree(model_folder(project, "2"))


def tamper_with_model(project: Project) -> None:
    path = model_folder(project, "2") / "model.skops"
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [remove_artifacts, tamper_with_model])
def test_doctor_names_a_model_whose_files_are_gone_or_changed_and_rollback_is_the_way_out(served: Project, damage: Any) -> None:
    damage(served)
    assert any(finding["what"].startswith("Version 2") for finding in broken(served))
    left = served.run("repair")
    assert "not repaired" in left.stdout
    assert left.exit_code == 7
    served.ok("rollback")
    assert str(served.production().version) == "1"


def make_old(project: Project, days: float) -> None:
    """Let all runs and versions be `days` older."""
    milliseconds = int(days * 24 * 3600 * 1000)
    with closing(sqlite3.connect(project.folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE runs SET start_time = start_time - ?, end_time = end_time - ?", (milliseconds,) * 2)
        connection.execute("UPDATE model_versions SET creation_time = creation_time - ?", (milliseconds,))


def test_prune_says_what_it_would_delete_and_deletes_only_what_nothing_needs(served: Project) -> None:
    served.ok("main", model="en", promote="never")  # version 1 is the challenger again, and version 3 archived
    assert "nothing is older" in served.ok("prune").stdout
    make_old(served, 100)
    dry = served.ok("prune").stdout
    assert "would be deleted" in dry
    before = {run.info.run_id for run in served.runs()}
    served.ok("prune", dry_run="off")
    after = {run.info.run_id for run in served.runs()}
    assert before - after
    assert set(served.versions()) == {"1", "2"}
    for version in ("1", "2"):
        found = values(served, "why", version=version)
        assert {run["state"] for run in found["runs"].values()} == {"active"}
    assert broken(served) == []
    served.ok("rollback")
    assert served.run("prune", dry_run="perhaps").exit_code == 2


def test_a_backup_brings_the_store_back_as_it_was(served: Project) -> None:
    archive = served.folder.parent / "saved.tar.gz"

    def save_and_change() -> None:
        served.ok("backup", output=str(archive))
        assert served.run("backup", output=str(archive)).exit_code == 2
        served.ok("rollback")
        remove_artifacts(served)

    def restore_archive() -> None:
        assert "the store before" in served.ok("restore", input=str(archive)).stdout

    def check() -> None:
        assert str(served.production().version) == "2"
        assert served_versions(served) == ["1", "2"]
        assert broken(served) == []

    # A process that has a store open does not see that another one is in its place.
    for part in (save_and_change, restore_archive, check):
        assert in_fork(part) == 0


def test_an_archive_that_is_cut_off_or_of_another_folder_is_refused_and_the_store_stays(
    served: Project, project: Project
) -> None:
    archive = served.folder.parent / "saved.tar.gz"
    served.ok("backup", output=str(archive))
    project.ok("ingest")
    outcome = project.run("restore", input=str(archive))
    assert outcome.exit_code == 6
    assert "must be of a store whose artifacts are in" in outcome.stderr
    assert served.run("backup", output=str(served.folder / "none/saved.tar.gz")).exit_code == 2
    archive.write_bytes(archive.read_bytes()[:5000])
    assert served.run("restore", input=str(archive)).exit_code == 6
    assert served.run("restore", input=str(archive) + ".none").exit_code == 6
    assert str(served.production().version) == "2"


def test_an_entry_leads_to_its_run_and_its_evidence_to_the_decision(served: Project) -> None:
    import hashlib

    first = Ledger(served.client, NAME).read().changes[0]
    uri = served.client.get_run(first.run_id).info.artifact_uri
    decision = Path(uri.removeprefix("file://")) / "decision.json"
    assert hashlib.sha256(decision.read_bytes()).hexdigest() == first.evidence
    content = json.loads(decision.read_text(encoding="utf-8"))
    assert content["evidence"]["lower"] > 0
    assert content["evidence"]["repeats"] == 1
    tags = served.client.get_model_version(NAME, "1").tags
    assert float(tags["recipeline.gate_lower"]) == content["evidence"]["lower"]
    assert tags["recipeline.gate_passed"] == "true"


def test_a_decision_has_a_plot_of_the_gain_beside_it(project: Project) -> None:
    project.ok("register")
    project.draws = True
    decided = project.client.get_run(project.ok("promote").run_id)
    plot = Path(decided.info.artifact_uri.removeprefix("file://")) / "plots/gain.png"
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_same_recipe_on_more_rows_is_a_refresh(project: Project, wines: pd.DataFrame) -> None:
    project.write_recipe(lambda c: c["promotion"].update(min_rows=20, margin=0.5))
    wines.head(300).to_csv(project.data, index=False)
    project.ok("main", model="en", promote="always")
    wines.to_csv(project.data, index=False)
    outcome = project.ok("main", model="en")
    assert "Promotion: promoted (refresh)" in outcome.stdout
    project.write_recipe(lambda c: c["promotion"].update(min_rows=2000))
    wines.head(390).to_csv(project.data, index=False)
    outcome = project.ok("main", model="en")
    assert "Promotion: kept (refresh)" in outcome.stdout
    assert "distinct rows that neither model has seen, at least 2000 are needed" in outcome.stdout


def test_in_a_moved_checkout_commands_say_so_and_repair_mends_it(
    ran: Project, wines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = Project(shutil.copytree(ran.folder, tmp_path_factory.mktemp("moved") / "checkout"), wines)
    for command in ("main", "promote", "predict", "monitor", "rollback", "why"):
        outcome = moved.run(command)
        assert (outcome.exit_code, outcome.stderr.count("\n")) == (6, 1), outcome.stderr
        assert f"was moved: its artifacts are in {moved.folder}/mlruns, and it refers to {ran.folder}/mlruns" in outcome.stderr
        assert "recipeline repair" in outcome.stderr
    (finding,) = broken(moved)
    assert ("was moved" in finding["what"], finding["fix"]) == (True, "recipeline repair")
    assert "repaired: the store was moved" in moved.ok("repair").stdout
    assert broken(moved) == []
    shutil.rmtree(ran.folder)
    before = {path for path in moved.folder.rglob("*") if path.is_file()}
    assert "reused" in moved.ok("main").stderr
    assert "version 1" in moved.ok("predict").stdout
    assert {path for path in moved.folder.rglob("*") if path.is_file()} > before
    assert not ran.folder.exists()


@pytest.mark.parametrize("promote", ["auto", "manual", "never"])
def test_a_champion_that_cannot_be_loaded_is_no_success(ran: Project, promote: str) -> None:
    shutil.rmtree(model_folder(ran, "1"))
    outcome = ran.run("main", promote=promote, model="lr")
    assert outcome.exit_code == 6
    assert f"Version 1 of {NAME} is in Production and cannot be loaded" in outcome.stderr
    ran.ok("main", promote="always", model="lr")
    assert str(ran.production().version) == "2"


def test_a_damaged_database_is_found_by_doctor_and_brought_back(served: Project) -> None:
    archive = served.folder.parent / "whole.tar.gz"

    def damage() -> None:
        served.ok("backup", output=str(archive))
        database = served.folder / "mlflow.db"
        content = database.read_bytes()
        database.write_bytes(content[: len(content) // 2] + b"\xff" * 8192 + content[len(content) // 2 + 8192 :])

    def restore_archive() -> None:
        (finding,) = broken(served)
        assert "is damaged" in finding["what"]
        served.ok("restore", input=str(archive))
        assert broken(served) == []

    for part in (damage, restore_archive):
        assert in_fork(part) == 0
