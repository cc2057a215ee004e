"""`promote --to`: the transfer of a version, and the gate of its target.

The gate decides by what the target knows.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

# Imported before the forks: they inherit it.
import recipeline.cli.target
import recipeline.commands.doctor
import recipeline.registry.contest
import recipeline.tracking.models
from recipeline.artifacts import DATASET, LEADERBOARD, TRAINING_ROWS, VERDICT, VERSION
from recipeline.registry.ledger import ATTEMPT, LOOK, Ledger
from recipeline.registry.loading import load_golden
from recipeline.registry.results import APPLIED
from recipeline.tracking.artifacts.manifest import Reader
from recipeline.tracking.models import model_id_of
from tests.conftest import NAME, MakeProject, Outcome, Project, move_store
from tests.faults import in_fork, run_and_die

STEPS = ("ingest", "split", "train", "evaluate", "register")


@pytest.fixture
def dev(_ran: Path, tmp_path: Path, wines: pd.DataFrame) -> Project:
    """A project with one chain behind it, in a folder of its own."""
    move_store(_ran, tmp_path / "dev")
    return Project(tmp_path / "dev", wines)


@pytest.fixture
def prod(tmp_path: Path, empty_store: Path, wines: pd.DataFrame) -> Project:
    """A project with an empty store and the same rows and recipe."""
    (tmp_path / "prod").mkdir()
    shutil.copy(empty_store, tmp_path / "prod/mlflow.db")
    return Project(tmp_path / "prod", wines)


def send(source: Project, target: Project, **options: str) -> Outcome:
    """Transfer the newest version; it must succeed."""
    return source.ok("promote", to=str(target.profile_path), **options)


def lineage(project: Project, version: str) -> dict[str, str]:
    tags = project.client.get_model_version(NAME, version).tags
    return {step: tags[f"recipeline.{step}_run_id"] for step in STEPS}


def kinds(project: Project) -> list[str]:
    """The kinds of the ledger's entries, which must be whole and applied."""
    reading = Ledger(project.client, NAME).read()
    assert not reading.faults
    assert {entry.state for entry in reading.entries} <= {APPLIED}
    return [entry.kind for entry in reading.entries]


def test_a_version_is_transferred_with_all_that_it_needs_and_needs_its_source_no_more(
    dev: Project, prod: Project, tmp_path: Path
) -> None:
    before, said = lineage(dev, "1"), send(dev, prod).stdout
    assert f"version 1 of {NAME} is version 1 of {NAME} in sqlite:///{prod.folder}/mlflow.db\n" in said
    shutil.move(dev.folder, tmp_path / "away")

    version, after = prod.production(), lineage(prod, "1")
    assert not {*before.values()} & {*after.values()}
    assert version.tags["recipeline.source_uri"] == dev.uri
    assert version.tags["recipeline.source_version"] == f"{NAME}/1"
    reader = Reader(prod.client)
    load_golden(reader.fresh(), version)
    for step, run_id in after.items():
        assert reader.faults(run_id) == []
        assert prod.tags(run_id)["recipeline.source_run_id"] == before[step]
    facts = reader.load(VERSION, after["register"])
    assert (facts.version, facts.model_id, facts.run_id) == ("1", model_id_of(version), version.run_id)
    assert {step: facts.tags[f"{step}_run_id"] for step in STEPS} == after
    assert {step: facts.tags[f"source_{step}_run_id"] for step in STEPS} == before
    assert reader.load(VERDICT, after["evaluate"]).run_id == version.run_id
    assert version.run_id in [*reader.load(LEADERBOARD, after["train"])["run_id"]]
    assert len(reader.load(DATASET, after["ingest"])) == 400
    assert len(reader.load(TRAINING_ROWS, after["register"]))
    run = prod.client.get_run(version.run_id)
    assert run.data.metrics["r2"] == pytest.approx(float(version.tags["recipeline.r2"]))
    assert len(prod.client.get_metric_history(run.info.run_id, "cv_fold_score")) == 3
    assert run.data.params["alias"]

    why = prod.ok("why").stdout
    assert f"{NAME}/1" in why
    assert why.count("active") == len(STEPS)
    assert "Nothing is broken." in prod.ok("doctor").stdout
    assert kinds(prod) == [LOOK, ATTEMPT, "promote"]


@pytest.mark.full
def test_the_same_version_again_is_no_transfer_and_no_change(dev: Project, prod: Project) -> None:
    send(dev, prod)
    runs, entries = len(prod.runs()), kinds(prod)
    again = send(dev, prod).stdout
    assert "it was there already, with equal files: nothing was transferred" in again
    assert "in Production already [same-version]" in again
    assert prod.versions() == {"1": "Production"}
    assert len(prod.runs()) == runs + 1  # of promote
    assert kinds(prod) == entries


@pytest.mark.full
def test_the_policy_is_that_of_the_targets_profile_and_a_person_approves_there(dev: Project, prod: Project) -> None:
    prod.write_profile(promote="manual")
    done = send(dev, prod)
    assert "awaits `approve`" in done.stdout
    assert prod.versions() == {"1": "Staging"}
    prod.ok("approve", reason="seen")
    assert str(prod.production().version) == "1"
    assert "promoted (" in send(dev, make_again(prod), promote="always").stdout


def make_again(prod: Project) -> Project:
    """Return a third project beside another one, with a store that the command makes."""
    folder = prod.folder.parent / "third"
    folder.mkdir()
    return Project(folder, pd.read_csv(prod.data, sep=";"))


@pytest.mark.full
def test_the_champion_and_the_tries_that_count_are_those_of_the_target(dev: Project, prod: Project) -> None:
    prod.ok("main", model="dt", promote="always")  # another champion than the source has
    looks = {it for entry in Ledger(dev.client, NAME).read().entries if entry.kind == LOOK for it in entry.evidence.split()}
    done = send(dev, prod)
    assert "against version 1 " in done.stdout
    decision = prod.client.get_run(prod.client.get_model_version(NAME, "2").tags["recipeline.gate_run_id"])
    assert decision.data.tags["recipeline.decision_rule"] == "recipe"
    entries = Ledger(prod.client, NAME).read().entries
    assert [entry.evidence.partition(":")[0] for entry in entries if entry.kind == ATTEMPT] == ["1"]
    # The champion's own recipe was looked at here, when there was no champion yet; the others came with the transfer.
    under = {
        who: {it for entry in entries if entry.kind == LOOK and entry.after == who for it in entry.evidence.split()}
        for who in ("", "1")
    }
    assert len(under[""]) == 1
    assert under["1"] == looks - under[""]
    assert prod.client.get_model_version(NAME, "2").tags["recipeline.held_against"] == "1"
    again = send(dev, prod)
    assert "nothing was transferred" in again.stdout
    assert len([it for it in Ledger(prod.client, NAME).read().entries if it.kind == ATTEMPT]) == 1


@pytest.mark.full
def test_rollback_history_and_prune_know_transferred_versions(dev: Project, prod: Project) -> None:
    send(dev, prod)
    dev.ok("main", model="lr", promote="never")
    send(dev, prod, promote="always")
    for project in (dev, prod):
        project.write_recipe(lambda recipe: recipe.update(retention={"days": 0}))
    prod.ok("rollback", reason="worse")
    assert str(prod.production().version) == "1"
    assert "worse" in prod.ok("history").stdout
    assert re.search(r"│ 1 +│ .* rollback", prod.ok("who_served", at="now").stdout)
    prod.ok("prune", dry_run="off")
    assert set(prod.versions()) == {"1", "2"}
    for number in ("1", "2"):
        load_golden(Reader(prod.client), prod.client.get_model_version(NAME, number))
        assert all(prod.client.get_run(run_id).info.lifecycle_stage == "active" for run_id in lineage(prod, number).values())
    assert "Nothing is broken." in prod.ok("doctor").stdout
    prod.ok("rollback", version="2")


@pytest.mark.full
def test_another_model_of_the_same_store_shares_the_runs_which_prune_leaves(dev: Project) -> None:
    dev.ok("promote", to="models:/Other", promote="always")
    dev.ok("main", model="lr", promote="always")
    client = dev.client
    copy = client.get_model_version_by_alias("Other", "champion")
    assert copy.tags["recipeline.train_run_id"] == client.get_model_version(NAME, "1").tags["recipeline.train_run_id"]
    dev.write_recipe(lambda recipe: recipe.update(retention={"days": 0}, model_name="Third"))
    dev.ok("prune", dry_run="off")
    dev.write_recipe(lambda recipe: recipe.update(model_name="Other"))
    assert "Nothing is broken." in dev.ok("doctor").stdout
    assert f"{NAME}/1" in dev.ok("why").stdout


@pytest.mark.full
def test_a_version_that_was_rolled_back_is_not_transferred_unless_forced(dev: Project, prod: Project) -> None:
    dev.ok("main", model="lr", promote="always")
    dev.ok("rollback", reason="too low")
    refused = dev.run("promote", to=str(prod.profile_path))
    assert refused.exit_code == 6
    assert "was rolled back: " in refused.stderr
    assert prod.versions() == {}
    send(dev, prod, promote="always")
    assert prod.versions() == {"1": "Production"}


@pytest.mark.parametrize(
    ("to", "code", "words"),
    [
        ("http://ann:topsecret@127.0.0.1:9", 6, "must be reachable and writable"),
        ("models:/SmallModel", 2, "to must be another store, or another model of this one"),
    ],
)
def test_a_target_that_cannot_be_used_is_one_sentence_without_secrets(
    trained: Project, monkeypatch: pytest.MonkeyPatch, to: str, code: int, words: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    before = os.environ.copy()
    failed = trained.run("promote", to=to)
    assert failed.exit_code == code, failed.stderr
    assert words in failed.stderr
    assert "topsecret" not in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stderr
    assert os.environ == before


@dataclass
class Pair:
    """Two projects, opened by no process of a test, and their first folders."""

    dev: Project
    prod: Project

    def restore(self) -> None:
        for project in (self.dev, self.prod):
            shutil.rmtree(project.folder)
            shutil.copytree(project.folder.with_name(f"saved-{project.folder.name}"), project.folder)

    def send(self) -> None:
        send(self.dev, self.prod, promote="always")

    def check(self) -> None:
        """Check that the target's Production loads, and that it arrives once.

        The transfer is typed again, and ends with the version there.
        """
        # The alias may be ahead of the stages until the next command.
        load_golden(Reader(self.prod.client), self.prod.client.get_model_version_by_alias(NAME, "champion"))
        assert "Production" in self.prod.versions().values()
        recipeline.tracking.models.load_model(f"models:/{NAME}/Production")
        self.send()
        assert sorted(self.prod.versions().values()) == ["Archived", "Production"], self.prod.versions()
        version = self.prod.production()
        load_golden(Reader(self.prod.client), version)
        assert version.tags["recipeline.source_version"] == f"{NAME}/1"
        for run_id in lineage(self.prod, str(version.version)).values():
            assert Reader(self.prod.client).faults(run_id) == []
            assert self.prod.client.get_run(run_id).info.lifecycle_stage == "active"
        used = {*version.tags.values(), version.run_id}
        copies = [run for run in self.prod.runs() if "recipeline.source_run_id" in run.data.tags]
        assert {run.info.run_id for run in copies} <= used  # what the killed command left is gone
        doctor = self.prod.run("doctor")
        assert doctor.exit_code == 0, doctor.stdout
        assert set(kinds(self.prod)) <= {LOOK, ATTEMPT, "forced"}
        assert self.dev.production().version in (1, "1")


@pytest.fixture(scope="module")
def made_pair(make_project: MakeProject, wines: pd.DataFrame) -> Pair:
    """A project, and another with its own recipe, to which version 1 goes."""
    pair = Pair(make_project(wines), make_project(wines))
    for project, model in ((pair.dev, "en"), (pair.prod, "dt")):
        project.folder = project.folder.rename(project.folder.with_name(model))
        move = Project(project.folder, wines)
        project.__dict__.update(move.__dict__)
        assert in_fork(partial(project.ok, "main", model=model, promote="always")) == 0
        shutil.copytree(project.folder, project.folder.with_name(f"saved-{project.folder.name}"))
    return pair


@pytest.fixture
def pair(made_pair: Pair) -> Pair:
    made_pair.restore()
    return made_pair


#: Writes of which there are many alike: a few of them are enough.
MANY = ("log_artifact", "log_batch")


@pytest.mark.full
@pytest.mark.parametrize("kind", [*MANY, "runs", "registry"])
def test_a_transfer_killed_after_any_write_leaves_production_and_the_next_one_finishes_it(pair: Pair, kind: str) -> None:
    """The state before a write is that after the one before it."""
    log = pair.prod.folder.with_name("moments")
    assert run_and_die(pair.send, at=-1, log=log) == 0
    names = dict(enumerate(log.read_text(encoding="utf-8").splitlines()))
    after = {at: name.rpartition(".")[2] for at, name in names.items() if name.startswith("after")}
    chosen = [at for at, name in after.items() if kind_of(name) == kind]
    for at in chosen[:: 6 if kind in MANY else 1]:
        pair.restore()
        status = run_and_die(pair.send, at=at, log=log)
        assert os.WTERMSIG(status) == signal.SIGKILL, (at, names[at])
        assert in_fork(pair.check) == 0, f"moment {at}: {names[at]}"


def kind_of(write: str) -> str:
    if write in MANY:
        return write
    return "registry" if "model_version" in write or "registered_model" in write else "runs"


@pytest.mark.full
def test_two_transfers_at_once_make_one_version(pair: Pair) -> None:
    pids = []
    for _ in range(2):
        if not (pid := os.fork()):
            os._exit(in_fork(pair.send) != 0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    assert in_fork(pair.check) == 0
