"""The card of compare: differences between two results of one recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recipeline.evaluation.results import Best, Metrics
from recipeline.metrics.catalogue import score_keys, score_titles, skill_of
from recipeline.reports.blocks import Block, Card, Cell, Lines, Note, Plot, Section, Table
from recipeline.reports.plots.change import plot_pairs

#: The score that candidates are ranked by.
CV = "cv_mean_score"


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
    skill = skill_of(after.metrics.task)
    old, new = (side.metrics.scores.get(skill.name, math.nan) for side in (before, after))
    return Card(
        f"{before.name} against {after.name}",
        f"Test {skill.label} {old:.4f} → {new:.4f} ({new - old:+.4f}), "
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
    task = after.metrics.task
    titles = score_titles(task, after.metrics.cv_title)
    is_other = before.metrics.ranked_by != after.metrics.ranked_by
    for name, title in zip(score_keys(task)[:-1], titles[:-1], strict=True):
        if name in before.metrics.scores and not (is_other and name == CV):
            old, new = before.metrics.scores[name], after.metrics.scores[name]
            rows.append([title, old, new, new - old])
    rows += _decided(before.metrics.best, after.metrics.best)
    rows.append(["test rows", before.metrics.test_rows, after.metrics.test_rows, ""])
    table = Table(["what", before.name, after.name, "difference"], rows)
    return [other, table] if before.rows != after.rows else [table]


def _decided(before: Best, after: Best) -> list[list[Cell]]:
    """Return thresholds and measures of the decided labels, where both have them."""
    old, new = (it.decisions.figures if it.decisions else {} for it in (before, after))
    pairs = [(name, old[name], new[name]) for name in new if name in old]
    return [[name, was, now, now - was] for name, was, now in pairs if was is not None and now is not None]


def list_differences(found: Comparison) -> list[Block]:
    """Return a line for each component that differs."""
    if not found.differences:
        return [Note("No recorded differences: settings, rows, code and libraries are the same.")]
    return [Lines(list(found.differences))]


def _candidates(before: Side, after: Side) -> list[Section]:
    old, new = before.metrics.candidates, after.metrics.candidates
    sign = -1 if after.metrics.is_greatest_best else 1
    common = sorted((name for name in old if name in new), key=lambda name: sign * new[name][CV])
    if not common or before.metrics.ranked_by != after.metrics.ranked_by:
        return []
    skill = skill_of(after.metrics.task)
    mean = f"CV {after.metrics.cv_title} mean"
    plot = Plot(
        "candidates",
        f"Cross-validated {after.metrics.cv_label} of the candidates in both results, before and after.",
        lambda: plot_pairs(common, [old[name][CV] for name in common], [new[name][CV] for name in common], mean),
        Table(
            ["candidate", f"{mean}, before", "after", f"test {skill.title}, before", "after"],
            [[name, *(side[name].get(key, "none") for key in (CV, skill.name) for side in (old, new))] for name in common],
        ),
    )
    only = [
        [name, "only before" if name in old else "only after", (old.get(name) or new[name])[CV]]
        for name in sorted({*old} ^ {*new})
    ]
    return [Section("The candidates", [plot, *([Table(["candidate", "where", mean], only)] if only else [])])]
