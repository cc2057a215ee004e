"""The card of compare: differences between two results of one recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recipeline.evaluation.results import Metrics
from recipeline.reports.blocks import Block, Card, Cell, Lines, Note, Plot, Section, Table
from recipeline.reports.plots.change import plot_pairs


@dataclass(frozen=True)
class Side:
    """One of the two results: name, evaluate run, metrics, digest of test rows.

    `rows` is the digest.
    """

    name: str
    run_id: str
    metrics: Metrics
    verdict: str
    source: str
    rows: str


@dataclass(frozen=True)
class Comparison:
    """Two results, and a line for each component that differs."""

    before: Side
    after: Side
    differences: Sequence[str]


def make_card(found: Comparison) -> Card:
    """Return the card of a comparison."""
    before, after = found.before, found.after
    gain = after.metrics.best.r2 - before.metrics.best.r2
    return Card(
        f"{before.name} against {after.name}",
        f"Test R2 {before.metrics.best.r2:.4f} → {after.metrics.best.r2:.4f} ({gain:+.4f}), "
        f"{before.metrics.best.candidate} → {after.metrics.best.candidate}.",
        [
            Section("The best candidates", compare_best(found)),
            Section("Differences", list_differences(found)),
            *_candidates(before, after),
        ],
    )


def compare_best(found: Comparison) -> list[Block]:
    """Return the best candidates side by side.

    A warning is added where their metrics are from different test rows.
    """
    before, after = found.before, found.after
    other = Note("The test rows differ: the metrics are of different rows and cannot be compared.", "warning")
    rows: list[list[Cell]] = [
        ["run of evaluate", before.run_id, after.run_id, ""],
        ["rows from", before.source, after.source, ""],
        ["best candidate", before.metrics.best.candidate, after.metrics.best.candidate, ""],
        ["verdict", before.verdict, after.verdict, ""],
    ]
    for name in ("r2", "rmse", "mae"):
        old, new = getattr(before.metrics.best, name), getattr(after.metrics.best, name)
        rows.append([f"test {'R2' if name == 'r2' else name.upper()}", old, new, new - old])
    old, new = (side.metrics.candidates[side.metrics.best.candidate].cv_mean_score for side in (before, after))
    rows.append(["CV R2 mean", old, new, new - old])
    rows.append(["test rows", before.metrics.test_rows, after.metrics.test_rows, ""])
    table = Table(["what", before.name, after.name, "difference"], rows)
    return [other, table] if before.rows != after.rows else [table]


def list_differences(found: Comparison) -> list[Block]:
    """Return a line for each component that differs."""
    if not found.differences:
        return [Note("No recorded differences: settings, rows, code and libraries are the same.")]
    return [Lines(list(found.differences))]


def _candidates(before: Side, after: Side) -> list[Section]:
    old, new = before.metrics.candidates, after.metrics.candidates
    common = sorted((name for name in old if name in new), key=lambda name: -new[name].cv_mean_score)
    if not common:
        return []
    plot = Plot(
        "candidates",
        "Cross-validated R2 of the candidates in both results, before and after.",
        lambda: plot_pairs(
            common,
            [old[name].cv_mean_score for name in common],
            [new[name].cv_mean_score for name in common],
            "CV R2 mean",
        ),
        Table(
            ["candidate", "CV R2 mean, before", "after", "test R2, before", "after"],
            [
                [
                    name,
                    old[name].cv_mean_score,
                    new[name].cv_mean_score,
                    old[name].r2,
                    new[name].r2,
                ]
                for name in common
            ],
        ),
    )
    only = [
        [name, "only before" if name in old else "only after", (old.get(name) or new[name]).cv_mean_score]
        for name in sorted({*old} ^ {*new})
    ]
    return [
        Section("The candidates", [plot, *([Table(["candidate", "where", "CV R2 mean"], only)] if only else [])]),
    ]
