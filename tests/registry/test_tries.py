from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from recipeline.config.recipe import Recipe
from recipeline.engine.local import LocalWorkers
from recipeline.promotion.gate import Decision, corrected_level
from recipeline.registry.decision import decide, find_origin
from recipeline.registry.ledger import FORCED, LOOK, PROMOTE, ROLLBACK, Reading
from recipeline.registry.results import APPLIED, OPEN, Entry
from recipeline.registry.tries import count_looks, record_attempt, record_looks, take_looks
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import Store
from tests.registry.helpers import ANN, NAME, Arena, add, aliases, promote

KNOWN = {"verdict": "VALIDATED", "data_source": "uci", "split_method": "grouped"}


class Book:
    """A registry with a ledger in memory, and versions by their rule."""

    def __init__(self, *entries: Entry, rules: Mapping[str, str] | None = None) -> None:
        self.ledger, self.entries, self.rules = self, entries, rules or {}

    def versions(self) -> list[ModelVersion]:
        return [
            ModelVersion(NAME, number, 0, tags=[ModelVersionTag("recipeline.gate_rule", rule)])
            for number, rule in self.rules.items()
        ]

    def read(self) -> Reading:
        return Reading(self.entries)


def note(kind: str, champion: str, evidence: str) -> Entry:
    return Entry("", "2026-01-01T00:00:00+00:00", kind, champion, champion, "ann", "here", "", "", evidence)


looks = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 20), max_size=4)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["1", "2"]), looks), max_size=6))
def test_each_recipe_counts_once_with_the_most_settings_whatever_the_order_and_the_number_of_looks(
    made: list[tuple[str, dict[str, int]]],
) -> None:
    entries = [note(LOOK, champion, " ".join(f"{d}:{n}" for d, n in looked.items())) for champion, looked in made]
    expected: dict[str, int] = {}
    for champion, looked in made:
        for digest, tried in looked.items() if champion == "1" else ():
            expected[digest] = max(expected.get(digest, 0), tried)
    for order in (entries, entries[::-1], entries * 2):
        assert count_looks(Book(*order), "1") == sum(expected.values())


def test_looks_count_for_the_champion_of_their_time_and_for_the_one_that_followed(store: Store, registry: Registry) -> None:
    record_looks(registry, {"a": 1, "b": 1, "searched": 20}, ANN)
    entries = len(registry.ledger.read().entries)
    record_looks(registry, {"a": 1, "searched": 20}, ANN)  # the same on other rows
    assert len(registry.ledger.read().entries) == entries
    assert count_looks(registry, "") == 22
    for version, expected in (("1", 22), ("2", 4)):
        promote(registry, add(store, registry, version)[0])
        assert count_looks(registry, version) == expected
        if version == "1":
            assert count_looks(registry, version, own="searched") == 2
            record_looks(registry, {"searched": 3}, ANN)
            assert count_looks(registry, version, own="searched") == 5
        record_looks(registry, {"new": 1}, ANN)
    assert registry.ledger.read().faults == {}


class Notebook(Book):
    """The same, to be written to: what `record_looks` is asked to record is kept."""

    def locked(self) -> AbstractContextManager[None]:
        return nullcontext()

    def create(self) -> None:
        """There is one."""

    def champion(self) -> ModelVersion | None:
        changes = [entry for entry in self.entries if entry.kind == PROMOTE]
        return ModelVersion(NAME, changes[-1].after, 0) if changes else None

    def record(self, kind: str, _: str, __: object, *, evidence: str) -> None:
        champion = self.champion()
        self.entries = (*self.entries, at(9, kind, str(champion.version) if champion else "", evidence))


def at(hour: int, kind: str, champion: str, evidence: str = "") -> Entry:
    return replace(note(kind, champion, evidence), time=f"2026-01-01T{hour:02}:00:00+00:00")


hours = st.integers(0, 8)


@settings(max_examples=50, deadline=None)
@given(there=st.lists(st.tuples(hours, looks), max_size=4), here=looks, promoted=st.none() | hours, again=st.booleans())
def test_looks_of_another_registry_count_from_the_promotion_on_and_earlier_ones_where_they_are_not_known(
    there: list[tuple[int, dict[str, int]]], here: dict[str, int], promoted: int | None, again: bool
) -> None:
    def words(looked: dict[str, int]) -> str:
        return " ".join(f"{digest}:{tried}" for digest, tried in looked.items())

    book = Notebook(at(0, LOOK, "", words(here)), *([] if promoted is None else [at(promoted, PROMOTE, "1")]))
    # Its champions have numbers of its own, which mean nothing here.
    theirs = [at(hour, LOOK, str(number), words(looked)) for number, (hour, looked) in enumerate(there)]
    for _ in range(1 + again):
        take_looks(book, theirs, ANN)
    expected: dict[str, int] = {} if promoted is not None else dict(here)
    for hour, looked in there:
        for digest, tried in looked.items():
            if promoted is None or hour > promoted or here.get(digest, 0) < tried:
                expected[digest] = max(expected.get(digest, 0), tried)
    assert count_looks(book, "" if promoted is None else "1") == sum(expected.values())


def test_more_looks_than_an_entry_takes_are_all_counted(registry: Registry) -> None:
    record_looks(registry, {f"{number:016x}": 1 for number in range(250)}, ANN)
    assert count_looks(registry, "") == 250
    assert all(len(entry.content()) < 5000 for entry in registry.ledger.read().entries)


def test_the_same_measurement_is_the_same_attempt_and_another_one_the_next(registry: Registry) -> None:
    tried = [record_attempt(registry, key, champion, "", ANN) for key, champion in ("a1", "b1", "a1", "a2", "c1", "b1")]
    assert tried == [1, 2, 1, 1, 3, 2]


def test_a_note_that_is_written_while_a_promotion_is_carried_out_does_not_undo_it(store: Store, registry: Registry) -> None:
    promote(registry, add(store, registry, "1")[0])
    add(store, registry, "2")
    common = {"actor": ANN.actor, "reason": "", "run_id": ANN.run_id}
    ledger = registry.ledger
    opened = ledger.append(kind=PROMOTE, before="1", after="2", expected=ledger.read().head, **common)
    ledger.append(kind=LOOK, before="1", after="1", expected=opened, **common)
    registry.reconcile(ANN)
    assert aliases(registry) == {"champion": "2", "challenger": "", "previous": "1"}
    assert [entry.state for entry in ledger.read().entries] == [APPLIED] * 3


def test_a_note_of_a_command_that_was_stopped_changes_nothing(registry: Registry) -> None:
    registry.record(LOOK, "", ANN, evidence="a:1")
    registry.ledger.append(
        kind=LOOK, before="", after="", actor=ANN.actor, reason="", run_id=ANN.run_id, expected=registry.ledger.read().head
    )
    assert [entry.state for entry in registry.ledger.read().entries] == [APPLIED, OPEN]
    assert registry.reconcile(ANN) == []
    assert (registry.ledger.read().changes, registry.ledger.read().faults) == ((), {})


def measured(arena: Arena, challenger: ModelVersion, champion: ModelVersion, model: object, recipe: Recipe) -> Decision:
    registry = Registry(arena.store, NAME)
    return decide(
        challenger,
        champion,
        "auto",
        run=arena.run,
        recipe=recipe,
        workers=LocalWorkers(1),
        registry=registry,
        changed_by=ANN,
        load=lambda: model,
        say=lambda _: None,
        advance=lambda *_: None,
    )


def test_the_level_knows_every_look_and_attempt_also_after_their_versions_are_gone(arena: Arena) -> None:
    champion, _ = arena.enter(slice(0, 60), ("b",), recipe_digest="b", **KNOWN)
    promote(Registry(arena.store, NAME), "1")
    record_looks(Registry(arena.store, NAME), {"ab": 1, "searched": 20}, ANN)
    first, model = arena.enter(slice(0, 60), recipe_digest="ab", **KNOWN)
    other = arena.recipe.model_copy(update={"random_state": 43})
    for recipe, attempt in ((arena.recipe, 1), (arena.recipe, 1), (other, 2), (arena.recipe, 1)):
        decision = measured(arena, first, champion, model, recipe)
        assert (decision.evidence.candidates, decision.evidence.attempt) == (21, attempt)
        assert decision.evidence.level == corrected_level(0.05, candidates=21, attempt=attempt)
    arena.store.client.delete_model_version(NAME, str(first.version))
    second, model = arena.enter(slice(0, 61), recipe_digest="ab", **KNOWN)  # one new row
    assert measured(arena, second, champion, model, arena.recipe).evidence.attempt == 3


def test_each_refresh_is_an_attempt_and_is_held_against_the_last_winner_by_recipe_too(arena: Arena) -> None:
    registry = Registry(arena.store, NAME)
    arena.enter(slice(0, 20), recipe_digest="ab", gate_rule="recipe", **KNOWN)
    champion, _ = arena.enter(slice(0, 30), recipe_digest="ab", training_rows="30", gate_rule="refresh", **KNOWN)
    for version in ("1", "2"):
        promote(registry, version)
    recipe = arena.recipe.model_copy(
        update={"promotion": arena.recipe.promotion.model_copy(update={"min_rows": 10, "margin": 1.0})}
    )
    for attempt, rows in enumerate((60, 70), 1):
        challenger, model = arena.enter(slice(0, rows), recipe_digest="ab", training_rows=str(rows), **KNOWN)
        decision = measured(arena, challenger, champion, model, recipe)
        assert (decision.rule, decision.evidence.attempt) == ("refresh", attempt)
        assert decision.evidence.level == corrected_level(0.05, candidates=1, attempt=attempt)
        assert (decision.evidence.champion, decision.evidence.cumulative.champion) == ("2", "1")
        assert decision.evidence.cumulative.level == decision.evidence.level


@pytest.mark.parametrize(
    ("kinds", "origin"),
    [
        ("recipe", ""),
        ("recipe refresh", "1"),
        ("recipe refresh refresh refresh", "1"),
        ("first refresh recipe refresh", "3"),
        ("recipe refresh forced", ""),
        ("recipe refresh forced refresh", "3"),
        ("recipe refresh refresh rollback", "1"),
    ],
)
def test_the_origin_is_the_last_champion_that_did_not_come_by_a_refresh(kinds: str, origin: str) -> None:
    entries: list[Entry] = []
    tags: dict[str, str] = {}
    champion = ""
    for number, rule in enumerate(kinds.split(), 1):
        kind = rule if rule in (FORCED, ROLLBACK) else PROMOTE
        after = entries[-1].before if kind == ROLLBACK else str(number)
        entries.append(replace(note(kind, champion, ""), after=after, state=APPLIED))
        champion, tags[after] = after, tags.get(after, "refresh" if kind == FORCED else rule)
    book = Book(*entries, rules=tags)
    (now,) = (it for it in book.versions() if it.version == champion)
    found = find_origin(book, now)
    assert (str(found.version) if found else "") == origin
