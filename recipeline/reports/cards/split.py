"""The card of split: sizes, twins, and differences between the two sides."""

from __future__ import annotations

from recipeline.artifacts import LEAK_AUDIT
from recipeline.data.results import LeakAudit
from recipeline.metrics.catalogue import skill_of
from recipeline.reports.blocks import Block, Card, Cell, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.limits import select_strongest
from recipeline.reports.plots.rows import plot_differences, plot_memory, plot_twins
from recipeline.reports.tasks.every import TASKS


def make_card(results: Results) -> Card:
    """Return the card of a run of split."""
    audit = results.load(LEAK_AUDIT)
    leaked = audit.leaked_rows
    kept = "".join(f", {key}: {name}" for key, name in audit.columns_of_split.items())
    verdict = f"{audit.train_rows:,} training rows and {audit.test_rows:,} test rows; " + (
        f"{leaked:,} of these have a twin in training, which makes scores optimistic."
        if leaked
        else "none of these has a twin in training."
    )
    facts: dict[str, Cell] = {
        "Method": f"{audit.method}{kept}",
        "Training rows": audit.train_rows,
        "Test rows": audit.test_rows,
        "Test rows with a twin in training": leaked,
        "Test rows with a near twin in training": audit.near_rows,
        "The same in a plain random split": audit.random_split.leaked_rows,
        **_group_facts(audit),
    }
    return Card(
        "split: training and test rows",
        verdict,
        [
            Section("Sizes", [Facts(facts), *(Note(warning, "warning") for warning in audit.warnings)]),
            Section("Twins in training and test", _leaks(audit, results.recipe.task)),
            Section("Differences between training and test rows", [_differences(audit)]),
        ],
        tone="warning" if leaked or audit.warnings else "good",
        notes=[Note(audit.sampled)] if audit.sampled else [],
    )


def _group_facts(audit: LeakAudit) -> dict[str, Cell]:
    """Return how test rows are related to training rows by group and time."""
    named, plain, facts = audit.columns_of_split, audit.random_split, dict[str, Cell]()
    if "group" in named:
        facts[f"Test rows of a known group, by {named['group']}"] = audit.known_group_rows
        facts[f"The same in a plain random split, by {named['group']}"] = plain.known_group_rows
    if "time" in named:
        facts[f"Test rows no newer than a training row, by {named['time']}"] = audit.older_rows
        facts[f"The same in a plain random split, by {named['time']}"] = plain.older_rows
        facts["Rows on neither side, for the embargo"] = audit.embargo_rows
    return facts


def _leaks(audit: LeakAudit, task: str) -> list[Block]:
    plain = audit.random_split
    shares = {"a plain random split": (plain.leaked_rows, plain.test_rows)}
    if audit.method != "random":
        shares[f"this split, {audit.method}"] = (audit.leaked_rows, audit.test_rows)
    question = "Has the model seen test rows in training? " + (
        f"{audit.leaked_rows:,} of {audit.test_rows:,} have a twin there" if audit.leaked_rows else "None has a twin there"
    )
    values = Table(
        ["split", "test rows with a twin in training", "test rows"], [[name, *value] for name, value in shares.items()]
    )
    blocks: list[Block] = [
        Plot(
            "twins",
            "A model has seen the target of a test row whose twin is in training.",
            lambda: plot_twins(shares, question),
            values,
        )
    ]
    memory = audit.memory
    if memory is None:
        return [*blocks, Note("Too few test rows have a twin to measure their effect.")]
    skill = skill_of(task)
    measured = {
        "rows with a twin": memory.r2_with_twin,
        "all test rows, as usually quoted": memory.r2,
        "rows without": memory.r2_without_twin,
    }
    finding = (
        f"What do twins do to a score? {skill.label} {memory.r2_with_twin:.2f} on rows with one, "
        f"{memory.r2_without_twin:.2f} without"
    )
    return [
        *blocks,
        Plot(
            "memory",
            f"Effect of twins: {skill.label} of an unpruned decision tree, which memorises rows, on the test rows of a plain "
            "random split.",
            lambda: plot_memory(measured, skill.label, TASKS[task].explain(skill), finding),
            Table(["test rows", skill.label], [[name, value] for name, value in measured.items()]),
        ),
    ]


def _differences(audit: LeakAudit) -> Plot:
    columns, which = select_strongest(audit.columns, [column.ks for column in audit.columns])
    return Plot(
        "differences",
        "Distance between each column's distributions in training and test rows. By chance, one in 20 is beyond its line."
        f"{which}",
        lambda: plot_differences([it.column for it in columns], [it.ks for it in columns], [it.limit for it in columns]),
        Table(
            ["column", "Kolmogorov-Smirnov distance", "by chance, one in 20", "p", "mean in training", "mean in test"],
            [[it.column, it.ks, it.limit, it.p, it.train_mean, it.test_mean] for it in columns],
        ),
    )
