"""Rows of a request: formats, schema and faults."""
