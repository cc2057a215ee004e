from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.entities import ViewType

from recipeline.artifacts import CARD
from recipeline.errors import UnavailableError
from recipeline.maintenance import pruning
from recipeline.maintenance.pruning import Unneeded, delete_unneeded, find_unneeded
from recipeline.orchestration.session import Session
from recipeline.registry.ledger import PROMOTE
from recipeline.registry.tries import count_looks, record_attempt, record_looks
from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import create_child
from tests.sessions import open_toys
from tests.tracking.helpers import finish, list_one_by_one


@pytest.fixture
def session(store: Store, tmp_path: Path) -> Session:
    return open_toys(store, tmp_path)


def age(folder: Path) -> None:
    """Let all that is in the store be a hundred days older."""
    days = 100 * 24 * 3600 * 1000
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE runs SET start_time = start_time - ?, end_time = end_time - ?", (days, days))
        connection.execute("UPDATE model_versions SET creation_time = creation_time - ?", (days,))


def run_of(session: Session, step: str = "train", nested_in: str | None = None) -> str:
    with session.open_run(step, nested_in=nested_in) as run:
        pass
    return run.id


def register(session: Session, identity: str, run_id: str) -> str:
    version, _ = session.registry.register(
        source=(session.root / "model").as_uri(),
        run_id=run_id,
        model_id=None,
        identity=identity,
        tags={"train_run_id": run_id},
        description="",
    )
    return str(version.version)


def promote(session: Session, version: str, before: str) -> None:
    with session.open_run("promote") as run:
        session.registry.change(version, expected=before, kind=PROMOTE, reason="better", changed_by=session.changed_by(run))


def ids(unneeded: Unneeded) -> set[str]:
    return {run.info.run_id for run in unneeded.runs}


def test_what_is_young_is_kept_and_what_is_old_and_needed_by_nothing_is_not(session: Session, tmp_path: Path) -> None:
    old = run_of(session)
    assert find_unneeded(session) == Unneeded((), ())
    age(tmp_path)
    young = run_of(session)
    assert ids(find_unneeded(session)) == {old}
    assert young not in ids(find_unneeded(session))


def test_versions_that_were_in_production_or_wait_and_their_runs_are_kept(session: Session, tmp_path: Path) -> None:
    runs = [run_of(session) for _ in range(4)]
    for number, run_id in enumerate(runs, 1):
        register(session, str(number), run_id)
        if number < 3:
            promote(session, str(number), "" if number == 1 else "1")
    age(tmp_path)  # 1 was in Production, 2 is, 4 is the challenger in the place of 3
    unneeded = find_unneeded(session)
    assert [str(version.version) for version in unneeded.versions] == ["3"]
    assert ids(unneeded) == {runs[2]}


def test_upstream_runs_of_an_open_run_are_kept_in_whatever_experiment_that_is(
    session: Session, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose, upstream = run_of(session), run_of(session)
    session.store.client.create_run(
        store.experiment("an older one"),
        tags={"recipeline.recipe": "small", "recipeline.profile": "test", "recipeline.ingest_run_id": upstream},
    )
    store.experiment("a newer one")
    list_one_by_one(store, monkeypatch)
    age(tmp_path)
    assert ids(find_unneeded(session)) == {loose}


def test_an_old_version_that_somebody_gave_an_alias_is_kept(session: Session, tmp_path: Path) -> None:
    for number in range(1, 4):
        register(session, str(number), run_of(session))
    age(tmp_path)
    session.store.client.set_registered_model_alias(session.recipe.model_name, "audited", "1")
    assert [version.version for version in find_unneeded(session).versions] == [2]


def test_runs_that_another_model_of_the_store_leads_to_are_kept(session: Session, store: Store, tmp_path: Path) -> None:
    """`promote --to models:/Other` makes a version of the same runs."""
    train, fitted, loose = (run_of(session) for _ in range(3))
    other = replace(session, recipe=session.recipe.model_copy(update={"model_name": "Other"}))
    other.registry.register(
        source=(tmp_path / "model").as_uri(),
        run_id=fitted,
        model_id="",
        identity="a",
        tags={"train_run_id": train},
        description="",
    )
    age(tmp_path)
    assert ids(find_unneeded(session)) == {loose}
    assert store.client.get_run(train).info.lifecycle_stage == "active"


def test_transferred_runs_of_the_recipe_go_when_no_version_leads_to_them(
    session: Session, store: Store, tmp_path: Path
) -> None:
    copies = [
        finish(store, recipe=recipe, profile="dev (transferred)", source_run_id="0" * 32)
        for recipe in ("small", "small", "cars")
    ]
    register(session, "a", copies[0])
    age(tmp_path)
    assert ids(find_unneeded(session)) == {copies[1]}


def test_a_run_stays_with_those_that_are_nested_in_it_and_with_the_one_that_it_is_nested_in(
    session: Session, tmp_path: Path
) -> None:
    main = run_of(session, "main")
    with session.open_run("train", nested_in=main) as train:
        child = create_child(train, "Linear", {})
        sibling = create_child(train, "Tree", {})
    for run_id in (child, sibling):
        session.store.client.set_terminated(run_id)
    register(session, "a", child)
    loose = run_of(session, "main")
    age(tmp_path)
    assert ids(find_unneeded(session)) == {loose}
    assert sibling not in ids(find_unneeded(session))


def test_runs_of_others_and_runs_at_work_are_left_alone(session: Session, store: Store, tmp_path: Path) -> None:
    run_of(open_toys(store, tmp_path, profile_name="other"))
    store.client.create_run(session.experiment_id, tags={"recipeline.recipe": "small", "recipeline.profile": "test"})
    store.client.create_run(session.experiment_id)
    age(tmp_path)
    assert find_unneeded(session) == Unneeded((), ())


def test_what_is_deleted_is_gone_from_the_store_with_its_files(session: Session, store: Store, tmp_path: Path) -> None:
    with session.open_run("train") as run:
        run.save(CARD, "<html></html>")
    old = run.id
    assert list(tmp_path.rglob(f"{old}/artifacts"))
    age(tmp_path)
    unneeded, left = delete_unneeded(session)
    assert (ids(unneeded), left) == ({old}, "")
    assert open_toys(store, tmp_path).find_run(old) is None
    assert not list(tmp_path.rglob(f"{old}/artifacts"))
    assert delete_unneeded(session) == (Unneeded((), ()), "")


@pytest.mark.usefixtures("_files_go_here")
@pytest.mark.parametrize("dies", ["delete_run", "_delete_files"])
def test_files_that_a_killed_prune_left_go_with_the_next_and_those_of_runs_that_a_person_deleted_stay(
    session: Session, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    made = []
    for _ in range(3):
        with session.open_run("train") as run:
            run.save(CARD, "<html></html>")
        made.append(run.id)
    by_hand, *old = made
    store.client.delete_run(by_hand)
    age(tmp_path)
    with monkeypatch.context() as patched:
        where = session.store.client if dies == "delete_run" else pruning
        patched.setattr(where, dies, lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            delete_unneeded(session)
    assert len(list(tmp_path.rglob("artifacts"))) == 3
    assert delete_unneeded(open_toys(store, tmp_path))[1] == ""
    assert [path.parent.name for path in tmp_path.rglob("artifacts")] == [by_hand]
    assert not {*old} & {run.info.run_id for run in store.client.search_runs([session.experiment_id], "", ViewType.ALL)}


# --- commands at the same time -------------------------------------------------------------------------------------------


@pytest.fixture
def _files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out `mlflow gc`, which takes seconds."""
    monkeypatch.setattr(pruning, "_delete_files", lambda *_: "")


@pytest.fixture
def _files_go_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `mlflow gc` in this process: another takes seconds to import it."""
    import mlflow.cli

    def run(_: list[str], *, input: str, **__: object) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(mlflow.cli.cli, json.loads(input))
        return subprocess.CompletedProcess([], done.exit_code, done.stdout, done.stderr)

    monkeypatch.setattr(pruning.subprocess, "run", run)


def in_thread(command: Callable[[], object]) -> threading.Thread:
    """Start a command that waits for the lock, as another process would."""
    thread = threading.Thread(target=command)
    thread.start()
    time.sleep(0.1)
    return thread


@pytest.mark.usefixtures("_files_stay")
def test_what_goes_into_production_while_prune_waits_for_the_lock_is_kept(
    session: Session, store: Store, tmp_path: Path
) -> None:
    runs = [run_of(session) for _ in range(3)]
    for number, run_id in enumerate(runs, 1):
        register(session, str(number), run_id)
    age(tmp_path)
    assert [version.version for version in find_unneeded(session).versions] == [2, 1]
    done: list[tuple[Unneeded, str]] = []
    with session.registry.locked():
        thread = in_thread(lambda: done.append(delete_unneeded(open_toys(store, tmp_path))))
        promote(session, "1", "")
    thread.join()
    ((unneeded, _),) = done
    assert ([version.version for version in unneeded.versions], ids(unneeded)) == ([2], {runs[1]})
    assert session.registry.champion().version == 1
    assert session.find_run(runs[0]).info.lifecycle_stage == "active"


@pytest.mark.usefixtures("_files_stay")
def test_what_another_machine_promotes_between_looking_and_deleting_is_kept(
    session: Session, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It does not share the lock, nor what this command has read."""
    for number in range(1, 4):
        register(session, str(number), run_of(session))
    age(tmp_path)
    delete, other = session.store.client.delete_model_version, open_toys(store, tmp_path)

    def delete_and_promote(name: str, version: str) -> None:
        delete(name, version)
        if other.registry.champion() is None:
            promote(other, "1", "")

    monkeypatch.setattr(session.store.client, "delete_model_version", delete_and_promote)
    unneeded, _ = delete_unneeded(session)
    assert [version.version for version in unneeded.versions] == [2]
    champion = session.registry.champion()
    assert champion.version == 1
    assert session.find_run(champion.run_id).info.lifecycle_stage == "active"


@pytest.mark.usefixtures("_files_stay")
def test_what_others_delete_meanwhile_is_no_failure(session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = [run_of(session) for _ in range(2)]
    register(session, "1", old[0])
    register(session, "2", run_of(session))
    age(tmp_path)
    client = session.store.client
    for name in ("delete_run", "delete_model_version"):
        delete = getattr(client, name)
        monkeypatch.setattr(client, name, lambda *given, delete=delete: (delete(*given), delete(*given)))
    unneeded, _ = delete_unneeded(session)
    assert (len(unneeded.versions), ids(unneeded) >= set(old)) == (1, True)


def test_runs_that_a_command_at_work_builds_on_are_kept(session: Session, tmp_path: Path) -> None:
    ingest, loose = run_of(session, "ingest"), run_of(session)
    age(tmp_path)
    with session.open_run("split") as run:
        run.set_lineage({"ingest": ingest})
        assert ids(find_unneeded(session)) == {loose}


def test_a_model_whose_run_was_deleted_is_not_registered(session: Session) -> None:
    run_id = run_of(session)
    session.store.client.delete_run(run_id)
    for gone in (run_id, "0" * 32):
        with pytest.raises(UnavailableError, match=f"The run {gone} of the model was deleted meanwhile"):
            register(session, gone, gone)
    assert session.registry.versions() == []


@pytest.mark.usefixtures("_files_go_here")
def test_looks_and_attempts_outlive_their_runs_and_keep_none(session: Session, store: Store, tmp_path: Path) -> None:
    registry, looked = session.registry, session.open_run("train")
    with looked as run:
        record_looks(registry, {"a": 1, "b": 20}, session.changed_by(run))
        assert record_attempt(registry, "first", "", "", session.changed_by(run)) == 1
    age(tmp_path)
    assert ids(find_unneeded(session)) == {run.id}
    assert delete_unneeded(session)[1] == ""
    assert open_toys(store, tmp_path).find_run(run.id) is None
    with session.open_run("promote") as run:
        assert count_looks(registry, "") == 21
        assert record_attempt(registry, "second", "", "", session.changed_by(run)) == 2
    assert registry.ledger.read().faults == {}


@pytest.mark.parametrize("password", ["Zq7x", "Zq7x/Kw9v", "Zq7x@Kw9v"])
@pytest.mark.parametrize("says", ["cannot connect to {}", ""])
def test_the_password_of_a_store_is_seen_neither_among_processes_nor_in_what_is_told(
    monkeypatch: pytest.MonkeyPatch, password: str, says: str
) -> None:
    uri, started = f"postgresql+psycopg://user:{password}@host/mlflow", []

    def run(words: list[str], *, input: str, **_: object) -> subprocess.CompletedProcess[str]:
        started.append(words)
        assert json.loads(input)[:5] == ["gc", "--backend-store-uri", uri, "--tracking-uri", uri]
        return subprocess.CompletedProcess(words, 1, "", says.format(uri))

    monkeypatch.setattr(subprocess, "run", run)
    session: Any = SimpleNamespace(store=SimpleNamespace(uri=uri))
    said = f"{pruning._delete_files(session, ['0123'])} {started}"
    assert "`mlflow gc` failed with" in said
    assert not [half for half in ("Zq7x", "Kw9v") if half in said]
