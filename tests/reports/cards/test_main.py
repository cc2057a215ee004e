from __future__ import annotations

import re

import pytest

from recipeline.orchestration.step import ALWAYS
from recipeline.reports.cards.main import ChainSummary, StepSummary, make_card
from tests.reports.cards.helpers import facts, notes, table
from tests.reports.helpers import STEPS, Chains, text_of

pytestmark = pytest.mark.xdist_group("cards")


def test_the_index_leads_to_the_card_of_every_step(chains: Chains) -> None:
    for chain, steps in (("promoted", STEPS[:-1]), ("kept", STEPS[:-1]), ("rejected", STEPS[:-2])):
        index = chains.cards[chain, "main"]
        links = re.findall(r'<a href="([^"]+)">The card of (\w+)</a>', index.read_text(encoding="utf-8"))
        assert [step for _, step in links] == list(steps)
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
    return StepSummary(step, "0123", reused, why, 0.0, 1.25, "ok", f"../{step}/card.html")


def test_a_chain_without_a_step_or_a_verdict_says_so() -> None:
    card = make_card(ChainSummary("small", "local", {}, []))
    assert (card.verdict, card.tone) == ("The chain ended without a verdict.", "warning")
    assert notes(card) == ["No step was run."]
    assert facts(card)["Rows from"] == "unknown"


def test_what_went_wrong_is_the_verdict_and_what_could_not_be_drawn_a_warning() -> None:
    card = make_card(ChainSummary("small", "local", {}, [leg("ingest")], error="No rows.", warnings=["split: no ink"]))
    assert (card.verdict, card.tone) == ("The chain failed: No rows.", "bad")
    assert notes(card) == ["split: no ink"]


def test_a_chain_that_reused_all_that_can_be_has_no_timeline() -> None:
    reused = make_card(ChainSummary("small", "local", {}, [leg("ingest", reused=True), leg("promote", why=ALWAYS)]))
    assert table(reused, "The steps")[0]["outcome"] == "reused"
    ran = make_card(ChainSummary("small", "local", {}, [leg("ingest")]))
    assert table(ran, "The steps") == [{"step": "ingest", "seconds": 1.2}]
