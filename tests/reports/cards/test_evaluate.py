from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from recipeline.artifacts import DIAGNOSIS, LEADERBOARD, METRICS, TEST_PREDICTIONS, VERDICT, Artifact
from recipeline.records import to_plain
from recipeline.reports.blocks import Card, Plot
from recipeline.reports.cards.evaluate import _axis, ask_gates, make_card
from recipeline.reports.tasks.base import label_of
from tests.conftest import as_recipe, small_recipe
from tests.reports.cards.helpers import Saved, facts, notes, table, titles
from tests.reports.evaluated import card_of_evaluate
from tests.reports.helpers import Chains

pytestmark = pytest.mark.xdist_group("cards")


def card(chains: Chains, chain: str = "promoted", **changes: Any) -> Card:
    """Return the card of what a chain has saved, its metrics changed."""

    def read(artifact: Artifact[Any]) -> Any:
        step = chains.cards.get((chain, artifact.step)) or chains.cards["promoted", artifact.step]
        return artifact.read(step.parent / artifact.name)

    found = {artifact: read(artifact) for artifact in (DIAGNOSIS, LEADERBOARD, METRICS, TEST_PREDICTIONS, VERDICT)}
    return make_card(Saved(found | {METRICS: to_plain(found[METRICS]) | changes}))


def test_what_passes_the_gates_is_good_and_what_fails_one_is_told_by_its_name(chains: Chains) -> None:
    assert card(chains).tone == "good"
    assert notes(card(chains)) == []
    rejected = card(chains, "rejected")
    assert rejected.tone == "bad"
    assert any("mae" in note for note in notes(rejected))
    assert [row["passed"] for row in table(rejected, "Gates")].count(False) == 1


def axes_of_scores(found: Card) -> list[tuple[str, list[str]]]:
    """Return the name of each axis of the plot of scores, and the metrics on it."""
    (plot,) = (it for section in found.sections for it in section.blocks if isinstance(it, Plot) and it.name == "scores")
    figure = plot.draw()
    return [(axes.get_xlabel(), [text.get_text() for text in axes.texts if ":" not in text.get_text()]) for axes in figure.axes]


def test_metrics_share_an_axis_only_with_those_of_their_unit(chains: Chains) -> None:
    (skill, of_one), (unit, errors) = axes_of_scores(card(chains))
    assert (skill, unit) == ("1 is perfect", label_of(as_recipe(small_recipe())))
    assert [text.split()[0] for text in of_one + errors] == ["R2", "RMSE", "MAE"]
    (skill, of_one), (loss, [entropy]) = axes_of_scores(card_of_evaluate("two labels"))
    assert (skill, loss) == ("1 is perfect", "log loss (0 is perfect)")
    assert len(of_one) == 10
    assert entropy.startswith("log loss")
    recipe = as_recipe(small_recipe())
    assert _axis("regression", "rmsle", "RMSLE", recipe) == "RMSLE (0 is perfect)"
    assert _axis("regression", "pinball_0.9", "pinball loss at 0.9", recipe) == label_of(recipe)
    assert _axis("regression", "one_of_their_own", "one of their own", recipe) == "one of their own"


def test_the_picture_of_the_gates_says_whether_they_pass(chains: Chains) -> None:
    for chain, answer in (("promoted", "pass the gates? All "), ("rejected", "pass the gates? 1 of ")):
        sections = card(chains, chain).sections
        (plot,) = (it for section in sections for it in section.blocks if isinstance(it, Plot) and it.name == "scores")
        assert answer in " ".join(plot.draw().texts[0].get_text().split())


@pytest.mark.parametrize(
    ("passed", "answer"),
    [
        ([], ""),
        ([True], "Does A pass the gate? Yes"),
        ([False], "Does A pass the gate? No"),
        ([True, True], "Does A pass the gates? All 2 pass"),
        ([True, False], "Does A pass the gates? 1 of 2 fails"),
        ([False, False, True], "Does A pass the gates? 2 of 3 fail"),
    ],
)
def test_the_question_of_the_gates_is_about_as_many_as_there_are(passed: list[bool], answer: str) -> None:
    assert ask_gates("A", passed) == answer


def test_the_best_candidate_is_measured_against_the_mean(chains: Chains) -> None:
    found = facts(card(chains))
    assert found["RMSE"] < found["RMSE of the mean predictor"]
    assert found["Share within 0.5"] < found["Share within 1"]


def test_what_copies_are_worth_is_a_part_of_its_own_where_the_split_leaks(chains: Chains) -> None:
    title = "Effect of twins"
    names = ["DecisionTree", "ElasticNet", "LinearRegression"]
    leaks = {"leaked_rows": 7, "r2_with_twin": dict.fromkeys(names, 0.9), "r2_without_twin": dict.fromkeys(names, 0.3)}
    assert title not in titles(card(chains, leaks=None))
    leaking = card(chains, leaks=leaks)
    assert {row["R2 without"] for row in table(leaking, title)} == {0.3}
    assert any(note.startswith("7 test rows have a twin") for note in notes(leaking))


def test_a_candidate_is_quoted_for_a_random_split_only_where_that_was_scored(chains: Chains) -> None:
    title = "All candidates on the test rows"
    assert "R2, random split" not in table(card(chains, random_split_r2=None), title)[0]
    names = [row["candidate"] for row in table(card(chains), title)]
    quoted = card(chains, random_split_r2=dict.fromkeys(names, 0.5))
    assert pd.Series([row["R2, random split"] for row in table(quoted, title)]).eq(0.5).all()
