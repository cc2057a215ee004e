"""Readers of files of rows: formats, headers, and pieces of rows."""
