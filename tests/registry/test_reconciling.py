from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count, product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipeline.errors import UnavailableError
from recipeline.registry.ledger import EXTERNAL, LOOK, PROMOTE, ROLLBACK
from recipeline.registry.results import APPLIED, OPEN, REVERTED
from recipeline.registry.stages import ARCHIVED, CHALLENGER, CHAMPION, PREVIOUS, PRODUCTION, STAGING
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import Store, open_store
from recipeline.tracking.models import load_model
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
    overtaken_at,
    promote,
    roll_back,
    stages,
    stopped_at,
)


def test_settling_finishes_a_promotion_that_was_stopped_after_the_alias(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    promote(registry, "1")
    add(store, registry, "b")
    store.client.set_registered_model_alias(NAME, CHAMPION, "2")
    assert load_model(f"models:/{NAME}/Production") is not None
    registry.reconcile(ANN)
    assert stages(registry) == {"1": ARCHIVED, "2": PRODUCTION}
    assert (holder(registry, CHAMPION), holder(registry, CHALLENGER)) == ("2", "")


def test_settling_an_interrupted_promotion_names_the_version_that_was_replaced(store: Store, registry: Registry) -> None:
    for version in ("1", "2", "3"):
        add(store, registry, version)
        if version != "3":
            promote(registry, version)
    store.client.set_registered_model_alias(NAME, CHAMPION, "3")
    registry.reconcile(ANN)
    assert holder(registry, PREVIOUS) == "2"


def test_settling_twice_is_settling_once(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    add(store, registry, "b")
    promote(registry, "1")
    move(store, "2", PRODUCTION)
    registry.reconcile(ANN)
    once = (stages(registry), aliases(registry))
    registry.reconcile(ANN)
    assert (stages(registry), aliases(registry)) == once


def test_an_open_entry_whose_version_was_deleted_is_reverted_and_production_stays(toy_store: Store, toy: Registry) -> None:
    with stopped_at(toy_store.client, 2):
        promote(toy, "3")
    toy_store.client.delete_model_version(NAME, "3")
    assert toy.reconcile(ANN) == []
    assert entries(toy)[2:] == [(PROMOTE, "2", "3", REVERTED)]
    assert aliases(toy) == {CHAMPION: "2", CHALLENGER: "", PREVIOUS: "1"}
    assert_settled(toy)
    assert promote(toy, "1")
    assert_settled(toy)


def test_a_change_that_was_stopped_half_way_is_undone_where_its_version_was_deleted(
    promoted_twice: Path, tmp_path: Path
) -> None:
    for stop in count(2):
        store = open_copy(promoted_twice, tmp_path / str(stop))
        registry = Registry(store, NAME)
        with stopped_at(store.client, stop):
            promote(registry, "3")
        if entries(registry)[-1] != (PROMOTE, "2", "3", OPEN):
            break
        store.client.delete_model_version(NAME, "3")
        registry.reconcile(ANN)
        assert stages(registry) == {"1": ARCHIVED, "2": PRODUCTION}
        assert entries(registry)[2:] == [(PROMOTE, "2", "3", REVERTED)]
        assert_settled(registry)


def test_undoing_a_change_can_be_stopped_at_any_write_too(promoted_twice: Path, tmp_path: Path) -> None:
    for stop in count(1):
        store = open_copy(promoted_twice, tmp_path / str(stop))
        registry = Registry(store, NAME)
        with stopped_at(store.client, 6):
            promote(registry, "3")
        assert (holder(registry, CHAMPION), stages(registry)["2"]) == ("3", ARCHIVED)
        store.client.delete_model_version(NAME, "3")
        with stopped_at(store.client, stop) as writes:
            registry.reconcile(ANN)
        assert registry.reconcile(ANN) == []
        assert stages(registry) == {"1": ARCHIVED, "2": PRODUCTION}
        assert_settled(registry)
        if len(writes) < stop:
            break


def test_a_rollback_that_is_undone_withdraws_nothing(promoted_twice: Path, tmp_path: Path) -> None:
    for stop in count(2):
        store = open_copy(promoted_twice, tmp_path / str(stop))
        registry = Registry(store, NAME)
        with stopped_at(store.client, stop):
            roll_back(registry, "1")
        if entries(registry)[-1] != (ROLLBACK, "2", "1", OPEN):
            break
        store.client.delete_model_version(NAME, "1")
        registry.reconcile(ANN)
        assert_settled(registry)
        assert registry.withdrawn(registry.version("2")) == ""


def test_an_alias_moved_by_hand_is_taken_note_of_once(toy_store: Store, toy: Registry) -> None:
    toy_store.client.set_registered_model_alias(NAME, CHAMPION, "3")
    (note,) = toy.reconcile(ANN)
    assert "from version 2 to 3" in note
    assert NAME in note
    assert entries(toy)[2:] == [(EXTERNAL, "2", "3", APPLIED)]
    assert aliases(toy) == {CHAMPION: "3", CHALLENGER: "", PREVIOUS: "2"}
    assert_settled(toy)
    assert toy.reconcile(ANN) == []
    assert len(entries(toy)) == 3
    head = toy.ledger.read().head
    assert head is not None
    assert head.actor == "unknown"


def test_an_alias_deleted_by_hand_is_brought_back_where_the_stage_still_is(toy_store: Store, toy: Registry) -> None:
    toy_store.client.delete_registered_model_alias(NAME, CHAMPION)
    (note,) = toy.reconcile(ANN)
    assert f"The alias champion of {NAME} was deleted; it is restored to version 2" in note
    assert entries(toy)[2:] == []
    assert holder(toy, CHAMPION) == "2"
    assert toy.reconcile(ANN) == []
    assert_settled(toy)


def test_a_champion_taken_out_by_hand_alias_and_stage_is_taken_note_of_once(toy_store: Store, toy: Registry) -> None:
    toy_store.client.delete_registered_model_alias(NAME, CHAMPION)
    move(toy_store, "2", ARCHIVED)
    (note,) = toy.reconcile(ANN)
    assert "from version 2 to none" in note
    assert entries(toy)[2:] == [(EXTERNAL, "2", "", APPLIED)]
    assert toy.reconcile(ANN) == []
    assert toy.change("3", expected="", kind=PROMOTE, reason="better", changed_by=ANN)
    assert entries(toy)[3:] == [(PROMOTE, "", "3", APPLIED)]
    assert_settled(toy)


def test_a_champion_set_by_hand_before_there_was_any_is_taken_note_of(store: Store, registry: Registry) -> None:
    add(store, registry, "a")
    store.client.set_registered_model_alias(NAME, CHAMPION, "1")
    (note,) = registry.reconcile(ANN)
    assert "from version none to 1" in note
    assert entries(registry) == [(EXTERNAL, "", "1", APPLIED)]
    assert_settled(registry)


def test_a_champion_deleted_by_hand_is_taken_note_of(toy_store: Store, toy: Registry) -> None:
    toy_store.client.delete_model_version(NAME, "2")
    (note,) = toy.reconcile(ANN)
    assert "from version 2 to none" in note
    assert toy.reconcile(ANN) == []
    assert promote(toy, "3")
    assert_settled(toy)


def test_taking_note_that_is_stopped_at_any_write_is_done_once(promoted_twice: Path, tmp_path: Path) -> None:
    for stop in count(1):
        store = open_copy(promoted_twice, tmp_path / str(stop))
        registry = Registry(store, NAME)
        store.client.set_registered_model_alias(NAME, CHAMPION, "3")
        with stopped_at(store.client, stop) as writes:
            registry.reconcile(ANN)
        registry.reconcile(ANN)
        assert entries(registry)[2:] == [(EXTERNAL, "2", "3", APPLIED)]
        assert_settled(registry)
        if len(writes) < stop:
            break


acts = st.one_of(
    st.tuples(st.sampled_from([PROMOTE, ROLLBACK]), st.sampled_from("123"), st.integers(1, 12)),
    st.tuples(st.just("by hand"), st.sampled_from("123"), st.just(0)),
    st.tuples(st.just("settle"), st.just(""), st.integers(1, 6)),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(acts, min_size=1, max_size=5))
def test_whatever_was_stopped_or_done_by_hand_settling_makes_ledger_alias_and_stage_agree(
    promoted_twice: Path, tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, str, int]]
) -> None:
    store = open_copy(promoted_twice, tmp_path_factory.mktemp("history"))
    registry = Registry(store, NAME)
    for kind, version, stop in history:
        if kind == "by hand":
            store.client.set_registered_model_alias(NAME, CHAMPION, version)
            continue
        with stopped_at(store.client, stop):
            if kind == "settle":
                registry.reconcile(ANN)
            else:
                registry.change(version, expected=holder(registry, CHAMPION), kind=kind, reason="", changed_by=ANN)
        assert PRODUCTION in stages(registry).values()
    registry.reconcile(ANN)
    assert_settled(registry)
    assert registry.reconcile(ANN) == []


# --- another machine, which does not share the lock --------------------------------------------------------------------------


@pytest.fixture
def others(toy_store: Store, tmp_path: Path) -> Registry:
    """The same registry, as another machine sees it."""
    return Registry(open_store(toy_store.uri, root=tmp_path), NAME)


def test_a_version_deleted_while_it_is_promoted_is_a_sentence(toy_store: Store, toy: Registry) -> None:
    delete = partial(toy_store.client.delete_model_version, NAME, "3")
    with overtaken_at(toy_store.client, 2, delete), pytest.raises(UnavailableError, match="No version 3 of"):
        promote(toy, "3")
    assert holder(toy, CHAMPION) == "2"
    assert_settled(toy)


def test_the_champion_deleted_while_it_is_replaced_is_no_failure(toy_store: Store, toy: Registry) -> None:
    with overtaken_at(toy_store.client, 3, partial(toy_store.client.delete_model_version, NAME, "2")) as writes:
        promote(toy, "3")
    assert writes[1:3] == ["set_registered_model_alias"] * 2  # the second is that of the one before
    assert stages(toy) == {"1": ARCHIVED, "3": PRODUCTION}
    assert_settled(toy)


@pytest.mark.parametrize("write", range(1, 4))
def test_a_challenger_promoted_while_another_is_registered_stays_in_production(
    toy_store: Store, toy: Registry, others: Registry, write: int
) -> None:
    with overtaken_at(toy_store.client, write, lambda: promote(others, "3")):
        add(toy_store, toy, "ours")
    assert stages(toy) == {"1": ARCHIVED, "2": ARCHIVED, "3": PRODUCTION, "4": STAGING}
    assert holder(toy, CHALLENGER) == "4"
    assert_settled(toy)


def test_a_version_made_and_promoted_between_two_readings_is_no_deleted_alias(
    toy_store: Store, toy: Registry, others: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = toy_store.client.get_registered_model
    theirs: list[object] = []

    def overtaken(name: str) -> object:
        if not theirs:
            theirs.append(add(toy_store, others, "theirs"))
            promote(others, "4")
        return read(name)

    monkeypatch.setattr(toy_store.client, "get_registered_model", overtaken)
    assert toy.reconcile(ANN) == []
    assert theirs == [("4", True)]
    assert holder(toy, CHAMPION) == "4"
    assert_settled(toy)


@pytest.mark.parametrize("delete_alias", [True, False])
def test_what_another_machine_promotes_while_a_change_from_outside_is_mended_stays(
    toy_store: Store, toy: Registry, others: Registry, delete_alias: bool
) -> None:
    if delete_alias:
        toy_store.client.delete_registered_model_alias(NAME, CHAMPION)
    else:
        move(toy_store, "2", ARCHIVED)
    with overtaken_at(toy_store.client, 1, lambda: promote_whatever_is(others, "3")) as writes:
        toy.reconcile(ANN)
    assert writes
    assert holder(toy, CHAMPION) == "3"
    assert_settled(toy)


def test_what_another_machine_promotes_while_a_change_is_undone_stays(
    toy_store: Store, toy: Registry, others: Registry
) -> None:
    with stopped_at(toy_store.client, 3):
        promote(toy, "3")
    toy_store.client.delete_model_version(NAME, "3")
    with overtaken_at(toy_store.client, 1, lambda: promote_whatever_is(others, "1")) as writes:
        toy.reconcile(ANN)
    assert writes[0] == "set_registered_model_alias"
    assert holder(toy, CHAMPION) == "1"
    assert_settled(toy)


def test_a_version_deleted_while_a_change_to_another_is_undone_is_no_failure(toy_store: Store, toy: Registry) -> None:
    with stopped_at(toy_store.client, 3):
        promote(toy, "3")
    toy_store.client.delete_model_version(NAME, "3")
    with overtaken_at(toy_store.client, 1, partial(toy_store.client.delete_model_version, NAME, "2")):
        toy.reconcile(ANN)
    assert holder(toy, CHAMPION) == ""
    assert toy.reconcile(ANN) == []


def promote_whatever_is(registry: Registry, version: str) -> None:
    while holder(registry, CHAMPION) != version and not promote(registry, version):
        pass


#: What is done to version 3 here, or by version 1 instead of it, while the other machine does one of the others in whole.
OURS: dict[str, Callable[[Store, Registry], object]] = {
    "promotion": lambda _, registry: promote(registry, "3"),
    "rollback": lambda _, registry: roll_back(registry, "1"),
    "registration": lambda store, registry: add(store, registry, "ours"),
    "note": lambda _, registry: registry.record(LOOK, "looked", ANN),
}


THEIRS: dict[str, Callable[[Store, Registry], object]] = {
    "promotion": lambda _, registry: promote_whatever_is(registry, "1"),
    "promotion of the same": lambda _, registry: promote_whatever_is(registry, "3"),
    "rollback": lambda _, registry: roll_back(registry, "1"),
    "registration": lambda store, registry: add(store, registry, "theirs"),
    "the same registration": lambda store, registry: add(store, registry, "ours"),
    "note": lambda _, registry: registry.record(LOOK, "looked", ANN),
    "deletion of the champion": lambda store, _: store.client.delete_model_version(NAME, "2"),
    "deletion of the challenger": lambda store, _: store.client.delete_model_version(NAME, "3"),
    "deletion of the one before": lambda store, _: store.client.delete_model_version(NAME, "1"),
}


#: What is tried each time: it takes seconds for each.
FEW = {
    ("promotion", "promotion"),
    ("rollback", "registration"),
    ("registration", "the same registration"),
}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(*pair, id=f"{pair[0]}, {pair[1]}", marks=() if pair in FEW else pytest.mark.full)
        for pair in product(OURS, THEIRS)
    ],
)
def test_another_machine_that_changes_the_registry_at_any_write_leaves_one_production_and_no_traceback(
    promoted_twice: Path, tmp_path: Path, ours: str, theirs: str
) -> None:
    for write in count(1):
        store = open_copy(promoted_twice, tmp_path / str(write))
        registry, others = Registry(store, NAME), open_store(store.uri, root=tmp_path)

        def act(others: Store = others) -> None:
            THEIRS[theirs](others, Registry(others, NAME))

        with overtaken_at(store.client, write, act) as writes, suppress(UnavailableError):
            OURS[ours](store, registry)
        registry.reconcile(ANN)
        if holder(registry, CHAMPION):
            assert_settled(registry)
        else:
            assert theirs.startswith("deletion")  # of what was the champion by then
            assert PRODUCTION not in stages(registry).values()
        assert registry.reconcile(ANN) == []
        if len(writes) < write:
            break
