"""The promotion gate on generated rows, where the truth is known.

Measured are how often it errs, and how large a gain it sees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import classes, clusters
from benchmarks.calibration import Share, effect_of, false_promotions, power, simulate
from benchmarks.worlds import RIGHT, WRONG
from recipeline.inference.asking import ask_model
from recipeline.metrics.skill import skill_score

SOME, MANY = 24, 200


@pytest.mark.full
def test_of_24_challengers_that_are_no_better_at_most_three_are_promoted() -> None:
    found = false_promotions(SOME)
    assert found.corrected.of == found.nominal.of == SOME
    assert found.corrected.hits <= 3
    assert found.nominal.hits >= found.corrected.hits


def test_the_same_seed_gives_the_same_outcome() -> None:
    assert simulate(3, gain=0.04) == simulate(3, gain=0.04)


def test_a_feature_is_worth_what_it_was_made_to_be() -> None:
    effect = effect_of(0.02) ** 2
    explained, variance = 10 * effect, 10 * effect + 1
    assert explained / variance - (explained - effect) / variance == pytest.approx(0.02)


def test_the_upper_limit_of_none_of_n_is_the_one_of_the_textbooks() -> None:
    """At the limit p none in n has a probability of 5 %: (1 - p)^n."""
    assert Share(0, MANY).upper == pytest.approx(1 - 0.05 ** (1 / MANY))
    assert Share(MANY, MANY).upper == 1


@pytest.mark.full
def test_the_gate_seldom_promotes_an_equal_and_sees_a_larger_gain_more_often() -> None:
    found = false_promotions(MANY)
    small, large = power(MANY, gain=0.02), power(MANY, gain=0.04)
    assert found.corrected.upper <= 0.10
    assert found.corrected.hits < small.hits < large.hits


@pytest.mark.parametrize(
    "world",
    [
        *(pytest.param(it, marks=pytest.mark.full) if it.endswith("at one champion") else it for it in WRONG),
        "400 rows, better by 0.04",
    ],
)
def test_what_was_tried_before_can_only_keep_a_challenger_out(world: str) -> None:
    verdicts = [(WRONG | RIGHT)[world](seed) for seed in range(2)]
    assert all(it.uncounted or not it.counted for it in verdicts)
    assert verdicts[0] == (WRONG | RIGHT)[world](0)


@pytest.mark.full
@pytest.mark.parametrize("world", WRONG)
def test_in_no_world_is_a_wrong_promotion_likelier_than_one_in_ten(world: str) -> None:
    hits = sum(WRONG[world](seed).counted for seed in range(100))
    assert hits <= 10


def test_few_clusters_fool_a_gate_that_deals_their_rows_and_not_one_that_keeps_them_together() -> None:
    simulate_one = clusters.WRONG["20 clusters, best of 9 equals"]
    verdicts = [simulate_one(seed) for seed in range(5)]
    assert not any(it.kept for it in verdicts)
    assert any(it.torn for it in verdicts)
    assert verdicts[0] == simulate_one(0)


def test_a_large_gain_is_seen_in_few_clusters() -> None:
    assert sum(clusters.better(20, 0.2)(seed).kept for seed in range(6)) >= 3


@pytest.mark.full
def test_in_a_world_of_20_clusters_a_wrong_promotion_is_not_likelier_than_one_in_ten() -> None:
    simulate_one = clusters.WRONG["20 clusters, best of 9 equals"]
    found = Share(sum(simulate_one(seed).kept for seed in range(MANY)), MANY)
    assert found.hits <= 0.05 * MANY
    assert found.upper <= 0.10


@pytest.mark.parametrize("name", classes.WORLDS)
def test_the_gain_of_a_world_of_labels_is_what_it_is_said_to_be(name: str) -> None:
    world = classes.WORLDS[name]
    table, labels, _ = world.draw(np.random.default_rng(1), world.extra, 100_000)
    seen, target = np.arange(len(table)) < len(table) // 2, world.codes.encode(labels)

    def skill(features: pd.DataFrame) -> float:
        model = classes.new_model().fit(features[seen], labels[seen])
        return skill_score(target[~seen], ask_model(model, features[~seen], world.codes))

    assert skill(table) - skill(table.drop(columns=0)) == pytest.approx(world.gain, rel=0.1)


def test_a_rare_label_is_rare_and_clusters_are_of_20_rows() -> None:
    _, labels, _ = classes.WORLDS["two labels, 3 % positive"].draw(np.random.default_rng(0), rows=40_000)
    assert labels.mean() == pytest.approx(0.027, abs=0.005)
    _, _, cluster = classes.WORLDS["60 clusters of 20 rows"].draw(np.random.default_rng(0))
    assert np.bincount(cluster).tolist() == [classes.SIZE] * 60


def test_labels_fool_the_gate_as_seldom_as_numbers_and_a_gain_is_seen() -> None:
    equal, better = next(iter(classes.WRONG.values())), next(iter(classes.RIGHT.values()))
    assert sum(equal(seed).kept for seed in range(3)) <= 1
    assert sum(better(seed).kept for seed in range(4)) >= 2
    assert equal(0) == equal(0)


@pytest.mark.full
@pytest.mark.parametrize("world", classes.WRONG)
def test_in_no_world_of_labels_is_a_wrong_promotion_likelier_than_one_in_ten(world: str) -> None:
    found = Share(sum(classes.WRONG[world](seed).kept for seed in range(MANY)), MANY)
    assert found.hits <= 0.05 * MANY
    assert found.upper <= 0.10


@pytest.mark.full
@pytest.mark.parametrize("world", classes.RIGHT)
def test_in_every_world_of_labels_a_gain_of_its_size_is_promoted_more_often_than_not(world: str) -> None:
    assert sum(classes.RIGHT[world](seed).kept for seed in range(60)) >= 30
