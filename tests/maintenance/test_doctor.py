from __future__ import annotations

import os
from pathlib import Path

import pytest

from recipeline.maintenance.doctor import REPAIR, Finding, examine_files, examine_machine, examine_registry
from recipeline.orchestration.session import Session
from recipeline.records import to_plain
from recipeline.registry.ledger import PROMOTE, Ledger
from recipeline.tracking.connection.store import Store
from recipeline.tracking.runs import StepRun
from tests.conftest import close_stores
from tests.sessions import open_toys
from tests.toys import log_toy


@pytest.fixture
def session(store: Store, tmp_path: Path) -> Session:
    return open_toys(store, tmp_path)


def register(session: Session, identity: str, toy: tuple[StepRun, str] | None = None) -> str:
    """Register a small model; return its version."""
    run, model_id = toy or log_toy(session.store)
    version, _ = session.registry.register(
        source=f"models:/{model_id}", run_id=run.id, model_id=model_id, identity=identity, tags={}, description=""
    )
    return str(version.version)


def promote(session: Session, version: str, expected: str = "") -> None:
    with session.open_run("promote") as run:
        session.registry.change(version, expected=expected, kind=PROMOTE, reason="better", changed_by=session.changed_by(run))


def broken(session: Session) -> list[tuple[str, str]]:
    """Return each fault and its repair, but for evaluations and manifests.

    Small models have neither.
    """
    found = [finding for finding in examine_registry(session) if "has no run of evaluate" not in finding.what]
    return [(finding.what, finding.fix) for finding in found if finding.state == "broken" and "manifest" not in finding.what]


def test_a_finding_is_plain_values() -> None:
    assert to_plain(Finding("ok", "It is whole.")) == {"state": "ok", "what": "It is whole.", "fix": ""}


def test_a_run_of_another_command_in_the_environment_is_broken_and_no_checkout_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("PATH", os.defpath)
    managers, run, checkout = examine_machine(tmp_path, {"MLFLOW_RUN_ID": "0123"})
    assert managers.state == "note"
    assert "`mlflow run` and `mlflow models serve` need pyenv; `--env-manager uv` takes uv" in managers.what
    assert (run.state, run.fix) == ("broken", "unset MLFLOW_RUN_ID")
    assert (checkout.state, checkout.fix) == ("note", "git init")
    assert [finding.state for finding in examine_machine(tmp_path, {})] == ["note", "note"]


def test_an_empty_registry_is_a_note_and_its_empty_ledger_whole(session: Session) -> None:
    production, ledger = examine_registry(session)
    assert (production.state, production.fix) == ("note", "make pipeline")
    assert (ledger.state, ledger.what) == ("ok", "The ledger of SmallModel is complete: 0 entries.")


def test_a_version_in_production_by_alias_stage_and_ledger_is_ok(session: Session) -> None:
    promote(session, register(session, "a"))
    found = [finding.what for finding in examine_registry(session) if finding.state == "ok"]
    assert found[:2] == [
        "Version 1 of SmallModel is in Production, alias and stage.",
        "The ledger of SmallModel is complete: 1 entries.",
    ]
    assert broken(session) == []


def test_signatures_that_are_not_checked_for_want_of_the_key_are_a_note(session: Session) -> None:
    def notes() -> list[str]:
        return [finding.what for finding in examine_registry(session) if finding.state == "note" and "ledger" in finding.what]

    register(session, "a")
    assert notes() == []
    session.registry.ledger = Ledger(session.store.client, "SmallModel", key="secret")
    promote(session, "1")
    session.registry.ledger = Ledger(session.store.client, "SmallModel")
    (note,) = notes()
    assert note.endswith("RECIPELINE_LEDGER_KEY is not set. Signatures were not checked.")
    assert broken(session) == []


def test_two_versions_in_stage_production_are_broken_and_mended_by_repair(session: Session) -> None:
    toy = log_toy(session.store)
    promote(session, register(session, "a", toy))
    register(session, "b", toy)
    with pytest.warns(FutureWarning):
        session.store.client.transition_model_version_stage("SmallModel", "2", "Production")
    assert broken(session) == [("Versions 1 and 2 are both in stage Production.", REPAIR)]


def test_an_alias_that_was_moved_by_hand_is_told_from_the_ledger(session: Session) -> None:
    toy = log_toy(session.store)
    promote(session, register(session, "a", toy))
    register(session, "b", toy)
    session.store.client.set_registered_model_alias("SmallModel", "champion", "2")
    alias, ledger = broken(session)
    assert alias == ("The alias champion is on version 2, the stage Production on 1.", REPAIR)
    assert ledger[0].startswith("Production was changed outside of the pipeline: the ledger ends with version 1")


def test_a_version_that_was_in_production_and_was_deleted_is_named(session: Session) -> None:
    toy = log_toy(session.store)
    for version, before in (("1", ""), ("2", "1")):
        register(session, version, toy)
        promote(session, version, before)
    session.store.client.delete_model_version("SmallModel", "1")
    ((what, fix),) = broken(session)
    assert what == "Version 1, which was in Production, was deleted from the registry."
    assert fix.startswith(REPAIR)


def test_a_page_that_was_overwritten_is_found_whichever_it_is(store: Store, tmp_path: Path) -> None:
    run_id = store.client.create_run(store.experiment("toy")).info.run_id
    store.client.log_text(run_id, "before", "a.txt")
    close_stores()
    database = tmp_path / "mlflow.db"
    assert list(examine_files(store.uri, store.artifact_root)) == []
    whole, size = database.read_bytes(), 4096
    for start in range(size, len(whole), size):
        database.write_bytes(whole[:start] + b"\xff" * size + whole[start + size :])
        (finding,) = examine_files(store.uri, store.artifact_root)
        assert finding.state == "broken"
        assert "is damaged" in finding.what
        assert "restore" in finding.fix
