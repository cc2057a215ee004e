"""Metrics and the bootstrap."""
