"""The promotion gate: the decision whether a challenger replaces the champion.

`choose_rule` decides from what the versions are, or names the rule that needs evidence; `judge` decides by that evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recipeline.config.profile import Policy
from recipeline.config.rules import Promotion
from recipeline.config.table import SYNTHETIC
from recipeline.evaluation.gates import VALIDATED
from recipeline.promotion.results import Decision, Gain, Rail

Rule = Literal["first", "recipe", "refresh"]


@dataclass(frozen=True)
class Contender:
    """The properties of a model version that the gate uses.

    `recipe`, `training_rows` and `environment` are digests: of the model's settings, of its training rows, and of code and
    libraries. `withdrawn` is the reason of its rollback, if there was one.
    """

    version: str
    verdict: str = VALIDATED
    data_source: str = "file"
    split_method: str = "grouped"
    recipe: str = ""
    training_rows: str = ""
    environment: str = ""
    withdrawn: str = ""

    @property
    def is_synthetic(self) -> bool:
        """Whether it was trained on made-up rows."""
        return self.data_source == SYNTHETIC


def loses_real_rows(challenger: Contender, champion: Contender | None) -> bool:
    """Whether a model of synthetic rows would replace one of real rows.

    No command allows that.
    """
    return champion is not None and challenger.is_synthetic and not champion.is_synthetic


def _kept(rule: str, reason: str) -> Decision:
    return Decision("kept", rule, reason, passed=False)


def _promoted(rule: str, reason: str) -> Decision:
    return Decision("promoted", rule, reason, passed=True)


def _waiting(reason: str) -> Decision:
    return Decision("kept", "policy-manual", f"{reason}: it passes and awaits `approve`", passed=True)


def choose_rule(challenger: Contender, champion: Contender | None, policy: Policy) -> Decision | Rule:
    """Return the decision if it needs no measurement; else the rule to measure for.

    In this order: the version in Production stays (`same-version`); synthetic never replaces real, whatever the policy;
    the policies `never` and `always` (`forced`); a withdrawn or not validated version is skipped; a model of real rows
    replaces a synthetic one (`first-real`); a random split never replaces a grouped one; the same recipe on the same rows
    in the same environment is no change (`unchanged`). Another recipe is compared with the champion's on all rows (`recipe`),
    the same one, fitted again, on rows that neither model has seen (`refresh`).
    """
    if champion and champion.version == challenger.version:
        return _kept("same-version", f"version {champion.version} is in Production already")
    if champion and loses_real_rows(challenger, champion):
        return _kept(
            "synthetic-never-replaces-real",
            f"version {champion.version} was trained on real rows, this one on synthetic ones",
        )
    if policy == "never":
        return _kept("policy-never", "the policy is promote=never")
    if policy == "always":
        return _promoted("forced", "the policy is promote=always")
    if challenger.withdrawn:
        return _kept("withdrawn", f"it was rolled back {challenger.withdrawn}; promote=always promotes it again")
    if challenger.verdict != VALIDATED:
        return _kept("not-validated", f"its verdict is {challenger.verdict}")
    if champion is None:
        return "first"
    if champion.is_synthetic and not challenger.is_synthetic:
        reason = f"it was trained on real rows, version {champion.version} on synthetic ones"
        return _waiting(reason) if policy == "manual" else _promoted("first-real", reason)
    if challenger.split_method == "random" and champion.split_method != "random":
        return _kept(
            "random-never-replaces-grouped",
            f"it was chosen on a random split, version {champion.version} on a grouped one",
        )
    if not challenger.recipe or challenger.recipe != champion.recipe:
        return "recipe"
    if (challenger.training_rows, challenger.environment) == (champion.training_rows, champion.environment):
        return _kept("unchanged", f"it has the same recipe and the same rows as version {champion.version}")
    return "refresh"


def corrected_level(alpha: float, *, candidates: int, attempt: int) -> float:
    """Return the confidence at which the gain must be above 0.

    The challenger is the best of `candidates`, so the error is divided by their number (Bonferroni). It is the `attempt`-th
    compared with this champion, so the error is divided by the square of that: over any number of attempts the errors add up to
    at most pi^2/6 of the first one's.
    """
    return 1 - alpha / candidates / attempt**2


def judge(
    rule: Rule,
    gain: Gain,
    rails: Sequence[Rail],
    settings: Promotion,
    *,
    policy: Policy,
    opponent: str,
    skill: str = "R2",
    cumulative: Gain | None = None,
) -> Decision:
    """Return the decision by the measured `gain` and the guard rails.

    `opponent` names the comparison in sentences, and `skill` the measure of the gain. `cumulative` is a refresh's gain over the
    last champion promoted by its recipe: many losses within the margin add up.
    """
    figures = (
        f"{skill} {gain.gain:+.4f} against {opponent} on {gain.rows} rows ({_pieces(gain)}), lower limit "
        f"{gain.lower:+.4f} at {gain.level:.1%}"
    )
    # Written so that a figure that is no number is a fault.
    faults = ["the gain is not a number"] * math.isnan(gain.gain)
    if rule == "refresh":
        faults += _refresh_faults(gain, settings)
        if cumulative is not None:
            since = f"since the last champion promoted by its recipe: lower limit {cumulative.lower:+.4f}, "
            faults += [since + fault for fault in _refresh_faults(cumulative, settings)]
    else:
        faults += ["not above 0"] * (not gain.lower > 0)
        faults += [f"the gain is below {settings.min_gain:g}"] * (not gain.gain >= settings.min_gain)
    broken = [rail for rail in rails if not rail.passed]
    faults += [describe_rail(rail.name, rail.value, rail.limit) for rail in broken]
    if faults:
        return _kept("guard-rail" if len(broken) == len(faults) else rule, f"{figures}: {'; '.join(faults)}")
    if policy == "manual":
        return _waiting(figures)
    return _promoted(rule, figures)


def _pieces(gain: Gain) -> str:
    blocks = "" if gain.blocks is None else f" in {gain.blocks} blocks of time; {gain.left_out} earlier ones have no prediction"
    return f"{gain.distinct_rows} {gain.unit.removesuffix(' rows')}{blocks}"


def describe_rail(name: str, value: float | None, limit: float | None) -> str:
    """Return a guard rail for display: the signed change, and its limit if any."""
    sign = "" if "latency" in name else "+"  # all others are changes
    style = f"{sign}.3g" if value is None or abs(value) < 1000 else f"{sign},.0f"  # no power of ten
    figure = "unknown" if value is None else f"{value:{style}}"
    return f"{name} {figure}" + ("" if limit is None else f" (limit {limit:g})")


def _refresh_faults(gain: Gain, settings: Promotion) -> list[str]:
    few = f"only {gain.distinct_rows} {gain.unit} that neither model has seen, at least {settings.min_rows} are needed"
    return [few] * (gain.distinct_rows < settings.min_rows) + [f"not above -{settings.margin:g}"] * (
        not gain.lower > -settings.margin
    )
