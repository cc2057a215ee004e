from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recipeline.maintenance.pruning import Waste, delete_waste, find_waste
from recipeline.orchestration.session import Session
from recipeline.registry.ledger import PROMOTE
from recipeline.registry.tries import count_looks, record_attempt, record_looks
from recipeline.tracking.runs import create_child
from recipeline.tracking.store import Store
from tests.sessions import open_toys


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


def ids(waste: Waste) -> set[str]:
    return {run.info.run_id for run in waste.runs}


def test_what_is_young_is_kept_and_what_is_old_and_needed_by_nothing_is_not(session: Session, tmp_path: Path) -> None:
    old = run_of(session)
    assert find_waste(session) == Waste((), ())
    age(tmp_path)
    young = run_of(session)
    assert ids(find_waste(session)) == {old}
    assert young not in ids(find_waste(session))


def test_versions_that_were_in_production_or_wait_and_their_runs_are_kept(session: Session, tmp_path: Path) -> None:
    runs = [run_of(session) for _ in range(4)]
    for number, run_id in enumerate(runs, 1):
        register(session, str(number), run_id)
        if number < 3:
            promote(session, str(number), "" if number == 1 else "1")
    age(tmp_path)  # 1 was in Production, 2 is, 4 is the challenger in the place of 3
    waste = find_waste(session)
    assert [str(version.version) for version in waste.versions] == ["3"]
    assert ids(waste) == {runs[2]}


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
    assert ids(find_waste(session)) == {loose}
    assert sibling not in ids(find_waste(session))


def test_runs_of_others_and_runs_at_work_are_left_alone(session: Session, store: Store, tmp_path: Path) -> None:
    run_of(open_toys(store, tmp_path, profile_name="other"))
    store.client.create_run(session.experiment_id, tags={"recipeline.recipe": "small", "recipeline.profile": "test"})
    store.client.create_run(session.experiment_id)
    age(tmp_path)
    assert find_waste(session) == Waste((), ())


def test_what_is_deleted_is_gone_from_the_store_with_its_files(session: Session, tmp_path: Path) -> None:
    old = run_of(session)
    assert list(tmp_path.rglob(f"{old}/artifacts"))
    age(tmp_path)
    assert delete_waste(session, find_waste(session)) == ""
    assert session.find_run(old) is None
    assert not list(tmp_path.rglob(f"{old}/artifacts"))
    assert delete_waste(session, find_waste(session)) == ""


def test_looks_and_attempts_outlive_their_runs_and_keep_none(session: Session, tmp_path: Path) -> None:
    registry, looked = session.registry, session.open_run("train")
    with looked as run:
        record_looks(registry, {"a": 1, "b": 20}, session.changed_by(run))
        assert record_attempt(registry, "first", "", "", session.changed_by(run)) == 1
    age(tmp_path)
    assert ids(find_waste(session)) == {run.id}
    delete_waste(session, find_waste(session))
    with session.open_run("promote") as run:
        assert count_looks(registry, "") == 21
        assert record_attempt(registry, "second", "", "", session.changed_by(run)) == 2
    assert registry.ledger.read().faults == {}
