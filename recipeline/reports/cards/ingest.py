"""The card of ingest: source, schema and profile of the rows."""

from __future__ import annotations

import numpy as np

from recipeline.artifacts import COLUMN_PROFILE
from recipeline.config.table import SYNTHETIC
from recipeline.data.kinds.every import KINDS as READERS
from recipeline.data.results import ColumnProfile
from recipeline.reports.blocks import Card, Cell, Facts, Note, Plot, Results, Section, Table
from recipeline.reports.kinds.every import KINDS
from recipeline.reports.limits import select_strongest
from recipeline.reports.plots.rows import MOST_CORRELATED, plot_correlations, plot_distributions, plot_strongest

#: So many pairs are read.
_MOST_PAIRS = 20


def make_card(results: Results) -> Card:
    """Return the card of a run of ingest."""
    profile, source = results.load(COLUMN_PROFILE), results.tag("data_source")
    rows, distinct = profile.rows, profile.distinct_rows
    notes = []
    if source == SYNTHETIC:
        notes.append(Note("The rows are SYNTHETIC: scores on them do not apply to real rows.", "warning"))
    notes += [Note(f"{text.partition(': ')[2]}.", "warning") for text in profile.notes if text != profile.sample_note]
    notes += [Note(profile.sampled)] if profile.sampled else []
    facts: dict[str, Cell] = {
        "Source": results.tag("data_origin"),
        "Kind of source": source,
        "sha256": results.tag("data_digest")[:16],
        "Rows": rows,
        **({"Rows left out": sum(profile.left_out.values())} if profile.left_out else {}),
        "Distinct rows": distinct,
        "Copies of another row": rows - distinct,
        "Missing values": sum(column.missing for column in profile.columns.values()),
        "Violations of the schema": 0,
    }
    return Card(
        "ingest: the rows",
        f"{rows:,} rows of {len(profile.columns)} columns, all valid by the recipe; {rows - distinct:,} are copies.",
        [
            Section("Source", [Facts(facts)]),
            Section("Schema and profile", [_schema(results, profile)]),
            Section("Distributions", [_distributions(profile)]),
            *([Section("Correlations", [_correlations(profile)])] if profile.correlations.columns else []),
        ],
        tone="warning" if source == SYNTHETIC else "good",
        notes=notes,
    )


def _schema(results: Results, profile: ColumnProfile) -> Table:
    columns = results.recipe.columns
    return Table(
        ["column", "unit", "type", "possible from", "to", "least", "median", "greatest", "mean", "std", "missing"],
        [
            [
                name,
                found.unit,
                found.type,
                columns[name].min,
                columns[name].max,
                *KINDS[found.type].spread(found),
                found.missing,
            ]
            for name, found in profile.columns.items()
        ],
        "The possible range of each column, and the range in the data",
    )


def _distributions(profile: ColumnProfile) -> Plot:
    bars = {name: KINDS[found.type].bars(found) for name, found in profile.columns.items()}
    known, which = select_strongest([name for name, (counts, _) in bars.items() if counts.sum()])
    counts = {name: bars[name][0] for name in known}
    ends = {name: bars[name][1] for name in known}
    most = max(map(len, counts.values()))
    head = ["column", *(f"bin {number + 1}" for number in range(most))]
    return Plot(
        "distributions",
        f"Distribution of each column from its minimum to its maximum, in equal bins.{which}",
        lambda: plot_distributions(counts, ends),
        Table(head, [[name, *map(int, values), *[None] * (most - len(values))] for name, values in counts.items()]),
    )


def _correlations(profile: ColumnProfile) -> Plot:
    names, values = list(profile.correlations.columns), profile.correlations.spearman
    filled = np.array([[0.0 if value is None else value for value in row] for row in values])
    apart = np.abs(filled - np.diag(np.diag(filled)))
    total = sum(READERS[found.type].is_numeric for found in profile.columns.values())
    kept, which = select_strongest(range(len(names)), apart.max(axis=1), total=total)
    names = [names[place] for place in kept]
    shown = filled[np.ix_(kept, kept)]
    pairs, strength = _strongest(names, shown)
    is_matrix = len(names) <= MOST_CORRELATED
    listed = "" if is_matrix else f" The {len(pairs)} strongest are drawn."
    return Plot(
        "correlations",
        f"Spearman's rank correlation of each pair of columns: 1 if one always rises with the other.{listed}{which}",
        lambda: plot_correlations(names, shown) if is_matrix else plot_strongest(pairs, strength),
        Table(
            ["column", *names],
            [[name, *(values[row][column] for column in kept)] for name, row in zip(names, kept, strict=True)],
        ),
    )


def _strongest(names: list[str], values: np.ndarray) -> tuple[list[str], list[float]]:
    """Return the pairs of columns with the strongest correlations, and these."""
    rows, columns = np.tril_indices(len(names), -1)
    order = np.argsort(-np.abs(values[rows, columns]), kind="stable")[:_MOST_PAIRS]
    found = [(int(rows[place]), int(columns[place])) for place in order]
    return [f"{names[row]} and {names[column]}" for row, column in found], [float(values[pair]) for pair in found]
