"""The card of promote: the decision and its evidence."""

from __future__ import annotations

from recipeline.artifacts import DECISION
from recipeline.config.table import SYNTHETIC
from recipeline.metrics.catalogue import metrics_of, skill_of
from recipeline.monitoring.wording import describe_shadow
from recipeline.promotion.results import CHALLENGER, CHAMPION, MEAN_PREDICTOR, Decision, Evidence
from recipeline.reports.blocks import Block, Card, Cell, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.plots.change import direction, plot_gain


def make_card(results: Results) -> Card:
    """Return the card of a run of promote."""
    decision = results.load(DECISION)
    promoted, evidence = decision.outcome == "promoted", decision.evidence
    is_synthetic = results.tag("data_source") == SYNTHETIC
    facts = Facts(
        {
            "Version": decision.version,
            **({"In the store": target} if (target := results.tag("target_uri")) else {}),
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
                _gain(evidence, decision, results.recipe.task, is_synthetic=is_synthetic),
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
        f"{decision.reason[:1].upper()}{decision.reason[1:]}.",
        sections,
        tone="good" if promoted and not is_synthetic else "plain",
        notes=[Note("The rows are SYNTHETIC: the gain does not apply to real rows.", "warning")] if is_synthetic else [],
    )


def _gain(evidence: Evidence, decision: Decision, task: str, *, is_synthetic: bool) -> list[Block]:
    (low, high), skill = evidence.interval_90, skill_of(task).label
    values: list[list[Cell]] = [
        [f"gain in {skill}", evidence.gain],
        ["90 % interval from", low],
        ["to", high],
        [f"lower limit at {evidence.level:.1%}", evidence.lower],
        ["must be above", float(evidence.needed)],
    ]
    known: dict[str, Cell] = {
        "Held against": _opponent(evidence),
        "Rows": evidence.rows,
        **({"Chosen from": f"{evidence.limited.available:,} rows (engine.max_train_rows)"} if evidence.limited else {}),
        "Repeats": evidence.repeats,
        "Seed": str(evidence.seed),
        "Number of candidates": evidence.candidates,
        "Attempt at this champion": evidence.attempt,
    }
    return [
        Plot(
            "gain",
            f"Gain of the challenger over {_named(evidence)}. The lower limit must be in the shaded part; the recipe's "
            "minimum gain and guard rails must hold too.",
            lambda: plot_gain(
                evidence.gain,
                low,
                high,
                evidence.lower,
                needed=evidence.needed,
                level=evidence.level,
                passed=decision.passed,
                skill=skill,
                title=_question(evidence, decision),
                is_synthetic=is_synthetic,
            ),
            Table(["what", "value"], values),
        ),
        *_metrics(evidence, task),
        Facts(known),
    ]


def _opponent(evidence: Evidence) -> str:
    """Return the opponent as the heading of a column."""
    return evidence.champion if evidence.champion == MEAN_PREDICTOR else f"version {evidence.champion}"


def _named(evidence: Evidence) -> str:
    """Return the opponent inside a sentence."""
    return f"the {MEAN_PREDICTOR}" if evidence.champion == MEAN_PREDICTOR else f"version {evidence.champion}"


def _question(evidence: Evidence, decision: Decision) -> str:
    """Return the question of the gate with its answer by the lower limit."""
    opponent = _named(evidence)
    asked = f"Is the challenger better than {opponent}?"
    if evidence.needed < 0:
        asked = f"Is the challenger no worse than {opponent}, by {-evidence.needed:g} at most?"
    if not evidence.lower > evidence.needed:
        return f"{asked} Not shown: the lower limit {evidence.lower:+.4f} is not above {evidence.needed:g}"
    found = f"{asked} Yes: even the lower limit {evidence.lower:+.4f} is above {evidence.needed:g}"
    broken = [f"the limit of {rail.name} does not" for rail in evidence.guard_rails if not rail.passed]
    return found if decision.passed else f"{found}; but {(broken or ['another condition does not'])[0]} hold"


def _metrics(evidence: Evidence, task: str) -> list[Table]:
    """Return all metrics of both on the same rows, with the direction of the change."""
    rows: list[list[Cell]] = []
    for metric in metrics_of(task):
        arms = evidence.scores.get(metric.name, {})
        if CHALLENGER in arms and CHAMPION in arms:
            ours, theirs = arms[CHALLENGER], arms[CHAMPION]
            rows.append([metric.label, theirs, ours, ours - theirs, direction(metric.worsening(ours, theirs))])
    titles = ["metric", _opponent(evidence), "challenger", "change", "which is"]
    return [Table(titles, rows, "All metrics on the same held-out rows")] if rows else []


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
