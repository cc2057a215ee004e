"""Rows: sources, tables, schema, splits, leakage, and files of rows."""
