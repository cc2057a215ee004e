from __future__ import annotations

import pytest

from recipeline.config.profile import Service as Settings
from recipeline.serving.model.loading import ServedModel
from recipeline.serving.prometheus import Metrics
from recipeline.serving.state import Service


def new(*tokens: str, concurrency: int = 1) -> Service:
    return Service("Toy", Settings(concurrency=concurrency), Metrics(), tokens)


def test_before_the_registry_was_asked_nothing_is_said_of_production() -> None:
    state = new().state()
    assert state["registry"] == {"answers": False, "error": "not asked yet"}
    assert "Production" not in state["advice"]


def test_where_nothing_is_in_production_it_says_what_makes_something() -> None:
    service = new()
    service.find_registry()
    assert service.state() == {
        "status": "not ready",
        "served": None,
        "wanted": None,
        "refused": None,
        "registry": {"answers": True, "error": None},
        "advice": "No version of Toy is in Production: make pipeline",
    }


def test_there_are_as_many_places_as_the_profile_says_and_each_is_given_back() -> None:
    service = new(concurrency=2)
    assert [service.enter() for _ in range(3)] == [True, True, False]
    service.leave()
    assert service.enter()
    assert not service.enter()


@pytest.mark.parametrize(
    ("given", "may"), [("Bearer one", True), ("bearer two", True), ("two", False), ("Bearer three", False), ("", False)]
)
def test_any_of_the_tokens_opens_it_and_nothing_else_does(given: str, may: bool) -> None:
    assert new("one", "two").admits(given) is may
    assert new().admits(given)


def test_no_token_is_shown_in_what_it_prints_of_itself() -> None:
    assert "secret" not in repr(new("secret"))


def test_a_refused_version_is_told_with_its_reason_and_what_to_do() -> None:
    service = new()
    service.find_registry()
    service.refuse("2", "Its file must be whole.")
    state = service.state()
    assert (state["wanted"], state["refused"]) == ("2", {"version": "2", "reason": "Its file must be whole."})
    assert "make rollback" in state["advice"]
    assert b"model_stale 1.0" in service.metrics.expose()


def test_a_refused_version_that_is_wanted_no_more_is_told_no_more(model: ServedModel) -> None:
    service = new()
    service.find_registry()
    service.refuse("2", "broken")
    service.vacate()
    state = service.state()
    assert (state["wanted"], state["refused"]) == (None, None)
    assert state["advice"] == "No version of Toy is in Production: make pipeline"
    service.serve(model)
    service.refuse("9", "broken")
    service.vacate()
    state = service.state()
    assert (state["status"], state["wanted"], state["refused"]) == ("ready", model.version, None)
    assert b"model_stale 0.0" in service.metrics.expose()


def test_the_registry_is_away_in_the_metrics_from_a_failure_until_the_next_answer() -> None:
    service = new()
    assert b"registry_away 0.0" in service.metrics.expose()
    service.lose_registry("no answer")
    assert b"registry_away 1.0" in service.metrics.expose()
    service.find_registry()
    assert b"registry_away 0.0" in service.metrics.expose()


def test_since_when_the_registry_is_away_is_kept_until_it_answers() -> None:
    service = new()
    service.lose_registry("no answer")
    since = service.registry_away_since
    service.lose_registry("still none")
    assert service.registry_away_since == since > 0
    assert service.state()["registry"] == {"answers": False, "error": "still none"}
    service.find_registry()
    assert (service.state()["registry"]["answers"], service.registry_away_since) == (True, 0.0)


def test_a_served_version_is_ready_until_the_service_is_about_to_end(model: ServedModel) -> None:
    service = new()
    service.refuse("9", "broken")
    service.serve(model)
    state = service.state()
    assert (state["status"], state["served"], state["refused"]) == ("ready", model.identity, None)
    assert b"model_stale 0.0" in service.metrics.expose()
    service.draining = lambda: True
    assert service.state()["status"] == "draining"
