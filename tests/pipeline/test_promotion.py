from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.profiles import Policy
from pipeline.promotion import Contender, decide


def scores(r2: float) -> dict[str, float]:
    return {"r2": r2, "rmse": 0.6, "mae": 0.5, "rows": 300}


NEW = Contender("2", "VALIDATED", "uci", "grouped", scores(0.4))
OLD = Contender("1", "VALIDATED", "uci", "grouped", scores(0.3))
SYNTHETIC_NEW, SYNTHETIC_OLD = replace(NEW, data_source="synthetic"), replace(OLD, data_source="synthetic")
WORSE = scores(0.2)

contenders = st.builds(
    Contender,
    version=st.sampled_from(["1", "2"]),
    verdict=st.sampled_from(["VALIDATED", "REJECTED"]),
    data_source=st.sampled_from(["uci", "file", "synthetic"]),
    split_method=st.sampled_from(["grouped", "random"]),
    scores=st.none() | st.floats(-1, 1).map(scores),
)


# Each row meets the rule it names and, unless it is the last one, a later rule as well: the earlier one decides.
@pytest.mark.parametrize(
    ("challenger", "champion", "policy", "outcome", "rule"),
    [
        (replace(NEW, version="1"), OLD, "always", "kept", "same-version"),
        (SYNTHETIC_NEW, OLD, "always", "kept", "synthetic-never-replaces-real"),
        (SYNTHETIC_NEW, OLD, "auto", "kept", "synthetic-never-replaces-real"),
        (SYNTHETIC_NEW, OLD, "never", "kept", "synthetic-never-replaces-real"),
        (replace(NEW, verdict="REJECTED"), OLD, "never", "kept", "policy-never"),
        (NEW, None, "never", "kept", "policy-never"),
        (replace(NEW, verdict="REJECTED"), OLD, "manual", "kept", "policy-manual"),
        (NEW, SYNTHETIC_OLD, "manual", "kept", "policy-manual"),
        (replace(NEW, verdict="REJECTED"), OLD, "always", "promoted", "forced"),
        (replace(NEW, scores=WORSE, split_method="random"), OLD, "always", "promoted", "forced"),
        (NEW, None, "always", "promoted", "forced"),
        (replace(NEW, verdict="REJECTED"), None, "auto", "kept", "not-validated"),
        (replace(NEW, verdict="REJECTED"), SYNTHETIC_OLD, "auto", "kept", "not-validated"),
        (replace(NEW, split_method="random", scores=None), None, "auto", "promoted", "first"),
        (SYNTHETIC_NEW, None, "auto", "promoted", "first"),
        (replace(NEW, split_method="random", scores=WORSE), SYNTHETIC_OLD, "auto", "promoted", "first-real"),
        (replace(NEW, scores=None), SYNTHETIC_OLD, "auto", "promoted", "first-real"),
        (replace(NEW, split_method="random"), OLD, "auto", "kept", "random-never-replaces-grouped"),
        (replace(NEW, split_method="random", scores=None), OLD, "auto", "kept", "random-never-replaces-grouped"),
        (replace(NEW, scores=None, problem="gone"), OLD, "auto", "kept", "not-comparable"),
        (NEW, replace(OLD, scores=None, problem="gone"), "auto", "kept", "not-comparable"),
        (NEW, OLD, "auto", "promoted", "not-worse"),
        (replace(NEW, scores=scores(0.3)), OLD, "auto", "promoted", "not-worse"),
        (replace(NEW, scores=WORSE), OLD, "auto", "kept", "worse"),
        (SYNTHETIC_NEW, SYNTHETIC_OLD, "auto", "promoted", "not-worse"),
        (NEW, replace(OLD, split_method="random"), "auto", "promoted", "not-worse"),
        (replace(NEW, split_method="random"), replace(OLD, split_method="random"), "auto", "promoted", "not-worse"),
    ],
)
def test_the_first_rule_that_holds_decides(
    challenger: Contender, champion: Contender | None, policy: Policy, outcome: str, rule: str
) -> None:
    decision = decide(challenger, champion, policy)
    assert (decision.outcome, decision.rule) == (outcome, rule)
    assert decision.promoted == (outcome == "promoted")


@given(contenders, contenders, st.sampled_from(get_args(Policy)))
def test_no_policy_lets_synthetic_rows_replace_real_ones(new: Contender, old: Contender, policy: Policy) -> None:
    new, old = replace(new, data_source="synthetic"), replace(old, data_source="uci")
    assert not decide(new, old, policy).promoted


@given(contenders, st.none() | contenders)
def test_without_force_only_validated_models_are_promoted(new: Contender, old: Contender | None) -> None:
    assert not decide(replace(new, verdict="REJECTED"), old, "auto").promoted


@given(contenders, st.none() | contenders, st.sampled_from(["never", "manual"]))
def test_never_and_manual_promote_nothing(new: Contender, old: Contender | None, policy: Policy) -> None:
    assert not decide(new, old, policy).promoted


@given(contenders, st.none() | contenders, st.sampled_from(get_args(Policy)))
def test_the_decision_keeps_its_evidence_as_plain_values(new: Contender, old: Contender | None, policy: Policy) -> None:
    content = json.loads(json.dumps(decide(new, old, policy).as_dict()))
    assert content["evidence"]["challenger"]["version"] == new.version
    assert (content["evidence"]["champion"] is None) == (old is None)
    assert content["reason"]


@pytest.mark.parametrize("side", ["challenger", "champion"])
def test_a_score_that_is_no_number_promotes_nothing(side: str) -> None:
    nan = scores(float("nan"))
    new, old = (replace(NEW, scores=nan), OLD) if side == "challenger" else (NEW, replace(OLD, scores=nan))
    assert not decide(new, old, "auto").promoted


def test_the_reason_names_both_figures_and_the_rows_they_stand_on() -> None:
    reason = decide(NEW, OLD, "auto").reason
    assert reason == "R2 0.4000 against 0.3000 of version 1 on the same 300 test rows"


def test_the_reason_says_why_two_models_cannot_be_compared() -> None:
    assert decide(NEW, replace(OLD, scores=None, problem="its files are gone"), "auto").reason.endswith("files are gone")
