"""Rows: sources, tables, schema, splits and leakage, and files of rows read and written."""
