from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.evaluation.results import Metrics
from recipeline.reports.blocks import Plot, Table
from recipeline.reports.cards.compare import Comparison, Side, list_changes, make_card
from tests.records import some
from tests.reports.cards.helpers import notes, table
from tests.reports.helpers import Chains, card_of, text_of

pytestmark = pytest.mark.xdist_group("cards")


def test_compare_names_what_differs_between_two_versions(chains: Chains) -> None:
    outcome = chains.outcomes["compare"]
    assert "train: candidates.LinearRegression removed" in outcome.stdout
    assert str(chains.cards["compare", "compare"]) in outcome.stdout
    assert "version 1 against version 2" in text_of(chains, "compare", "compare")


def test_compare_without_words_takes_the_last_two_chains_and_warns_of_other_test_rows(chains: Chains) -> None:
    outcome = chains.project.ok("compare")
    assert "The test rows differ: the metrics cannot be compared." in outcome.stdout
    assert "The test rows differ" in card_of(chains.project, outcome.run_id).read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["99", "f" * 32, "no such run"])
def test_compare_of_what_is_not_there_is_one_sentence(chains: Chains, word: str) -> None:
    outcome = chains.project.run("compare", before=word)
    assert outcome.exit_code == 6
    assert "Traceback" not in outcome.stderr
    assert word in outcome.stderr


def test_compare_of_a_run_that_came_to_no_evaluation_says_which_it_needs(chains: Chains) -> None:
    ingest = chains.project.first("ingest").info.run_id
    outcome = chains.project.run("compare", before=ingest)
    assert outcome.exit_code == 6
    assert "must be a version, or the ID of a run with an evaluation" in outcome.stderr


def side(name: str, r2: float, rows: str = "abc") -> Side:
    scores = {"r2": r2, "rmse": 0.6, "mae": 0.5, "cv_mean_score": r2}
    best = {"candidate": name}
    metrics = {"best": best, "candidates": {name: scores, "Tree": scores}, "test_rows": 80}
    return Side(f"version {name}", "0123", some(Metrics, metrics), "VALIDATED", "uci", rows)


def test_two_results_are_told_by_their_best_candidates_and_the_gain() -> None:
    card = make_card(Comparison(side("A", 0.3), side("B", 0.35), ["train: cv.folds 5 → 3"]))
    assert card.verdict == "Test R2 0.3000 → 0.3500 (+0.0500), A → B."
    (row,) = table(card, "The candidates")
    assert row["candidate"] == "Tree"
    assert notes(card) == []


@given(st.floats(-1, 1), st.floats(-1, 1), st.booleans())
def test_metrics_are_subtracted_only_where_they_are_of_the_same_rows(old: float, new: float, is_same: bool) -> None:
    card = make_card(Comparison(side("A", old), side("B", new, "abc" if is_same else "def"), []))
    (section,) = (it for it in card.sections if it.title == "The best candidates")
    (shown,) = (it for it in section.blocks if isinstance(it, Table))
    rows = {str(row[0]): row for row in shown.rows}
    for name in ("test R2", "CV R2 mean"):
        _, before, after, difference, word = rows[name]
        assert (before, after) == (old, new)
        assert difference == (new - old if is_same else None)
        assert word == (("better" if new > old else "worse" if new < old else "the same") if is_same else "other rows")
    is_drawn = any(isinstance(it, Plot) for it in section.blocks)
    assert is_drawn == (is_same and old != new)
    assert (f"({new - old:+.4f})" in card.verdict) == is_same
    assert ("The candidates" in [it.title for it in card.sections]) == is_same


def test_a_smaller_error_is_better() -> None:
    before, after = side("A", 0.3), side("A", 0.3)
    scores = after.metrics.scores | {"mae": 0.4, "rmse": 0.7}
    changed = replace(after, metrics=replace(after.metrics, candidates={**after.metrics.candidates, "A": scores}))
    found = {it.name: it.word for it in list_changes(Comparison(before, changed, []))}
    assert found == {"test R2": "the same", "test MAE": "better", "test RMSE": "worse", "CV R2 mean": "the same"}


def test_figures_of_other_rows_do_not_compare_and_what_is_alike_in_everything_is_said_to_be() -> None:
    other, alike = notes(make_card(Comparison(side("A", 0.3), side("A", 0.3, "def"), [])))
    assert other.startswith("The test rows differ")
    assert alike.startswith("No recorded differences")
    unchanged, _ = notes(make_card(Comparison(side("A", 0.3), side("A", 0.3), [])))
    assert unchanged == "No metric of the best candidate changed."
