from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from recipeline.config.profile import Policy
from recipeline.engine.local import LocalWorkers
from recipeline.promotion.gate import Contender, Decision
from recipeline.registry.decision import as_contender, decide, name_of
from recipeline.registry.versions import Registry
from recipeline.tracking.connection.store import Store
from tests.registry.helpers import ANN, NAME, Arena, register
from tests.toys import log_toy


def with_tags(**tags: str) -> ModelVersion:
    return ModelVersion(NAME, "7", 0, tags=[ModelVersionTag(f"recipeline.{name}", value) for name, value in tags.items()])


def test_a_version_without_tags_is_a_contender_of_which_nothing_is_known() -> None:
    assert as_contender(ModelVersion(NAME, "7", 0)) == Contender(
        version="7", verdict="unknown", data_source="unknown", split_method="unknown"
    )


def test_a_contender_is_what_the_tags_of_its_version_say() -> None:
    version = with_tags(
        verdict="VALIDATED",
        data_source="synthetic",
        split_method="random",
        recipe_digest="abc",
        training_rows="def",
        environment_digest="123",
        withdrawn="by ann",
    )
    contender = as_contender(version)
    assert contender == Contender("7", "VALIDATED", "synthetic", "random", "abc", "def", "123", "by ann")
    assert contender.is_synthetic


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("verdict", "verdict"),
        ("data_source", "data_source"),
        ("split_method", "split_method"),
        ("recipe_digest", "recipe"),
        ("training_rows", "training_rows"),
        ("environment_digest", "environment"),
        ("withdrawn", "withdrawn"),
    ],
)
def test_each_tag_is_read_by_itself(tag: str, name: str) -> None:
    assert as_contender(with_tags(**{tag: "x"})) == replace(as_contender(with_tags()), **{name: "x"})


def test_the_number_of_a_contender_is_text_also_where_a_registry_says_a_number(store: Store) -> None:
    run, model_id = log_toy(store)
    assert as_contender(register(store, model_id, run.id)).version == "1"
    assert as_contender(ModelVersion(NAME, 7, 0)).version == "7"


KNOWN = {"verdict": "VALIDATED", "data_source": "uci", "split_method": "grouped"}


def decided(
    arena: Arena, challenger: ModelVersion, champion: ModelVersion | None, model: Any, policy: Policy = "auto"
) -> tuple[Decision, list[str]]:
    """Return the decision and what was said; None: no model is asked for."""
    said: list[str] = []

    def load() -> Any:
        assert model is not None
        return model

    found = decide(
        challenger,
        champion,
        policy,
        run=arena.run,
        recipe=arena.recipe,
        workers=LocalWorkers(1),
        registry=Registry(arena.store, NAME),
        changed_by=ANN,
        load=load,
        say=said.append,
        advance=lambda *_: None,
    )
    return found, said


def test_a_rule_that_needs_no_evidence_loads_and_measures_nothing(arena: Arena) -> None:
    challenger, _ = arena.enter(slice(0, 60), **KNOWN)
    decision, said = decided(arena, challenger, None, None, "never")
    assert (decision.outcome, decision.rule, said) == ("kept", "policy-never", [])


def test_what_was_measured_is_kept_in_the_decision_and_on_the_version_and_each_other_version_was_an_attempt(
    arena: Arena,
) -> None:
    champion, _ = arena.enter(slice(0, 60), ("b",), recipe_digest="b", **KNOWN)
    for attempt in (1, 2):
        challenger, model = arena.enter(slice(0, 60), recipe_digest=f"ab{attempt}", **KNOWN)
        decision, (words,) = decided(arena, challenger, champion, model)
        assert words == f"measuring version {challenger.version} against version 1 on the same folds"
        assert (decision.evidence.champion, decision.evidence.attempt) == ("1", attempt)
        tags = Registry(arena.store, NAME).version(str(challenger.version)).tags
        assert tags["recipeline.gate_rule"] == "recipe"
        assert float(tags["recipeline.gate_gain"]) == decision.evidence.gain > 0.5


def test_a_champion_that_does_not_take_the_rows_stays(arena: Arena) -> None:
    arena.table["c"] = arena.table["a"]
    champion, _ = arena.enter(slice(0, 60), ("c",), recipe_digest="c", **KNOWN)
    challenger, model = arena.enter(slice(0, 60), recipe_digest="ab", **KNOWN)
    decision, _ = decided(arena, challenger, champion, model)
    assert (decision.outcome, decision.rule, decision.passed) == ("kept", "not-comparable", False)
    assert "no column 'c'" in decision.reason


def test_what_a_challenger_is_held_against_has_a_name() -> None:
    assert name_of(ModelVersion(NAME, "7", 0)) == "7"
    assert name_of(None) == "mean predictor"
