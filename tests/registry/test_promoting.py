from __future__ import annotations

from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion

from recipeline.artifacts import DECISION
from recipeline.config.profile import Policy
from recipeline.engine.local import LocalWorkers
from recipeline.errors import UnavailableError
from recipeline.promotion.gate import Decision
from recipeline.promotion.results import RecordedDecision
from recipeline.registry import promoting
from recipeline.registry.versions import Registry
from recipeline.tracking.runs import open_run
from tests.registry.helpers import ANN, NAME, Arena, promote, stages

KNOWN = {"verdict": "VALIDATED", "data_source": "uci", "split_method": "grouped"}


class Deciding:
    """Decides as it is told, and does `meanwhile` once while it measures."""

    def __init__(self, outcome: str, rule: str, meanwhile: Any = None) -> None:
        self.outcome, self.rule, self.meanwhile = outcome, rule, meanwhile
        self.champions: list[str] = []

    def __call__(self, _: ModelVersion, champion: ModelVersion | None, *__: object, **___: object) -> Decision:
        self.champions.append(str(champion.version) if champion else "")
        if self.meanwhile:
            self.meanwhile()
            self.meanwhile = None
        return Decision(self.outcome, self.rule, "so it is", passed=self.outcome == "promoted")


@pytest.fixture(autouse=True)
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that were loaded, or whose files were looked at."""
    asked: list[str] = []
    monkeypatch.setattr(promoting, "load_golden", lambda _, version: asked.append(str(version.version)))
    monkeypatch.setattr(promoting, "require_champion", lambda version, _: asked.append(str(version.version)))
    return asked


def promoted(
    arena: Arena, number: str, deciding: Deciding, monkeypatch: pytest.MonkeyPatch, policy: Policy = "auto"
) -> tuple[ModelVersion, RecordedDecision, list[str]]:
    """Return the version, the decision that the run keeps, and what was said."""
    said: list[str] = []
    monkeypatch.setattr(promoting, "decide", deciding)
    with open_run(arena.store.client, "promote", arena.store.experiment("toy"), {}) as run:
        version, decision = promoting.promote_version(
            number,
            policy,
            run=run,
            recipe=arena.recipe,
            workers=LocalWorkers(1),
            registry=Registry(arena.store, NAME),
            changed_by=ANN,
            say=said.append,
            advance=lambda *_: None,
        )
        kept = run.load(DECISION)
    assert kept == RecordedDecision(**vars(decision), policy=policy, version=number)
    return version, kept, said


def test_where_the_champion_is_changed_meanwhile_it_is_decided_again_against_the_new_one(
    arena: Arena, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(arena.store, NAME)
    for _ in range(3):
        arena.enter(slice(0, 60), **KNOWN)
    promote(registry, "1")
    deciding = Deciding("promoted", "recipe", lambda: promote(registry, "2"))
    version, _, said = promoted(arena, "3", deciding, monkeypatch)
    assert deciding.champions == ["1", "2"]
    assert said == ["the champion was changed meanwhile: deciding again"]
    assert loads == ["3", "3"]  # answered before each attempt, once
    assert version.current_stage == "Production"
    assert stages(registry) == {"1": "Archived", "2": "Archived", "3": "Production"}
    assert registry.version("3").tags["recipeline.held_against"] == "2"
    entry = registry.ledger.read().changes[-1]
    assert (entry.kind, entry.before, entry.after, entry.reason) == ("promote", "2", "3", "recipe: so it is")


def test_a_version_that_is_kept_leaves_all_as_it_is_and_the_champion_must_be_whole(
    arena: Arena, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(arena.store, NAME)
    for _ in range(2):
        arena.enter(slice(0, 60), **KNOWN)
    promote(registry, "1")
    version, _, said = promoted(arena, "2", Deciding("kept", "recipe"), monkeypatch)
    assert (stages(registry)["1"], version.current_stage, said, loads) == ("Production", "Staging", [], ["1"])
    tags = registry.version("2").tags
    assert (tags["recipeline.gate_passed"], tags["recipeline.held_against"]) == ("false", "1")
    monkeypatch.setattr(promoting, "require_champion", lambda *_: (_ for _ in ()).throw(UnavailableError("It is gone.")))
    with pytest.raises(UnavailableError, match="It is gone"):
        promoted(arena, "2", Deciding("kept", "recipe"), monkeypatch)


@pytest.mark.parametrize(("outcome", "rule"), [("kept", "policy-never"), ("promoted", "forced"), ("kept", "same-version")])
def test_what_was_not_held_against_the_champion_says_nothing_of_it(
    arena: Arena, monkeypatch: pytest.MonkeyPatch, outcome: str, rule: str
) -> None:
    registry = Registry(arena.store, NAME)
    arena.enter(slice(0, 60), **KNOWN)
    promoted(arena, "1", Deciding(outcome, rule), monkeypatch)
    assert "recipeline.gate_run_id" not in registry.version("1").tags
    assert [entry.kind for entry in registry.ledger.read().changes] == (["forced"] if outcome == "promoted" else [])
