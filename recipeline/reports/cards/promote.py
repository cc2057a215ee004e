"""The card of promote: the decision and its evidence."""

from __future__ import annotations

from recipeline.artifacts import DECISION
from recipeline.metrics.catalogue import skill_of
from recipeline.monitoring.wording import describe_shadow
from recipeline.promotion.results import Evidence
from recipeline.reports.blocks import Block, Card, Cell, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.plots.change import plot_gain


def make_card(results: Results) -> Card:
    """Return the card of a run of promote."""
    decision = results.load(DECISION)
    promoted, evidence = decision.outcome == "promoted", decision.evidence
    facts = Facts(
        {
            "Version": decision.version,
            "Decision": decision.outcome,
            "Rule": decision.rule,
            "Policy": decision.policy,
            "The gate": ("passed" if decision.passed else "not passed") if evidence else "not asked",
        }
    )
    sections = [Section("Decision", [facts])]
    if evidence:
        sections += [
            Section(
                "Challenger against champion",
                _gain(evidence, passed=decision.passed, skill=skill_of(results.recipe.task).label),
            ),
            Section("Guard rails", [_rails(evidence)]),
        ]
        if evidence.shadow:
            told = " ".join(describe_shadow(evidence.shadow, results.recipe.task))
            run = Facts({"Run of monitor": evidence.shadow.run_id})
            sections.append(Section("In shadow on live rows", [Note(f"{told} This decides nothing."), run]))
    else:
        sections.append(Section("Evidence", [Note("This decision needed no measurement.")]))
    return Card(
        f"promote: version {decision.version} {decision.outcome}",
        f"{decision.reason}.",
        sections,
        tone="good" if promoted else "plain",
    )


def _gain(evidence: Evidence, *, passed: bool, skill: str) -> list[Block]:
    low, high = evidence.interval_90
    values: list[list[Cell]] = [
        [f"gain in {skill}", evidence.gain],
        ["90 % interval from", low],
        ["to", high],
        [f"lower limit at {evidence.level:.1%}", evidence.lower],
        ["must be above", float(evidence.needed)],
    ]
    known: dict[str, Cell] = {
        "Held against": evidence.champion,
        "Rows": evidence.rows,
        "Repeats": evidence.repeats,
        "Seed": str(evidence.seed),
        "Number of candidates": evidence.candidates,
        "Attempt at this champion": evidence.attempt,
    }
    return [
        Plot(
            "gain",
            "Gain of the challenger over its comparison. The lower limit must be in the green part; the recipe's minimum gain "
            "and guard rails must hold too.",
            lambda: plot_gain(
                evidence.gain,
                low,
                high,
                evidence.lower,
                needed=evidence.needed,
                level=evidence.level,
                passed=passed,
                skill=skill,
            ),
            Table(["what", "value"], values),
        ),
        Facts(known),
    ]


def _rails(evidence: Evidence) -> Table:
    return Table(
        ["guard rail", "measured", "limit", "held", "of"],
        [
            [
                rail.name,
                rail.value,
                "no limit" if rail.limit is None else rail.limit,
                rail.passed,
                rail.note or "all rows",
            ]
            for rail in evidence.guard_rails
        ],
        "Change of the error against the champion's, and the time for one row",
    )
