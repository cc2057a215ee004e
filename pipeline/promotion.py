"""The promotion gate: whether a challenger takes the champion's place. The one place where that is decided."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pipeline.gates import VALIDATED
from pipeline.profiles import Policy
from pipeline.recipe import SYNTHETIC


@dataclass(frozen=True)
class Contender:
    """A model version as the gate sees it; `scores` are r2, rmse and mae on the challenger's test rows."""

    version: str
    verdict: str
    data_source: str
    split_method: str
    scores: dict[str, float] | None = None
    #: Why there are no scores, where there should be some.
    problem: str = ""

    @property
    def is_synthetic(self) -> bool:
        """Whether it was trained on made-up rows."""
        return self.data_source == SYNTHETIC


@dataclass(frozen=True)
class Decision:
    """What happens to the challenger (`promoted` or `kept`), by which rule, why, and the evidence."""

    outcome: Literal["promoted", "kept"]
    rule: str
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def promoted(self) -> bool:
        """Whether the challenger becomes the champion."""
        return self.outcome == "promoted"

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as plain values, for `decision.json`."""
        return asdict(self)


def decide(challenger: Contender, champion: Contender | None, policy: Policy) -> Decision:
    """Return whether `challenger` replaces `champion` (None: nothing is in Production) under the profile's policy.

    In this order: a model of synthetic rows never replaces one of real rows, whatever the policy; `never` and `manual` keep;
    `always` promotes; what is not VALIDATED stays out; the first version, and the first of real rows after a synthetic
    champion, needs no more; a model judged by a random split, which copies flatter, does not replace one judged by a grouped
    split; otherwise R2 on the challenger's test rows must not be lower than the champion's on the same rows.
    """
    evidence = {"challenger": asdict(challenger), "champion": asdict(champion) if champion else None}

    def kept(rule: str, reason: str) -> Decision:
        return Decision("kept", rule, reason, evidence)

    def promoted(rule: str, reason: str) -> Decision:
        return Decision("promoted", rule, reason, evidence)

    if champion and champion.version == challenger.version:
        return kept("same-version", f"version {champion.version} is in Production already")
    if champion and challenger.is_synthetic and not champion.is_synthetic:
        return kept(
            "synthetic-never-replaces-real",
            f"version {champion.version} learned from real rows, this one from synthetic ones",
        )
    if policy == "never":
        return kept("policy-never", "the policy is promote=never")
    if policy == "manual":
        return kept("policy-manual", "the policy is promote=manual; promote it with promote=always when you agree")
    if policy == "always":
        return promoted("forced", "the policy is promote=always")
    if challenger.verdict != VALIDATED:
        return kept("not-validated", f"its verdict is {challenger.verdict}")
    if champion is None:
        return promoted("first", "nothing was in Production")
    if champion.is_synthetic and not challenger.is_synthetic:
        return promoted("first-real", f"it learned from real rows, version {champion.version} from synthetic ones")
    if challenger.split_method == "random" and champion.split_method != "random":
        return kept(
            "random-never-replaces-grouped",
            f"its scores are from a random split, those of version {champion.version} from a grouped one",
        )
    if champion.scores is None or challenger.scores is None:
        problem = champion.problem or challenger.problem
        return kept("not-comparable", f"the two cannot be compared on the same rows: {problem}")
    ours, theirs = challenger.scores["r2"], champion.scores["r2"]
    comparison = (
        f"R2 {ours:.4f} against {theirs:.4f} of version {champion.version} on the same "
        f"{int(challenger.scores['rows'])} test rows"
    )
    if ours >= theirs:
        return promoted("not-worse", comparison)
    return kept("worse", comparison)
