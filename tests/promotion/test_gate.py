from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipeline.config.profile import Policy
from recipeline.config.rules import Promotion
from recipeline.promotion.gain import Gain
from recipeline.promotion.gate import Contender, Decision, Rule, choose_rule, corrected_level, describe_rail, judge
from recipeline.promotion.guard_rails import Rail
from recipeline.promotion.results import Evidence
from recipeline.records import read_record, to_plain
from tests.promotion.helpers import GAIN

NEW = Contender("2", data_source="uci", recipe="forest", training_rows="all", environment="here")
OLD = replace(NEW, version="1", recipe="linear")
SAME, AGAIN = replace(NEW, version="1"), replace(NEW, version="1", training_rows="fewer")
MADE_UP_NEW, MADE_UP_OLD = replace(NEW, data_source="synthetic"), replace(OLD, data_source="synthetic")
REJECTED, WITHDRAWN, RANDOM = (
    replace(NEW, verdict="REJECTED"),
    replace(NEW, withdrawn="by ann"),
    replace(NEW, split_method="random"),
)

SETTINGS = Promotion(min_gain=0.01, margin=0.03, min_rows=100)
HOLDS, BROKEN = Rail("MAE", 0.0, 0.02, passed=True), Rail("MAE", 0.04, 0.02, passed=False)
TINY = np.nextafter(0, 1)

policies = st.sampled_from(get_args(Policy))
rules = st.sampled_from(get_args(Rule))
contenders = st.builds(
    Contender,
    version=st.sampled_from(["1", "2"]),
    verdict=st.sampled_from(["VALIDATED", "REJECTED", "unknown"]),
    data_source=st.sampled_from(["uci", "file", "synthetic", "unknown"]),
    split_method=st.sampled_from(["grouped", "random", "unknown"]),
    recipe=st.sampled_from(["", "forest", "linear"]),
    training_rows=st.sampled_from(["", "all", "fewer"]),
    environment=st.sampled_from(["", "here", "there"]),
    withdrawn=st.sampled_from(["", "by ann"]),
)
numbers = st.floats(-1, 1)
gains = st.builds(replace, st.just(GAIN), gain=numbers, lower=numbers, distinct_rows=st.integers(2, 500))
rails = st.lists(st.sampled_from([HOLDS, BROKEN]), max_size=3)


def found(challenger: Contender, champion: Contender | None, policy: Policy) -> tuple[str, str]:
    """Return the outcome and the rule; `measured` where the evidence decides."""
    decision = choose_rule(challenger, champion, policy)
    return (decision.outcome, decision.rule) if isinstance(decision, Decision) else ("measured", decision)


def judged(rule: Rule, *, broken: int = 0, policy: Policy = "auto", settings: Promotion = SETTINGS, **changes: Any) -> Decision:
    gain = replace(GAIN, **changes)
    return judge(rule, gain, [HOLDS, *[BROKEN] * broken], settings, policy=policy, opponent="version 1")


# --- which rule -----------------------------------------------------------------------------------------------------------


# Each row meets the rule it names and, unless it is the last one, a later rule as well: the earlier one decides.
@pytest.mark.parametrize(
    ("challenger", "champion", "policy", "outcome", "rule"),
    [
        (replace(NEW, version="1"), OLD, "always", "kept", "same-version"),
        (replace(MADE_UP_NEW, version="1"), OLD, "auto", "kept", "same-version"),
        (replace(WITHDRAWN, version="1"), OLD, "never", "kept", "same-version"),
        (MADE_UP_NEW, OLD, "always", "kept", "synthetic-never-replaces-real"),
        (MADE_UP_NEW, OLD, "never", "kept", "synthetic-never-replaces-real"),
        (replace(MADE_UP_NEW, withdrawn="by ann"), OLD, "auto", "kept", "synthetic-never-replaces-real"),
        (replace(MADE_UP_NEW, verdict="REJECTED"), OLD, "manual", "kept", "synthetic-never-replaces-real"),
        (MADE_UP_NEW, SAME, "auto", "kept", "synthetic-never-replaces-real"),
        (REJECTED, OLD, "never", "kept", "policy-never"),
        (WITHDRAWN, OLD, "never", "kept", "policy-never"),
        (NEW, None, "never", "kept", "policy-never"),
        (NEW, MADE_UP_OLD, "never", "kept", "policy-never"),
        (REJECTED, OLD, "always", "promoted", "forced"),
        (WITHDRAWN, OLD, "always", "promoted", "forced"),
        (RANDOM, OLD, "always", "promoted", "forced"),
        (NEW, None, "always", "promoted", "forced"),
        (NEW, MADE_UP_OLD, "always", "promoted", "forced"),
        (NEW, SAME, "always", "promoted", "forced"),
        (replace(WITHDRAWN, verdict="REJECTED"), OLD, "auto", "kept", "withdrawn"),
        (WITHDRAWN, None, "auto", "kept", "withdrawn"),
        (WITHDRAWN, MADE_UP_OLD, "manual", "kept", "withdrawn"),
        (WITHDRAWN, SAME, "auto", "kept", "withdrawn"),
        (REJECTED, None, "auto", "kept", "not-validated"),
        (REJECTED, MADE_UP_OLD, "manual", "kept", "not-validated"),
        (replace(NEW, verdict="unknown"), SAME, "auto", "kept", "not-validated"),
        (RANDOM, None, "auto", "measured", "first"),
        (MADE_UP_NEW, None, "manual", "measured", "first"),
        (RANDOM, MADE_UP_OLD, "auto", "promoted", "first-real"),
        (NEW, replace(SAME, data_source="synthetic"), "auto", "promoted", "first-real"),
        (NEW, MADE_UP_OLD, "manual", "kept", "policy-manual"),
        (RANDOM, OLD, "auto", "kept", "random-never-replaces-grouped"),
        (RANDOM, SAME, "manual", "kept", "random-never-replaces-grouped"),
        (RANDOM, replace(OLD, split_method="unknown"), "auto", "kept", "random-never-replaces-grouped"),
        (NEW, OLD, "auto", "measured", "recipe"),
        (NEW, OLD, "manual", "measured", "recipe"),
        (NEW, replace(OLD, split_method="random"), "auto", "measured", "recipe"),
        (RANDOM, replace(OLD, split_method="random"), "auto", "measured", "recipe"),
        (MADE_UP_NEW, MADE_UP_OLD, "auto", "measured", "recipe"),
        (replace(NEW, recipe=""), replace(SAME, recipe=""), "auto", "measured", "recipe"),
        (NEW, SAME, "auto", "kept", "unchanged"),
        (NEW, SAME, "manual", "kept", "unchanged"),
        (NEW, AGAIN, "auto", "measured", "refresh"),
        (NEW, replace(SAME, environment="there"), "manual", "measured", "refresh"),
    ],
)
def test_the_first_rule_that_holds_decides(
    challenger: Contender, champion: Contender | None, policy: Policy, outcome: str, rule: str
) -> None:
    assert found(challenger, champion, policy) == (outcome, rule)


@given(contenders, contenders, policies)
def test_no_policy_lets_synthetic_rows_replace_real_ones(new: Contender, old: Contender, policy: Policy) -> None:
    new, old = replace(new, data_source="synthetic"), replace(old, data_source="uci")
    assert found(new, old, policy)[0] == "kept"


@given(contenders, st.none() | contenders)
def test_the_policy_never_promotes_nothing_and_measures_nothing(new: Contender, old: Contender | None) -> None:
    assert found(new, old, "never")[0] == "kept"


@given(contenders, st.none() | contenders)
def test_the_policy_manual_promotes_nothing_without_being_asked(new: Contender, old: Contender | None) -> None:
    assert found(new, old, "manual")[0] in ("kept", "measured")


@given(contenders, st.none() | contenders)
def test_the_policy_always_measures_nothing(new: Contender, old: Contender | None) -> None:
    assert found(new, old, "always")[0] in ("kept", "promoted")


@given(contenders, st.none() | contenders, st.sampled_from(["auto", "manual"]))
def test_without_force_what_is_rejected_or_withdrawn_is_passed_by(
    new: Contender, old: Contender | None, policy: Policy
) -> None:
    for each in (replace(new, verdict="REJECTED"), replace(new, withdrawn="by ann")):
        assert found(each, old, policy)[0] == "kept"


@given(contenders, st.none() | contenders)
def test_manual_and_auto_differ_only_where_something_is_promoted(new: Contender, old: Contender | None) -> None:
    auto, manual = choose_rule(new, old, "auto"), choose_rule(new, old, "manual")
    if isinstance(auto, Decision) and auto.promoted:
        assert isinstance(manual, Decision)
        assert (manual.outcome, manual.rule, manual.passed) == ("kept", "policy-manual", True)
    else:
        assert manual == auto


@given(contenders, st.none() | contenders, policies)
def test_what_is_decided_without_evidence_has_a_reason_and_passes_where_it_is_promoted(
    new: Contender, old: Contender | None, policy: Policy
) -> None:
    decision = choose_rule(new, old, policy)
    if isinstance(decision, Decision):
        assert decision.reason
        assert decision.passed or not decision.promoted
        assert read_record(Decision, json.loads(json.dumps(to_plain(decision), allow_nan=False))) == decision
    else:
        assert decision in get_args(Rule)


@pytest.mark.parametrize(
    ("challenger", "champion", "policy", "words"),
    [
        (replace(NEW, version="1"), OLD, "auto", "version 1 is in Production already"),
        (MADE_UP_NEW, OLD, "auto", "version 1 was trained on real rows, this one on synthetic ones"),
        (WITHDRAWN, OLD, "auto", "it was rolled back by ann; promote=always promotes it again"),
        (REJECTED, OLD, "auto", "its verdict is REJECTED"),
        (
            NEW,
            MADE_UP_OLD,
            "manual",
            "it was trained on real rows, version 1 on synthetic ones: it passes and awaits `approve`",
        ),
        (NEW, SAME, "auto", "it has the same recipe and the same rows as version 1"),
    ],
)
def test_the_reason_says_what_decided(challenger: Contender, champion: Contender, policy: Policy, words: str) -> None:
    decision = choose_rule(challenger, champion, policy)
    assert isinstance(decision, Decision)
    assert decision.reason == words


# --- how sure it must be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidates", "attempt", "level"), [(1, 1, 0.95), (5, 1, 0.99), (1, 2, 0.9875), (5, 2, 0.9975), (1, 10, 0.9995)]
)
def test_the_error_is_divided_by_the_candidates_and_by_the_square_of_the_attempts(
    candidates: int, attempt: int, level: float
) -> None:
    assert corrected_level(0.05, candidates=candidates, attempt=attempt) == pytest.approx(level)


@given(st.floats(0.001, 0.5), st.integers(1, 50), st.integers(1, 50))
def test_more_candidates_and_more_attempts_ask_for_more(alpha: float, candidates: int, attempt: int) -> None:
    level = corrected_level(alpha, candidates=candidates, attempt=attempt)
    assert 1 - alpha <= level < 1
    assert corrected_level(alpha, candidates=candidates + 1, attempt=attempt) > level
    assert corrected_level(alpha, candidates=candidates, attempt=attempt + 1) > level


def test_the_errors_of_any_number_of_attempts_add_up_to_less_than_twice_the_first_ones() -> None:
    errors = [1 - corrected_level(0.05, candidates=1, attempt=attempt) for attempt in range(1, 2000)]
    assert sum(errors) < 0.05 * np.pi**2 / 6


# --- by the evidence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["first", "recipe"])
@pytest.mark.parametrize(
    ("lower", "gain", "promoted"),
    [
        (0.02, 0.05, True),
        (TINY, 0.05, True),
        (0.0, 0.05, False),
        (-TINY, 0.05, False),
        (0.005, 0.01, True),
        (0.005, np.nextafter(0.01, 0), False),
        (-0.02, -0.01, False),
    ],
)
def test_another_recipe_must_gain_enough_and_for_sure(rule: Rule, lower: float, gain: float, promoted: bool) -> None:
    decision = judged(rule, lower=float(lower), gain=float(gain))
    assert (decision.promoted, decision.passed, decision.rule) == (promoted, promoted, rule)


@pytest.mark.parametrize(
    ("lower", "rows", "promoted"),
    [
        (0.02, 300, True),
        (-0.02, 300, True),
        (np.nextafter(-0.03, 0), 300, True),
        (-0.03, 300, False),
        (-0.5, 300, False),
        (0.02, 100, True),
        (0.02, 99, False),
        (-0.5, 99, False),
    ],
)
def test_the_same_recipe_must_not_be_worse_on_enough_rows(lower: float, rows: int, promoted: bool) -> None:
    decision = judged("refresh", lower=float(lower), gain=-0.01, distinct_rows=rows)
    assert (decision.promoted, decision.passed, decision.rule) == (promoted, promoted, "refresh")


@pytest.mark.parametrize("rule", ["first", "recipe"])
def test_few_rows_are_no_fault_of_another_recipe(rule: Rule) -> None:
    assert judged(rule, rows=50, distinct_rows=50).promoted


@pytest.mark.parametrize("rule", get_args(Rule))
def test_a_broken_guard_rail_alone_keeps_the_champion_and_is_the_rule(rule: Rule) -> None:
    decision = judged(rule, broken=1)
    assert (decision.outcome, decision.rule, decision.passed) == ("kept", "guard-rail", False)
    assert decision.reason.endswith(": MAE +0.04 (limit 0.02)")


def test_two_broken_guard_rails_are_both_named() -> None:
    decision = judged("recipe", broken=2)
    assert decision.rule == "guard-rail"
    assert decision.reason.count("MAE +0.04 (limit 0.02)") == 2


def test_where_the_gain_fails_too_its_rule_is_named_and_every_fault_is_told() -> None:
    decision = judged("recipe", broken=1, gain=0.005, lower=-0.01)
    assert (decision.outcome, decision.rule) == ("kept", "recipe")
    assert decision.reason.endswith(": not above 0; the gain is below 0.01; MAE +0.04 (limit 0.02)")
    decision = judged("refresh", broken=1, distinct_rows=20, lower=-0.5)
    assert decision.rule == "refresh"
    assert decision.reason.endswith(
        ": only 20 distinct rows that neither model has seen, at least 100 are needed; not above -0.03; MAE +0.04 (limit 0.02)"
    )


@pytest.mark.parametrize("rule", get_args(Rule))
def test_under_the_policy_manual_what_passes_waits_for_approval(rule: Rule) -> None:
    decision = judged(rule, policy="manual")
    assert (decision.outcome, decision.rule, decision.passed) == ("kept", "policy-manual", True)
    assert decision.reason.endswith("awaits `approve`")


@pytest.mark.parametrize("rule", get_args(Rule))
def test_under_the_policy_manual_what_fails_does_not_wait(rule: Rule) -> None:
    decision = judged(rule, policy="manual", gain=-1.0, lower=-1.1)
    assert (decision.outcome, decision.rule, decision.passed) == ("kept", rule, False)


def test_the_reason_names_the_gain_its_limit_and_the_rows_they_stand_on() -> None:
    reason = "R2 +0.0500 against version 1 on 300 rows (250 distinct), lower limit +0.0200 at 95.0%"
    assert judged("recipe").reason == reason


@pytest.mark.parametrize("rule", get_args(Rule))
@pytest.mark.parametrize(("gain", "lower"), [(0.05, np.nan), (np.nan, 0.02), (np.nan, np.nan)])
def test_a_gain_that_is_no_number_promotes_nothing(rule: Rule, gain: float, lower: float) -> None:
    assert not judged(rule, gain=gain, lower=lower).promoted


@given(rules, gains, rails, policies)
def test_what_is_promoted_passed_and_what_did_not_pass_is_kept(
    rule: Rule, gain: Gain, measured: list[Rail], policy: Policy
) -> None:
    decision = judge(rule, gain, measured, SETTINGS, policy=policy, opponent="version 1")
    assert decision.promoted == (decision.passed and policy != "manual")
    assert decision.rule in (rule, "policy-manual" if decision.passed else "guard-rail")


@given(rules, gains, rails)
def test_a_broken_guard_rail_is_never_promoted_over(rule: Rule, gain: Gain, measured: list[Rail]) -> None:
    assert not judge(rule, gain, [*measured, BROKEN], SETTINGS, policy="auto", opponent="version 1").promoted


@given(rules, gains, numbers)
def test_a_better_challenger_is_never_kept_where_a_worse_one_is_promoted(rule: Rule, gain: Gain, more: float) -> None:
    better = replace(gain, gain=gain.gain + abs(more), lower=gain.lower + abs(more))
    worse = judge(rule, gain, [], SETTINGS, policy="auto", opponent="version 1")
    assert judge(rule, better, [], SETTINGS, policy="auto", opponent="version 1").promoted or not worse.promoted


@given(rules, gains, rails, policies)
def test_a_decision_with_its_evidence_can_be_written_as_json(
    rule: Rule, gain: Gain, measured: list[Rail], policy: Policy
) -> None:
    decision = judge(rule, gain, measured, SETTINGS, policy=policy, opponent="version 1")
    decision = replace(
        decision,
        evidence=Evidence(**vars(gain), champion="1", needed=0.0, candidates=1, attempt=1, guard_rails=tuple(measured)),
    )
    assert read_record(Decision, json.loads(json.dumps(to_plain(decision), allow_nan=False))) == decision


@pytest.mark.parametrize(("lower", "rows", "promoted"), [(-0.02, 250, True), (-0.04, 250, False), (-0.02, 20, False)])
def test_a_refresh_within_the_margin_is_kept_where_the_losses_since_the_last_winner_by_recipe_add_up_to_more(
    lower: float, rows: int, promoted: bool
) -> None:
    cumulative = replace(GAIN, lower=lower, distinct_rows=rows)
    decision = judge("refresh", GAIN, [], SETTINGS, policy="auto", opponent="version 2", cumulative=cumulative)
    assert decision.promoted == promoted
    assert ("since the last champion promoted by its recipe" in decision.reason) != promoted


@pytest.mark.parametrize(
    ("rail", "words"),
    [
        (("MAE change", 0.0444, 0.02), "MAE change +0.0444 (limit 0.02)"),
        (("MAE change", -22134.5, None), "MAE change -22,134"),
        (("single-row latency in ms", 12.34, 250), "single-row latency in ms 12.3 (limit 250)"),
        (("MAE change", None, None), "MAE change unknown"),
    ],
)
def test_a_guard_rail_is_said_without_powers_of_ten(rail: tuple[str, float | None, float | None], words: str) -> None:
    assert describe_rail(*rail) == words
