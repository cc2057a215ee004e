"""The card of the chain: what ran, what was reused and why not, how long, what came out; and the way to the steps' cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recipeline.orchestration.step import ALWAYS
from recipeline.reports.blocks import Block, Card, Cell, Facts, Link, Links, Note, Plot, Section, Table, Tone
from recipeline.reports.cards.compare import Comparison, compare_best, list_differences
from recipeline.reports.plots.change import plot_timeline


@dataclass(frozen=True)
class Leg:
    """What became of a step: its run, when it began after the chain and how long it took (both 0 where it was reused)."""

    step: str
    run_id: str
    reused: bool
    why: str
    begun: float
    seconds: float
    outcome: str
    card: str


@dataclass(frozen=True)
class Story:
    """All of a chain: its steps, and what they found, None where it did not come to that."""

    recipe: str
    profile: str
    source: Mapping[str, str]
    legs: Sequence[Leg]
    metrics: Mapping[str, Any] | None = None
    verdict: Mapping[str, Any] | None = None
    version: Mapping[str, Any] | None = None
    decision: Mapping[str, Any] | None = None
    since: Comparison | None = None
    error: str = ""
    warnings: Sequence[str] = field(default=())


def make_card(story: Story) -> Card:
    """Return the index card of a chain."""
    sentence, tone = _verdict(story)
    notes = [Note(text, "warning") for text in story.warnings]
    if story.source.get("source") == "synthetic":
        notes.insert(0, Note("The rows are SYNTHETIC, made up: no score says anything about real ones.", "warning"))
    return Card(
        f"{story.recipe}: from the rows to Production",
        sentence,
        [
            Section("The story", _tell(story)),
            Section("The steps", _steps(story)),
            *_since(story),
            *_results(story),
        ],
        tone=tone,
        notes=notes,
    )


def _verdict(story: Story) -> tuple[str, Tone]:
    if story.error:
        return f"The chain failed: {story.error}", "bad"
    if story.decision and story.version:
        outcome = story.decision["outcome"]
        what = f"Version {story.version['version']} ({story.version['candidate']})"
        sentence = f"{what} was {outcome}: {story.decision['reason']}."
        return sentence, "good" if outcome == "promoted" else "plain"
    if story.verdict:
        return f"{story.verdict['candidate']} fails a gate of the recipe: nothing was registered.", "bad"
    return "The chain did not come to a verdict.", "warning"


def _tell(story: Story) -> list[Block]:
    kind, origin = story.source.get("source", "unknown"), story.source.get("origin", "unknown")
    facts: dict[str, Any] = {"Recipe": story.recipe, "Profile": story.profile, "Rows from": origin, "Kind of source": kind}
    if story.metrics:
        best = story.metrics["best"]
        facts |= {
            "Best candidate": best["candidate"],
            "Test R2": best["r2"],
            "Test MAE": best["mae"],
            "CV R2 mean": story.metrics["candidates"][best["candidate"]]["cv_mean_score"],
        }
    if story.version:
        facts["Registered"] = f"{story.version['name']} version {story.version['version']}"
    if story.decision:
        facts["Decision"] = f"{story.decision['outcome']} ({story.decision['rule']})"
    return [Facts(facts)]


def _steps(story: Story) -> list[Block]:
    legs = story.legs
    if not legs:
        return [Note("No step was run.")]
    rows: list[list[Cell]] = [
        [leg.step, "reused" if leg.reused else leg.outcome, leg.why, round(leg.seconds, 1), leg.run_id] for leg in legs
    ]
    timeline = Plot(
        "timeline",
        "When each step was at work.",
        lambda: plot_timeline(
            [leg.step for leg in legs],
            [leg.begun for leg in legs],
            [leg.seconds for leg in legs],
            [leg.reused for leg in legs],
        ),
        Table(["step", "seconds"], [[leg.step, round(leg.seconds, 1)] for leg in legs]),
    )
    return [
        # Where all is reused there is little to see, and matplotlib, half a second, need not be imported for it.
        *([timeline] if any(not leg.reused and leg.why != ALWAYS for leg in legs) else []),
        Table(["step", "outcome", "why it was run", "seconds", "run"], rows),
        Links([Link(f"The card of {leg.step}", leg.card) for leg in legs if leg.card]),
    ]


def _since(story: Story) -> list[Section]:
    if not story.since:
        return []
    return [Section("Since the last run", [*compare_best(story.since), *list_differences(story.since)])]


def _results(story: Story) -> list[Section]:
    if not story.metrics:
        return []
    rows = [
        [name, *(scores[key] for key in ("r2", "rmse", "mae", "cv_mean_score", "cv_std"))]
        for name, scores in sorted(story.metrics["candidates"].items(), key=lambda item: -item[1]["r2"])
    ]
    best = [row[0] for row in rows].index(story.metrics["best"]["candidate"])
    columns = ["candidate", "test R2", "test RMSE", "test MAE", "CV R2 mean", "CV R2 std"]
    return [Section("The candidates", [Table(columns, rows, "By test R2; the best one, by CV R2, is marked", marked=best)])]
