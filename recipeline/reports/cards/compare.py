"""The card of compare: differences between two results of one recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recipeline.evaluation.results import Best, Metrics
from recipeline.metrics.catalogue import find_metric, score_keys, score_titles, skill_of
from recipeline.reports.blocks import Block, Card, Cell, Lines, Note, Plot, Section, Table
from recipeline.reports.plots.change import Change, plot_changes, plot_pairs

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

    @property
    def is_comparable(self) -> bool:
        """Whether both were measured on the same test rows."""
        return self.before.rows == self.after.rows


def make_card(found: Comparison) -> Card:
    """Return the card of a comparison."""
    before, after = found.before, found.after
    skill = skill_of(after.metrics.task)
    old, new = (side.metrics.scores.get(skill.name, math.nan) for side in (before, after))
    difference = f" ({new - old:+.4f})" if found.is_comparable else ", on other test rows: no difference can be told"
    return Card(
        f"{before.name} against {after.name}",
        f"Test {skill.label} {old:.4f} → {new:.4f}{difference}, "
        f"{before.metrics.best.candidate} → {after.metrics.best.candidate}.",
        [
            Section("The best candidates", compare_best(found)),
            Section("Differences", list_differences(found)),
            *_candidates(found),
        ],
    )


def compare_best(found: Comparison) -> list[Block]:
    """Return the best candidates side by side, with a picture of what changed.

    Where their metrics are from different test rows they are not subtracted, and a warning says so.
    """
    before, after = found.before, found.after
    changes = list_changes(found)
    rows: list[list[Cell]] = [
        ["run of evaluate", before.run_id, after.run_id, "", ""],
        ["rows from", before.source, after.source, "", ""],
        ["best candidate", before.metrics.best.candidate, after.metrics.best.candidate, "", ""],
        ["verdict", before.verdict, after.verdict, "", ""],
    ]
    for it in changes:
        told = [it.after - it.before, it.word] if found.is_comparable else [None, "other rows"]
        rows.append([it.name, it.before, it.after, *told])
    rows += _decided(before.metrics.best, after.metrics.best, is_comparable=found.is_comparable)
    rows.append(["test rows", before.metrics.test_rows, after.metrics.test_rows, "", ""])
    table = Table(["what", before.name, after.name, "difference", "which is"], rows)
    if not found.is_comparable:
        words = "The test rows differ: the metrics are of different rows and cannot be compared."
        return [Note(words, "warning"), table]
    moved = [it for it in changes if it.after != it.before]
    if not moved:
        return [Note("No metric of the best candidate changed."), table]
    values = Table(["metric", "before", "after", "which is"], [[it.name, it.before, it.after, it.word] for it in moved])
    better = [it.name for it in moved if it.word == "better"]
    answer = f"{len(better)} of {len(moved)} metrics {'is' if len(better) == 1 else 'are'} better"
    return [
        Plot(
            "changes",
            f"Metrics of the best candidate that changed, from {before.name} to {after.name}; each has its own axis.",
            lambda: plot_changes(moved, f"What changed? {answer}"),
            values,
        ),
        table,
    ]


def list_changes(found: Comparison) -> list[Change]:
    """Return the metrics that both results have, before and after."""
    before, after = found.before.metrics, found.after.metrics
    is_other = before.ranked_by != after.ranked_by
    changes = []
    for name, title in zip(score_keys(after.task)[:-1], score_titles(after.task, after.cv_title)[:-1], strict=True):
        if name in before.scores and not (is_other and name == CV):
            greater = after.is_greatest_best if name == CV else find_metric(after.task, name).greater_is_better
            old, new = before.scores[name], after.scores[name]
            changes.append(Change(title, old, new, old - new if greater else new - old))
    return changes


def _decided(before: Best, after: Best, *, is_comparable: bool) -> list[list[Cell]]:
    """Return thresholds and measures of the decided labels, where both have them."""
    old, new = (it.decisions.figures if it.decisions else {} for it in (before, after))
    pairs = [(name, old[name], new[name]) for name in new if name in old]
    return [
        [name, was, now, now - was if is_comparable else None, ""]
        for name, was, now in pairs
        if was is not None and now is not None
    ]


def list_differences(found: Comparison) -> list[Block]:
    """Return a line for each component that differs."""
    if not found.differences:
        return [Note("No recorded differences: settings, rows, code and libraries are the same.")]
    return [Lines(list(found.differences))]


def _candidates(found: Comparison) -> list[Section]:
    before, after = found.before, found.after
    old, new = before.metrics.candidates, after.metrics.candidates
    sign = -1 if after.metrics.is_greatest_best else 1
    common = sorted((name for name in old if name in new), key=lambda name: sign * new[name][CV])
    if not common or before.metrics.ranked_by != after.metrics.ranked_by or not found.is_comparable:
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
