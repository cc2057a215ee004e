from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from mlflow.entities.model_registry import ModelVersion

from recipeline.errors import UnavailableError
from recipeline.registry.ledger import FORCED, PROMOTE, ROLLBACK
from recipeline.registry.results import APPLIED, OPEN
from recipeline.registry.stages import ARCHIVED, CHALLENGER, CHAMPION, PREVIOUS, PRODUCTION, STAGING
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import Store, open_store
from recipeline.tracking.models import load_model
from recipeline.tracking.tags import VersionTags
from tests.processes import new_processes
from tests.registry.helpers import (
    ANN,
    NAME,
    add,
    aliases,
    assert_settled,
    entries,
    holder,
    move,
    open_copy,
    promote,
    roll_back,
    stages,
    stopped_at,
)
from tests.toys import ROWS, TARGET, log_toy


def test_a_new_version_is_the_challenger_in_staging(store: Store, registry: Registry) -> None:
    assert add(store, registry, "a") == ("1", True)
    assert stages(registry) == {"1": STAGING}
    assert aliases(registry) == {CHAMPION: "", CHALLENGER: "1", PREVIOUS: ""}


def test_a_version_keeps_its_identity_its_tags_and_its_run(store: Store, registry: Registry) -> None:
    add(store, registry, "fingerprint/Linear", r2=0.5, long="x" * 6000)
    version = registry.version("1")
    assert version.tags == {"recipeline.identity": "fingerprint/Linear", "recipeline.r2": "0.5", "recipeline.long": "x" * 5000}
    assert store.client.get_run(version.run_id).data.tags["recipeline.step"] == "ingest"
    assert (load_model(f"models:/{NAME}/1").predict(ROWS) - TARGET).max() < 1e-9


def test_a_promoted_version_is_champion_and_production_and_the_one_before_archived_and_previous(
    store: Store, registry: Registry
) -> None:
    for identity, version in (("a", "1"), ("b", "2"), ("c", "3")):
        add(store, registry, identity)
        entry = promote(registry, version)
        assert entry
        assert (entry.before, entry.after) == ({"1": "", "2": "1", "3": "2"}[version], version)
        assert aliases(registry) == {CHAMPION: version, CHALLENGER: "", PREVIOUS: {"1": "", "2": "1", "3": "2"}[version]}
    assert stages(registry) == {"1": ARCHIVED, "2": ARCHIVED, "3": PRODUCTION}


def test_an_earlier_version_can_be_promoted_again(store: Store, registry: Registry) -> None:
    for identity, version in (("a", "1"), ("b", "2")):
        add(store, registry, identity)
        promote(registry, version)
    promote(registry, "1")
    assert stages(registry) == {"1": PRODUCTION, "2": ARCHIVED}
    assert aliases(registry) == {CHAMPION: "1", CHALLENGER: "", PREVIOUS: "2"}


def test_promoting_the_champion_changes_nothing(store: Store, registry: Registry) -> None:
    for identity, version in (("a", "1"), ("b", "2")):
        add(store, registry, identity)
        promote(registry, version)
    before = (stages(registry), aliases(registry))
    assert promote(registry, "2") is None
    assert (stages(registry), aliases(registry)) == before


def test_the_same_model_is_not_registered_twice_and_the_champion_stays(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    assert add(store, registry, "a") == ("1", False)
    assert stages(registry) == {"1": PRODUCTION}
    assert aliases(registry) == {CHAMPION: "1", CHALLENGER: "", PREVIOUS: ""}


def test_registering_another_model_leaves_the_champion_where_it_is(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    assert add(store, registry, "b") == ("2", True)
    assert stages(registry) == {"1": PRODUCTION, "2": STAGING}
    assert aliases(registry) == {CHAMPION: "1", CHALLENGER: "2", PREVIOUS: ""}


@pytest.mark.parametrize("act", ["register", "promote"])
def test_registering_and_promoting_settle_first(store: Store, registry: Registry, act: str) -> None:
    for identity in "abc":
        add(store, registry, identity)
    promote(registry, "1")
    move(store, "2", PRODUCTION)
    if act == "register":
        add(store, registry, "d")
        assert stages(registry) == {"1": PRODUCTION, "2": ARCHIVED, "3": ARCHIVED, "4": STAGING}
    else:
        promote(registry, "3")
        assert stages(registry) == {"1": ARCHIVED, "2": ARCHIVED, "3": PRODUCTION}
        assert holder(registry, PREVIOUS) == "1"


def test_a_version_that_is_not_there_cannot_take_the_champions_place(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    with pytest.raises(UnavailableError, match="No version 7 of Toy"):
        promote(registry, "7")
    assert stages(registry) == {"1": PRODUCTION}
    assert holder(registry, CHAMPION) == "1"


def test_the_models_of_one_store_do_not_touch_each_other(store: Store, registry: Registry) -> None:
    other = Registry(store, "Other")
    for each in (registry, other):
        add(store, each, "a")
        add(store, each, "b")
    promote(registry, "1")
    promote(other, "2")
    assert (holder(registry, CHAMPION), holder(other, CHAMPION)) == ("1", "2")
    assert (stages(registry), stages(other)) == ({"1": PRODUCTION, "2": STAGING}, {"1": ARCHIVED, "2": PRODUCTION})


def promote_anew(root: Path, version: str) -> bool:
    """Promote in a store opened anew; return whether that changed anything."""
    registry = Registry(open_store("sqlite:///mlflow.db", root=root), NAME)
    while holder(registry, CHAMPION) != version:
        if promote(registry, version):
            return True
    return False


def assert_one_production(registry: Registry, versions: int) -> None:
    champion = holder(registry, CHAMPION)
    assert stages(registry)[champion] == PRODUCTION
    assert sorted(stages(registry).values()) == [ARCHIVED] * (versions - 1) + [PRODUCTION]
    assert holder(registry, CHALLENGER) == ""


def test_promotions_at_once_from_several_threads_leave_exactly_one_production(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    versions = [add(store, registry, str(i))[0] for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(promote_anew, [tmp_path] * 12, versions * 3))
    # The last version was the challenger; whoever was promoted last, everything else is archived.
    assert_one_production(registry, 4)


def test_promotions_at_once_from_several_processes_leave_exactly_one_production(
    store: Store, registry: Registry, tmp_path: Path
) -> None:
    versions = [add(store, registry, str(i))[0] for i in range(2)]
    with new_processes(2) as pool:
        list(pool.map(promote_anew, [tmp_path] * 6, versions * 3))
    assert_one_production(registry, 2)


def test_tags_are_noted_under_the_lock_of_the_store(store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, registry, "a")
    write, held = store.client.set_model_version_tag, []

    def watched(*args: object) -> None:
        held.append(store.lock().is_locked)
        write(*args)

    monkeypatch.setattr(store.client, "set_model_version_tag", watched)
    registry.note("1", {VersionTags.GATE_RULE: "first"})
    assert held == [True]
    assert registry.version("1").tags["recipeline.gate_rule"] == "first"


# --- the ledger -----------------------------------------------------------------------------------------------------------


def test_every_change_leaves_exactly_one_applied_entry(store: Store, registry: Registry) -> None:
    for identity in "abc":
        add(store, registry, identity)
    promote(registry, "1")
    promote(registry, "2")
    roll_back(registry, "1")
    registry.change("3", expected="1", kind=FORCED, reason="now", changed_by=ANN, evidence="abc")
    assert entries(registry) == [
        (PROMOTE, "", "1", APPLIED),
        (PROMOTE, "1", "2", APPLIED),
        (ROLLBACK, "2", "1", APPLIED),
        (FORCED, "1", "3", APPLIED),
    ]
    assert_settled(registry)


def test_an_entry_says_who_why_by_what_and_in_which_run(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    entry = registry.change("1", expected="", kind=PROMOTE, reason="it is better", changed_by=ANN, evidence="f" * 64)
    assert entry is not None
    assert entry == registry.ledger.read().head
    assert (entry.actor, entry.host, entry.reason) == ("ann", "here", "it is better")
    assert (entry.evidence, entry.run_id) == ("f" * 64, ANN.run_id)


def test_registering_and_settling_write_no_entry(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    registry.reconcile(ANN)
    assert entries(registry) == []
    promote(registry, "1")
    add(store, registry, "b")
    registry.reconcile(ANN)
    move(store, "2", PRODUCTION)
    assert registry.reconcile(ANN) == []
    assert len(entries(registry)) == 1


@pytest.mark.parametrize(("version", "expected"), [("3", "1"), ("3", ""), ("3", "3"), ("2", "2"), ("1", "7")])
def test_a_change_that_expects_another_champion_is_none_and_changes_nothing(
    store: Store, registry: Registry, version: str, expected: str
) -> None:
    for identity in "abc":
        add(store, registry, identity)
    promote(registry, "1")
    promote(registry, "2")
    before = (stages(registry), aliases(registry), entries(registry))
    assert registry.change(version, expected=expected, kind=PROMOTE, reason="late", changed_by=ANN) is None
    assert (stages(registry), aliases(registry), entries(registry)) == before


@pytest.mark.parametrize("kind", [PROMOTE, ROLLBACK])
def test_a_change_that_is_stopped_at_any_write_leaves_a_production_and_is_finished_or_not_begun(
    promoted_twice: Path, tmp_path: Path, kind: str
) -> None:
    after = {PROMOTE: "3", ROLLBACK: "1"}[kind]
    for stop in count(1):
        store = open_copy(promoted_twice, tmp_path / str(stop))
        registry = Registry(store, NAME)
        with stopped_at(store.client, stop) as writes:
            registry.change(after, expected="2", kind=kind, reason="it was bad", changed_by=ANN)
        assert (load_model(f"models:/{NAME}/Production").predict(ROWS) - TARGET).max() < 1e-9
        assert registry.reconcile(ANN) == []
        assert_settled(registry)
        champion = "2" if stop == 1 else after
        assert holder(registry, CHAMPION) == champion
        assert [entry[1:] for entry in entries(registry)][2:] == [("2", after, APPLIED)] * (stop > 1)
        assert holder(registry, PREVIOUS) == ("1" if stop == 1 else "2")
        withdrawn = [version for version in ("1", "2", "3") if registry.withdrawn(registry.version(version))]
        assert withdrawn == ["2"] * (kind == ROLLBACK and stop > 1)
        if len(writes) < stop:
            assert {"create_model_version", "set_registered_model_alias", "transition_model_version_stage"} <= set(writes)
            break


def test_the_first_promotion_that_is_stopped_at_any_write_is_finished_or_not_begun(store: Store) -> None:
    run, model_id = log_toy(store)
    for stop in count(1):
        registry = Registry(store, f"Toy{stop}")
        registry.register(source=f"models:/{model_id}", run_id=run.id, model_id=model_id, identity="", tags={}, description="")
        with stopped_at(store.client, stop) as writes:
            promote(registry, "1")
        assert registry.reconcile(ANN) == []
        if entries(registry):
            assert_settled(registry)
        else:
            assert stop <= 2
            assert (stages(registry), holder(registry, CHAMPION)) == ({"1": STAGING}, "")
        promote(registry, "1")
        assert entries(registry) == [(PROMOTE, "", "1", APPLIED)]
        if len(writes) < stop:
            break
    assert stop > 4


def test_a_change_that_was_stopped_is_finished_by_the_next_one(toy_store: Store, toy: Registry) -> None:
    with stopped_at(toy_store.client, 2):
        promote(toy, "3")
    assert (holder(toy, CHAMPION), entries(toy)[-1]) == ("2", (PROMOTE, "2", "3", OPEN))
    assert promote(toy, "1") is None  # expects version 2, and finds that 3 is the champion
    assert roll_back(toy, "1")
    assert entries(toy)[2:] == [(PROMOTE, "2", "3", APPLIED), (ROLLBACK, "3", "1", APPLIED)]
    assert_settled(toy)


def test_a_change_that_was_stopped_is_finished_by_a_registration(toy_store: Store, toy: Registry) -> None:
    with stopped_at(toy_store.client, 2):
        promote(toy, "3")
    add(toy_store, toy, "d")
    assert aliases(toy) == {CHAMPION: "3", CHALLENGER: "4", PREVIOUS: "2"}
    assert_settled(toy)


def test_an_acknowledgement_leaves_no_change_behind_that_was_stopped(toy_store: Store, toy: Registry) -> None:
    with stopped_at(toy_store.client, 2):
        promote(toy, "3")
    toy.acknowledge(("entry 9",), "seen", ANN)
    assert toy.reconcile(ANN) == []
    assert_settled(toy)


def test_a_version_that_was_rolled_back_is_withdrawn_until_it_comes_back(toy: Registry) -> None:
    roll_back(toy, "1")
    note = toy.withdrawn(toy.version("2"))
    assert "by ann: it was bad" in note
    promote(toy, "3")
    assert toy.withdrawn(toy.version("2")) == note
    promote(toy, "2")
    assert [toy.withdrawn(toy.version(version)) for version in ("1", "2", "3")] == ["", "", ""]
    assert_settled(toy)


def test_rolling_back_a_rollback_withdraws_the_other_one(toy: Registry) -> None:
    roll_back(toy, "1")
    roll_back(toy, "2")
    assert [bool(toy.withdrawn(toy.version(version))) for version in ("1", "2")] == [True, False]


def test_acknowledging_changes_neither_production_nor_its_history(toy_store: Store, toy: Registry) -> None:
    before = (stages(toy), aliases(toy), toy.ledger.read().changes)
    toy_store.client.delete_model_version(toy.ledger.name, "1")
    assert list(toy.ledger.read().faults) == ["entry 1"]
    toy.acknowledge(("entry 1",), "seen", ANN)
    assert toy.ledger.read().faults == {}
    assert (stages(toy), aliases(toy)) == before[:2]
    assert toy.ledger.read().changes == before[2][1:]
    assert toy.reconcile(ANN) == []


def test_a_registry_with_a_key_signs_what_it_writes(store: Store) -> None:
    registry = Registry(store, NAME, ledger_key="secret")
    add(store, registry, "a")
    promote(registry, "1")
    assert registry.ledger.read().faults == {}
    assert list(Registry(store, NAME, ledger_key="other").ledger.read().faults) == ["entry 1"]


def test_whoever_changes_a_signed_ledger_without_its_key_is_told(store: Store) -> None:
    registry = Registry(store, NAME, ledger_key="secret")
    add(store, registry, "a")
    promote(registry, "1")
    assert registry.reconcile(ANN) == []
    (note,) = Registry(store, NAME).reconcile(ANN)
    assert note.startswith("Entries of Toy.ledger are signed, and RECIPELINE_LEDGER_KEY is not set.")
    (note,) = Registry(store, NAME, ledger_key="other").reconcile(ANN)
    assert "signed with another key" in note


def test_the_same_model_that_another_machine_registers_meanwhile_is_there_once(
    store: Store, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one was first: the second version is deleted, which nobody has seen."""
    others: list[tuple[str, bool]] = []
    make = store.client.create_model_version

    def overtaken(name: str, *words: object, **options: object) -> object:
        if name == NAME and not others:
            others.append(("", False))
            others[0] = add(store, Registry(store, NAME), "a")
        return make(name, *words, **options)

    monkeypatch.setattr(store.client, "create_model_version", overtaken)
    assert add(store, registry, "a") == ("1", False)
    assert others == [("1", True)]
    assert stages(registry) == {"1": STAGING}
    assert aliases(registry)[CHALLENGER] == "1"


def test_a_version_of_the_same_identity_is_the_same_if_the_caller_says_so(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    run, model_id = log_toy(store)
    asked: list[str] = []

    def is_same(version: ModelVersion) -> bool:
        asked.append(str(version.version))
        return False

    made, is_new = registry.register(
        source=f"models:/{model_id}", run_id=run.id, model_id=model_id, identity="a", tags={}, description="", is_same=is_same
    )
    assert (str(made.version), is_new, asked) == ("2", True, ["1"])
    assert [str(it.version) for it in registry.of_identity("a")] == ["2", "1"]
    assert registry.of_identity("b") == []
