from __future__ import annotations

import re

import pytest

from recipeline.artifacts import METRICS
from recipeline.evaluation.results import RegisteredVersion
from recipeline.orchestration.step import ALWAYS
from recipeline.promotion.results import RecordedDecision
from recipeline.reports.cards.main import ChainSummary, StepSummary, make_card
from recipeline.reports.page import quote
from tests.records import some
from tests.reports.cards.helpers import facts, notes, table
from tests.reports.helpers import STEPS, Chains, text_of

pytestmark = pytest.mark.xdist_group("cards")


def test_the_index_leads_to_the_card_of_every_step_once(chains: Chains) -> None:
    for chain, steps in (("promoted", STEPS[:-1]), ("kept", STEPS[:-1]), ("rejected", STEPS[:-2]), ("failed", STEPS[:1])):
        index = chains.cards[chain, "main"]
        links = re.findall(r'<a href="([^"#]+/card\.html)"[^>]*>(\w+)</a>', index.read_text(encoding="utf-8"))
        assert [step for _, step in links if step != "main"] == list(steps)
        for href, step in links:
            assert f"<title>{step}" in (index.parent / href).read_text(encoding="utf-8")


def test_the_index_tells_what_became_of_the_chain(chains: Chains) -> None:
    assert "was promoted: " in text_of(chains, "promoted", "main")
    assert "was kept: " in text_of(chains, "kept", "main")
    assert "fails a gate of the recipe and was not registered." in text_of(chains, "rejected", "main")
    assert "The rows are SYNTHETIC" in text_of(chains, "synthetic", "main")
    assert "The chain failed: " in text_of(chains, "failed", "main")


def test_the_index_tells_what_is_different_from_the_last_run(chains: Chains) -> None:
    assert "Since the last run" not in text_of(chains, "promoted", "main")
    kept = text_of(chains, "kept", "main")
    assert "Since the last run" in kept
    assert "train: candidates.LinearRegression removed" in kept


def test_the_index_says_what_was_reused_and_why_the_rest_was_not(chains: Chains) -> None:
    kept = text_of(chains, "kept", "main")
    assert kept.count("<td>reused</td>") == 2
    assert "candidates.LinearRegression removed" in kept
    assert "not run before" in text_of(chains, "promoted", "main")


def test_the_chain_prints_where_its_card_is(chains: Chains) -> None:
    assert f"The card: {chains.cards['promoted', 'main']}" in chains.outcomes["promoted"].stdout


def leg(step: str, *, reused: bool = False, why: str = "not run before") -> StepSummary:
    return StepSummary(step, "0123", reused, why, 0.0, 1.25, "ok")


def test_a_chain_without_a_step_or_a_verdict_says_so() -> None:
    card = make_card(ChainSummary("small", "local", {}, []))
    assert (card.verdict, card.tone) == ("The chain ended without a verdict.", "warning")
    assert notes(card) == ["No step was run."]
    assert facts(card)["Rows from"] == "unknown"


def test_what_went_wrong_is_the_verdict_and_what_could_not_be_drawn_a_warning() -> None:
    card = make_card(ChainSummary("small", "local", {}, [leg("ingest")], error="No rows.", warnings=["split: no ink"]))
    assert (card.verdict, card.tone) == ("The chain failed: No rows.", "bad")
    assert notes(card) == ["split: no ink"]


def test_the_steps_are_a_table_with_their_seconds_and_the_chain_has_a_date_and_a_duration() -> None:
    steps = [leg("ingest", reused=True), StepSummary("promote", "45", False, ALWAYS, 2.0, 3.5, "kept")]
    card = make_card(ChainSummary("small", "local", {}, steps, started=1_800_000_000.0))
    assert [(row["step"], row["outcome"], row["seconds"]) for row in table(card, "The steps")] == [
        ("ingest", "reused", 1.2),
        ("promote", "kept", 3.5),
    ]
    assert (facts(card)["Started"], facts(card)["Duration"]) == ("2027-01-15 08:00 UTC", "5.5 s")


@pytest.mark.parametrize(("source", "tone"), [("file", "good"), ("synthetic", "plain")])
def test_what_synthetic_rows_promote_is_no_success(source: str, tone: str) -> None:
    version = some(RegisteredVersion, {"version": "1", "candidate": "A"})
    decision = some(RecordedDecision, {"outcome": "promoted", "rule": "first", "reason": "it is better", "passed": True})
    card = make_card(ChainSummary("small", "local", {"source": source}, [], version=version, decision=decision))
    assert card.tone == tone
    assert card.verdict == "Version 1 (A) was promoted: it is better."


def test_the_story_is_told_in_the_pictures_of_the_steps_as_they_are_there(chains: Chains) -> None:
    told = {"train": ["leaderboard"], "evaluate": ["scores", "predicted_vs_true"], "promote": ["gain"]}
    page = text_of(chains, "promoted", "main")
    found = re.findall(r'<figure data-plot="(\w+)">.*?</figure>', page, flags=re.DOTALL)
    assert found == ["gain", "leaderboard", "scores", "predicted_vs_true"]
    for step, names in told.items():
        for name in names:
            quoted = quote(text_of(chains, "promoted", step), name)
            assert quoted is not None
            assert quoted.figure in page
            assert "<svg" in quoted.figure
            assert "The values" in quoted.figure
    rejected = text_of(chains, "rejected", "main")
    assert re.findall(r'data-plot="(\w+)"', rejected)[:3] == ["leaderboard", "scores", "predicted_vs_true"]


def test_a_chain_whose_cards_cannot_be_read_has_its_tables(chains: Chains) -> None:
    metrics = METRICS.read(chains.cards["promoted", "evaluate"].with_name(METRICS.name))
    card = make_card(ChainSummary("small", "local", {}, [leg("evaluate")], metrics=metrics, pages={"train": "no figure"}))
    assert {row["candidate"] for row in table(card, "The candidates")} == set(metrics.candidates)
    assert "The best candidate on the test rows" not in [section.title for section in card.sections]


def test_a_decision_without_a_measurement_says_why_in_the_place_of_its_picture() -> None:
    version = some(RegisteredVersion, {"version": "1", "candidate": "A"})
    decision = some(RecordedDecision, {"outcome": "kept", "rule": "policy-never", "reason": "the policy is never"})
    card = make_card(ChainSummary("small", "local", {}, [], version=version, decision=decision))
    assert "Nothing was measured: the policy is never." in notes(card)


def test_what_changed_since_the_last_run_has_a_picture_with_directions(chains: Chains) -> None:
    page = text_of(chains, "kept", "main")
    assert 'data-plot="changes"' in page
    assert {"better", "worse"} & set(re.findall(r"<td>(better|worse)</td>", page))
