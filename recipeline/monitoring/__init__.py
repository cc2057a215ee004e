"""Monitoring: the baseline of a model, live rows, and drift between them."""
