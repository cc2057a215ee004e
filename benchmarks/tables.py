"""The tables that benchmarks print."""

from __future__ import annotations

from prettytable import PrettyTable, TableStyle


def new_table(columns: list[str]) -> PrettyTable:
    """Return an empty table with the first column left-aligned, others right."""
    table = PrettyTable(columns)
    table.set_style(TableStyle.SINGLE_BORDER)
    table.align = "r"
    table.align[columns[0]] = "l"
    return table
