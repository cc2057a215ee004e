"""The card of the chain: its story in pictures of the steps, and the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from recipeline.config.table import SYNTHETIC
from recipeline.metrics.catalogue import REPORTED, find_metric, score_keys, score_titles, skill_of
from recipeline.reports.blocks import Block, Card, Cell, Facts, Note, Section, Table, Tone
from recipeline.reports.cards.compare import Comparison, compare_best, list_differences
from recipeline.reports.page import quote
from recipeline.reports.tasks.every import TASKS

if TYPE_CHECKING:
    from recipeline.evaluation.results import Metrics, RegisteredVersion, Verdict
    from recipeline.promotion.results import RecordedDecision


@dataclass(frozen=True)
class StepSummary:
    """One step of a chain: run, reason, outcome, start and duration in seconds.

    The start is counted from that of the chain; both times are 0 for a reused step.
    """

    step: str
    run_id: str
    reused: bool
    why: str
    begun: float
    seconds: float
    outcome: str


@dataclass(frozen=True)
class ChainSummary:
    """A chain: its steps and their results; None for results that do not exist."""

    recipe: str
    profile: str
    source: Mapping[str, str]
    steps: Sequence[StepSummary]
    metrics: Metrics | None = None
    verdict: Verdict | None = None
    version: RegisteredVersion | None = None
    decision: RecordedDecision | None = None
    since: Comparison | None = None
    #: The pages of the steps' cards, which have drawn the pictures.
    pages: Mapping[str, str] = field(default_factory=dict)
    #: Seconds since 1970, of the chain's start; None: not known.
    started: float | None = None
    error: str = ""
    warnings: Sequence[str] = field(default=())


def make_card(chain: ChainSummary) -> Card:
    """Return the index card of a chain."""
    sentence, tone = _verdict(chain)
    notes = [Note(text, "warning") for text in chain.warnings]
    if chain.source.get("source") == SYNTHETIC:
        notes.insert(0, Note("The rows are SYNTHETIC: the scores do not apply to real rows.", "warning"))
    return Card(
        f"{chain.recipe}: from the rows to Production",
        sentence,
        [
            Section("Overview", _overview(chain)),
            *_story(chain),
            *_since(chain),
            Section("The steps", _steps(chain)),
        ],
        tone=tone,
        notes=notes,
    )


def _verdict(chain: ChainSummary) -> tuple[str, Tone]:
    if chain.error:
        return f"The chain failed: {chain.error}", "bad"
    if chain.decision and chain.version:
        outcome = chain.decision.outcome
        what = f"Version {chain.version.version} ({chain.version.candidate})"
        sentence = f"{what} was {outcome}: {chain.decision.reason}."
        is_real = chain.source.get("source") != SYNTHETIC  # what synthetic rows promote is no success, and no failure
        return sentence, "good" if outcome == "promoted" and is_real else "plain"
    if chain.verdict:
        return f"{chain.verdict.candidate} fails a gate of the recipe and was not registered.", "bad"
    return "The chain ended without a verdict.", "warning"


def _overview(chain: ChainSummary) -> list[Block]:
    kind, origin = chain.source.get("source", "unknown"), chain.source.get("origin", "unknown")
    facts: dict[str, Any] = {"Recipe": chain.recipe, "Profile": chain.profile, "Rows from": origin, "Kind of source": kind}
    if chain.metrics:
        metrics = chain.metrics
        skill, other = skill_of(metrics.task), find_metric(metrics.task, REPORTED[metrics.task])
        facts |= {
            "Best candidate": metrics.best.candidate,
            f"Test {skill.title}": metrics.scores[skill.name],
            f"Test {other.title}": metrics.scores[other.name],
            f"CV {metrics.cv_title} mean": metrics.scores["cv_mean_score"],
            **(metrics.best.decisions.figures if metrics.best.decisions else {}),
        }
    if chain.version:
        facts["Registered"] = f"{chain.version.name} version {chain.version.version}"
    if chain.decision:
        facts["Decision"] = f"{chain.decision.outcome} ({chain.decision.rule})"
    if chain.started is not None:
        facts["Started"] = f"{datetime.fromtimestamp(chain.started, UTC):%Y-%m-%d %H:%M} UTC"
    if chain.steps:
        facts["Duration"] = f"{max(step.begun + step.seconds for step in chain.steps):.1f} s"
    return [Facts(facts)]


def _steps(chain: ChainSummary) -> list[Block]:
    steps = chain.steps
    if not steps:
        return [Note("No step was run.")]
    rows: list[list[Cell]] = [
        [step.step, "reused" if step.reused else step.outcome, step.why, round(step.seconds, 1), step.run_id] for step in steps
    ]
    return [Table(["step", "outcome", "why it was run", "seconds", "run"], rows)]


def _story(chain: ChainSummary) -> list[Section]:
    """Return the pictures of the steps that answer the questions of a chain."""
    sections = []
    if chain.decision:
        found = _quoted(chain, "promote", "gain") or [Note(f"Nothing was measured: {chain.decision.reason}.")]
        sections.append(Section("Challenger against champion", found))
    if chain.metrics:
        test = [it for name in ("scores", *TASKS[chain.metrics.task].told) for it in _quoted(chain, "evaluate", name)]
        sections += [
            *([Section("Leaderboard", board)] if (board := _quoted(chain, "train", "leaderboard")) else []),
            Section("The candidates", [_candidates(chain.metrics)]),
            *([Section("The best candidate on the test rows", test)] if test else []),
        ]
    return sections


def _quoted(chain: ChainSummary, step: str, plot: str) -> list[Block]:
    """Return a plot as the card of a step has it; nothing where it has none."""
    found = quote(chain.pages.get(step, ""), plot)
    return [found] if found else []


def _since(chain: ChainSummary) -> list[Section]:
    if not chain.since:
        return []
    return [Section("Since the last run", [*compare_best(chain.since), *list_differences(chain.since)])]


def _candidates(metrics: Metrics) -> Table:
    task = metrics.task
    skill, keys = skill_of(task), score_keys(task)
    ranked = sorted(metrics.candidates.items(), key=lambda item: -item[1][skill.name])
    rows: list[list[Cell]] = [[name, *(scores[key] for key in keys)] for name, scores in ranked]
    best = [row[0] for row in rows].index(metrics.best.candidate)
    note = f"By test {skill.title}; the best one, by CV {metrics.cv_title}, is marked"
    return Table(["candidate", *score_titles(task, metrics.cv_title)], rows, note, marked=best)
