from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from recipeline.registry.ledger import ACKNOWLEDGE, EXTERNAL, PROMOTE, Actor, Ledger
from recipeline.registry.results import APPLIED, OPEN, REVERTED, Entry
from recipeline.tracking.connection.store import Store, open_store

NAME, NEW = "Toy", "New"
ANN = Actor("ann", "here")
RUN = "0" * 32
HASHED = [each.name for each in fields(Entry) if each.name not in ("number", "state")]

words = st.text(max_size=20)
entries = st.builds(
    Entry,
    **{name: words for name in HASHED if name != "acknowledged"},
    acknowledged=st.lists(words, max_size=3).map(tuple),
)


@pytest.fixture(scope="session")
def store_with_ledgers(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A store of two models, one with a ledger of three entries, one without.

    Made once, because writing takes time.
    """
    folder = tmp_path_factory.mktemp("ledgers")
    shutil.copy(empty_store, folder / "mlflow.db")
    client = open_store("sqlite:///mlflow.db", root=folder).client
    for name in (NAME, NEW):
        client.create_registered_model(name)
    fill(Ledger(client, NAME))
    return folder / "mlflow.db"


@pytest.fixture
def store(tmp_path: Path, store_with_ledgers: Path) -> Store:
    shutil.copy(store_with_ledgers, tmp_path / "mlflow.db")
    return open_store("sqlite:///mlflow.db", root=tmp_path)


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store.client, NEW)


@pytest.fixture
def filled(store: Store) -> Ledger:
    """A ledger of three entries."""
    return Ledger(store.client, NAME)


def append(ledger: Ledger, after: str, expected: Entry | None, **changes: Any) -> Entry | None:
    values: dict[str, Any] = {"kind": PROMOTE, "before": "", "actor": ANN, "reason": "better", "run_id": RUN} | changes
    return ledger.append(after=after, expected=expected, **values)


def write(ledger: Ledger, after: str, **changes: Any) -> Entry:
    """Append an entry after the newest one, and close it."""
    entry = append(ledger, after, ledger.read().head, **changes)
    assert entry is not None
    ledger.close(entry)
    return entry


def fill(ledger: Ledger, count: int = 3) -> list[Entry]:
    return [write(ledger, str(number)) for number in range(1, count + 1)]


def numbers(ledger: Ledger) -> list[int]:
    return [entry.number for entry in ledger.read().entries]


def tag(store: Store, number: int, model: str = NAME, **tags: str) -> None:
    """Change tags of an entry by hand."""
    for name, value in tags.items():
        store.client.set_model_version_tag(f"{model}.ledger", str(number), f"recipeline.{name}", value)


def content(store: Store, number: int, model: str = NAME) -> dict[str, Any]:
    tags = store.client.get_model_version(f"{model}.ledger", str(number)).tags
    values: dict[str, Any] = json.loads(tags["recipeline.entry"])
    return values


def in_one_form(values: object) -> str:
    return json.dumps(values, sort_keys=True, ensure_ascii=False)


def change(store: Store, number: int) -> None:
    tag(store, number, entry=in_one_form(content(store, number) | {"reason": "no reason"}))


def change_and_hash(store: Store, number: int, model: str = NAME) -> None:
    text = in_one_form(content(store, number, model) | {"reason": "no reason"})
    tag(store, number, model, entry=text, entry_hash=sha256(text.encode()).hexdigest())


def change_hash(store: Store, number: int) -> None:
    tag(store, number, entry_hash="0" * 64)


def forget_hash(store: Store, number: int) -> None:
    store.client.delete_model_version_tag(f"{NAME}.ledger", str(number), "recipeline.entry_hash")


def garble(store: Store, number: int) -> None:
    tag(store, number, entry="{")


def forget_content(store: Store, number: int) -> None:
    store.client.delete_model_version_tag(f"{NAME}.ledger", str(number), "recipeline.entry")


def delete(store: Store, number: int) -> None:
    store.client.delete_model_version(f"{NAME}.ledger", str(number))


def test_a_ledger_that_was_never_written_is_empty_and_whole(store: Store, ledger: Ledger) -> None:
    assert ledger.read().entries == ()
    assert ledger.read().faults == {}
    assert ledger.read().head is None
    assert Ledger(store.client, "Nobody").read().faults == {}


def test_every_entry_names_the_hash_of_the_one_before_it_and_the_first_one_none(ledger: Ledger) -> None:
    first, second, third = fill(ledger)
    assert [entry.previous_hash for entry in (first, second, third)] == ["", first.hash, second.hash]
    assert len({first.hash, second.hash, third.hash}) == 3


def test_entries_come_in_the_order_they_were_written_also_from_ten_on(ledger: Ledger) -> None:
    fill(ledger, 11)
    reading = ledger.read()
    assert [entry.after for entry in reading.entries] == [str(number) for number in range(1, 12)]
    assert numbers(ledger) == list(range(1, 12))
    assert reading.head is not None
    assert reading.head.number == 11
    assert reading.faults == {}


def test_an_entry_is_found_as_it_was_written_with_its_number_and_state(ledger: Ledger) -> None:
    fill(ledger, 1)
    written = append(ledger, "2", ledger.read().head, kind=EXTERNAL, before="1", evidence="abc", acknowledged=("entry 7",))
    found = ledger.read().head
    assert written is not None
    assert found == written
    assert (found.kind, found.before, found.after, found.evidence) == (EXTERNAL, "1", "2", "abc")
    assert (found.actor, found.host, found.reason, found.run_id) == ("ann", "here", "better", RUN)
    assert found.acknowledged == ("entry 7",)
    assert (found.number, found.state) == (2, OPEN)


def test_an_entry_knows_its_time_in_utc(ledger: Ledger) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    (entry,) = fill(ledger, 1)
    assert before <= entry.when <= datetime.now(UTC)
    assert entry.when.utcoffset() == timedelta(0)


@pytest.mark.parametrize("state", [APPLIED, REVERTED])
def test_an_entry_is_open_until_it_is_closed_and_its_hash_stays(ledger: Ledger, state: str) -> None:
    entry = append(ledger, "1", None)
    assert entry is not None
    assert entry.state == OPEN
    ledger.close(entry, state)
    found = ledger.read().head
    assert found is not None
    assert (found.state, found.hash) == (state, entry.hash)
    assert ledger.read().faults == {}


def test_reverted_entries_and_acknowledgements_are_no_changes(ledger: Ledger) -> None:
    write(ledger, "1")
    reverted = append(ledger, "2", ledger.read().head)
    assert reverted is not None
    ledger.close(reverted, REVERTED)
    write(ledger, "1", kind=ACKNOWLEDGE)
    assert append(ledger, "3", ledger.read().head) is not None
    assert numbers(ledger) == [1, 2, 3, 4]
    assert [entry.after for entry in ledger.read().changes] == ["1", "3"]


def test_of_two_entries_that_name_the_same_one_the_first_counts(ledger: Ledger) -> None:
    first, second = fill(ledger, 2)
    assert append(ledger, "3", first) is None
    assert append(ledger, "4", None) is None
    reading = ledger.read()
    assert [entry.number for entry in reading.entries] == [1, 2]
    assert reading.head == second
    assert reading.faults == {}


def test_an_entry_follows_from_the_one_that_counts_whatever_void_ones_lie_between(ledger: Ledger) -> None:
    first, second = fill(ledger, 2)
    append(ledger, "3", first)
    entry = append(ledger, "4", second)
    assert entry is not None
    assert (entry.number, entry.previous_hash) == (4, second.hash)
    assert numbers(ledger) == [1, 2, 4]
    assert ledger.read().faults == {}


def test_of_entries_appended_at_once_exactly_one_counts(ledger: Ledger) -> None:
    (first,) = fill(ledger, 1)
    with ThreadPoolExecutor(2) as pool:
        won = list(pool.map(lambda after: append(ledger, after, first), ["2", "3"]))
    (entry,) = [entry for entry in won if entry]
    assert ledger.read().head == entry
    assert ledger.read().faults == {}


def test_an_entry_that_another_one_followed_at_once_counts_all_the_same(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = fill(ledger, 1)
    create = MlflowClient.create_model_version
    once = iter([True])

    def create_and_be_followed(client: MlflowClient, *words: Any, **options: Any) -> ModelVersion:
        version: ModelVersion = create(client, *words, **options)
        if next(once, False):
            assert append(ledger, "3", ledger.read().head) is not None
        return version

    monkeypatch.setattr(MlflowClient, "create_model_version", create_and_be_followed)
    entry = append(ledger, "2", first)
    assert numbers(ledger) == [1, 2, 3]
    assert entry is not None
    assert entry.number == 2


@pytest.mark.parametrize(
    ("damage", "number", "fault"),
    [
        (change, 1, "was changed"),
        (change, 2, "was changed"),
        (change, 3, "was changed"),
        (change_hash, 1, "was changed"),
        (change_hash, 2, "was changed"),
        (change_hash, 3, "was changed"),
        (forget_hash, 2, "was changed"),
        (forget_hash, 3, "was changed"),
        (garble, 1, "cannot be read"),
        (garble, 2, "cannot be read"),
        (garble, 3, "cannot be read"),
        (forget_content, 2, "cannot be read"),
        (forget_content, 3, "cannot be read"),
    ],
)
def test_a_changed_or_unreadable_entry_is_named_once_and_reading_goes_on(
    store: Store, filled: Ledger, damage: Callable[[Store, int], None], number: int, fault: str
) -> None:
    damage(store, number)
    assert filled.read().faults == {f"entry {number}": f"Entry {number} of the ledger {fault}."}
    lost = {number} if fault == "cannot be read" else set()
    assert numbers(filled) == sorted({1, 2, 3} - lost)


@pytest.mark.parametrize("number", [1, 2])
def test_a_missing_entry_is_named_once_and_reading_goes_on(store: Store, filled: Ledger, number: int) -> None:
    delete(store, number)
    assert filled.read().faults == {f"entry {number}": f"Entry {number} of the ledger is missing."}
    assert numbers(filled) == sorted({1, 2, 3} - {number})


@pytest.mark.parametrize("number", [1, 2])
def test_where_the_hash_of_a_changed_entry_is_changed_too_the_next_one_does_not_follow(
    store: Store, filled: Ledger, number: int
) -> None:
    change_and_hash(store, number)
    assert filled.read().faults == {
        f"entry {number + 1}": f"Entry {number + 1} of the ledger does not follow from the one before it."
    }
    assert numbers(filled) == [1, 2, 3]


@pytest.mark.parametrize("damage", [delete, change_and_hash])
def test_a_newest_entry_that_is_not_the_one_that_was_written_is_named_once(
    store: Store, filled: Ledger, damage: Callable[[Store, int], None]
) -> None:
    damage(store, 3)
    (name,) = filled.read().faults
    assert name == "entry 3"


def test_every_entry_of_a_tail_that_is_cut_off_is_named_once(store: Store, filled: Ledger) -> None:
    delete(store, 3)
    delete(store, 2)
    assert filled.read().faults == {f"entry {n}": f"Entry {n} of the ledger is missing." for n in (2, 3)}
    assert numbers(filled) == [1]


def test_every_entry_of_a_ledger_that_was_deleted_as_a_whole_is_named_once(store: Store, filled: Ledger) -> None:
    store.client.delete_registered_model(filled.name)
    assert list(filled.read().faults) == ["entry 1", "entry 2", "entry 3"]
    assert filled.read().entries == ()


def test_every_one_of_several_faults_is_named(store: Store, filled: Ledger) -> None:
    fill(filled, 4)
    change(store, 1)
    delete(store, 3)
    garble(store, 4)
    change_and_hash(store, 6)
    assert filled.read().faults == {
        "entry 1": "Entry 1 of the ledger was changed.",
        "entry 3": "Entry 3 of the ledger is missing.",
        "entry 4": "Entry 4 of the ledger cannot be read.",
        "entry 7": "Entry 7 of the ledger does not follow from the one before it.",
    }
    assert numbers(filled) == [1, 2, 5, 6, 7]


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "5", '"a"', "{}", '{"acknowledged": null}', '{"acknowledged": [], "number": 1}', "[" * 100]
)
def test_content_that_is_no_entry_cannot_be_read(store: Store, filled: Ledger, text: str) -> None:
    tag(store, 2, entry=text)
    assert filled.read().faults == {"entry 2": "Entry 2 of the ledger cannot be read."}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("previous_hash", []),
        ("acknowledged", [["entry 1"]]),
        ("reason", "\ud800"),
        ("time", 5),
        ("surplus", ""),
    ],
)
def test_a_field_that_no_entry_has_like_that_is_one_fault(store: Store, filled: Ledger, name: str, value: object) -> None:
    tag(store, 2, entry=json.dumps(content(store, 2) | {name: value}))
    assert list(filled.read().faults) == ["entry 2"]


@pytest.mark.parametrize("text", ["3", "3 nonsense", "nonsense", "nonsense 3"])
def test_a_changed_note_of_the_newest_entry_is_one_fault(store: Store, filled: Ledger, text: str) -> None:
    store.client.set_registered_model_tag(NAME, "recipeline.ledger_head", text)
    (fault,) = filled.read().faults.values()
    assert fault.endswith("is not the one that was written.")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("damage", [change, change_hash, garble, delete])
def test_after_a_damage_the_ledger_goes_on_without_a_further_fault(
    store: Store, filled: Ledger, damage: Callable[[Store, int], None], number: int
) -> None:
    damage(store, number)
    write(filled, "4")
    write(filled, "5")
    assert list(filled.read().faults) == [f"entry {number}"]
    assert numbers(filled)[-2:] == [4, 5]


def test_a_newest_entry_that_was_changed_with_its_hash_is_a_fault_after_the_next_one_too(store: Store, filled: Ledger) -> None:
    change_and_hash(store, 3)
    write(filled, "4")
    assert len(filled.read().faults) == 1


def test_a_ledger_that_was_deleted_as_a_whole_is_a_fault_after_the_next_entry_too(store: Store, filled: Ledger) -> None:
    store.client.delete_registered_model(filled.name)
    write(filled, "4")
    assert list(filled.read().faults) == ["entry 2", "entry 3"]


@pytest.mark.parametrize(
    ("damage", "number", "name"),
    [
        (change, 2, "entry 2"),
        (change_hash, 1, "entry 1"),
        (garble, 2, "entry 2"),
        (delete, 2, "entry 2"),
        (change_and_hash, 2, "entry 3"),
        (change_and_hash, 3, "entry 3"),
        (delete, 3, "entry 3"),
    ],
)
def test_an_acknowledged_fault_is_no_longer_named(
    store: Store, filled: Ledger, damage: Callable[[Store, int], None], number: int, name: str
) -> None:
    damage(store, number)
    assert list(filled.read().faults) == [name]
    write(filled, "3", kind=ACKNOWLEDGE, acknowledged=(name,))
    assert filled.read().faults == {}
    write(filled, "4")
    assert filled.read().faults == {}


def test_a_deleted_ledger_that_was_acknowledged_is_no_longer_named(store: Store, filled: Ledger) -> None:
    store.client.delete_registered_model(filled.name)
    write(filled, "3", kind=ACKNOWLEDGE, acknowledged=("entry 3",))
    assert filled.read().faults == {}


def test_a_fault_that_comes_after_an_acknowledgement_is_named_whatever_its_number(store: Store, filled: Ledger) -> None:
    store.client.delete_registered_model(filled.name)
    write(filled, "3", kind=ACKNOWLEDGE, acknowledged=("entry 3",))
    fill(filled, 2)
    delete(store, 3)
    assert list(filled.read().faults) == ["entry 3"]


def test_faults_that_were_not_acknowledged_are_still_named(store: Store, filled: Ledger) -> None:
    change(store, 1)
    write(filled, "3", kind=ACKNOWLEDGE, acknowledged=("entry 1", "entry 9"))
    change(store, 2)
    assert filled.read().faults == {"entry 2": "Entry 2 of the ledger was changed."}


@pytest.fixture
def signed(store: Store) -> Ledger:
    """A ledger of two entries, signed with the key `secret`."""
    ledger = Ledger(store.client, NEW, key="secret")
    fill(ledger, 2)
    return ledger


def test_entries_signed_with_the_key_are_whole_with_it_and_without(ledger: Ledger, signed: Ledger) -> None:
    assert signed.read().faults == {}
    assert ledger.read().faults == {}
    assert ledger.read().entries == signed.read().entries


def test_entries_signed_with_another_key_and_unsigned_ones_are_faults(store: Store, ledger: Ledger, signed: Ledger) -> None:
    write(Ledger(store.client, NEW, key="other"), "3")
    write(ledger, "4")
    write(signed, "5")
    fault = "Entry {} of the ledger is not signed with this key."
    assert signed.read().faults == {"entry 3": fault.format(3), "entry 4": fault.format(4)}
    assert ledger.read().faults == {}


@pytest.mark.parametrize("number", [1, 2])
def test_an_entry_that_was_written_anew_without_the_key_is_named_once(store: Store, signed: Ledger, number: int) -> None:
    change_and_hash(store, number, NEW)
    assert signed.read().faults == {f"entry {number}": f"Entry {number} of the ledger is not signed with this key."}


@pytest.mark.parametrize("mac", ["", "0" * 64, "ä" * 64])
def test_a_changed_signature_is_a_fault(store: Store, ledger: Ledger, signed: Ledger, mac: str) -> None:
    tag(store, 1, NEW, entry_mac=mac)
    assert signed.read().faults == {"entry 1": "Entry 1 of the ledger is not signed with this key."}
    assert ledger.read().faults == {}


def test_a_key_that_is_missing_or_not_that_of_the_newest_signed_entry_is_told(
    store: Store, ledger: Ledger, signed: Ledger
) -> None:
    other = Ledger(store.client, NEW, key="other")
    assert ledger.key_fault() == "Entries of New.ledger are signed, and RECIPELINE_LEDGER_KEY is not set."
    assert other.key_fault() == "Entry 2 of New.ledger is signed with another key than the present RECIPELINE_LEDGER_KEY."
    write(ledger, "3")  # without a key: what is signed is signed all the same
    assert ledger.key_fault()
    assert signed.key_fault() == ""
    write(other, "4")
    assert other.key_fault() == ""
    assert signed.key_fault()


def test_a_ledger_that_nobody_signed_needs_no_key(store: Store, ledger: Ledger) -> None:
    write(ledger, "1")
    assert ledger.key_fault() == ""
    assert Ledger(store.client, NEW, key="secret").key_fault() == ""


def test_a_long_reason_is_cut(ledger: Ledger) -> None:
    assert write(ledger, "1", reason="x" * 1000).reason == "x" * 1000
    assert write(ledger, "2", reason="y" * 5000).reason == "y" * 1000
    assert [len(entry.reason) for entry in ledger.read().entries] == [1000, 1000]
    assert ledger.read().faults == {}


@pytest.mark.parametrize(
    "reason", ["größer als vorher", "更好", "🍷 ∆R² ≥ 0", 'two\nlines\tand a \\ and a "quote"', "", "\u2028"]
)
def test_a_reason_in_any_language_is_kept_as_it_was_written(store: Store, reason: str) -> None:
    signed = Ledger(store.client, NEW, key="schlüssel")
    assert write(signed, "1", reason=reason, actor=Actor("zoë", "här")).reason == reason
    (found,) = signed.read().entries
    assert (found.reason, found.actor, found.host) == (reason, "zoë", "här")
    assert signed.read().faults == {}


def test_a_key_of_any_bytes_signs(store: Store) -> None:
    """The environment may hold bytes that are no text."""
    key = os.fsdecode(b"\xff\xfe key")
    write(Ledger(store.client, NEW, key=key), "1")
    assert Ledger(store.client, NEW, key=key).read().faults == {}
    assert [*Ledger(store.client, NEW, key="\xff\xfe key").read().faults] == ["entry 1"]


def test_the_ledgers_of_two_models_do_not_touch_each_other(store: Store, filled: Ledger) -> None:
    store.client.create_registered_model("Other")
    other = Ledger(store.client, "Other")
    fill(other, 1)
    delete(store, 2)
    assert len(filled.read().faults) == 1
    assert (numbers(other), other.read().faults) == ([1], {})


def test_an_entry_can_be_read_in_mlflows_interface(store: Store, ledger: Ledger) -> None:
    write(ledger, "2", before="1", reason="better wine")
    version = store.client.get_model_version(ledger.name, "1")
    assert version.description == "1 → 2 (promote) by ann: better wine"
    assert version.run_id == RUN
    assert f"Production of {NEW}" in store.client.get_registered_model(ledger.name).description


@given(entries, st.data())
def test_the_hash_differs_where_any_hashed_field_differs(entry: Entry, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(HASHED))
    value = data.draw(entries.map(lambda other: getattr(other, name)).filter(lambda value: value != getattr(entry, name)))
    assert replace(entry, **{name: value}).hash != entry.hash


@given(entries, st.integers(0, 10**6), st.sampled_from([OPEN, APPLIED, REVERTED]))
def test_the_hash_depends_neither_on_the_number_nor_on_the_state(entry: Entry, number: int, state: str) -> None:
    other = replace(entry, number=number, state=state)
    assert (other.hash, other) == (entry.hash, entry)


@given(entries)
def test_the_content_holds_every_hashed_field_and_nothing_else(entry: Entry) -> None:
    values = json.loads(entry.content())
    assert sorted(values) == sorted(HASHED)
    assert Entry(**values | {"acknowledged": tuple(values["acknowledged"])}) == entry
    assert set(asdict(entry)) - set(values) == {"number", "state"}


@given(offsets=st.lists(st.integers(-10_000_000, 10_000_000), min_size=2, max_size=3))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_time_of_an_entry_never_goes_back_whatever_the_clock_does(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, offsets: list[int]
) -> None:
    for offset in offsets:

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None, offset: int = offset) -> Any:
                return datetime.now(tz) + timedelta(seconds=offset)

        monkeypatch.setattr("recipeline.registry.ledger.datetime", Clock)
        write(ledger, "1")
    reading = ledger.read()
    times = [entry.when for entry in reading.entries]
    assert (times, reading.faults) == (sorted(times), {})
