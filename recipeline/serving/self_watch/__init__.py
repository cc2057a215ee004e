"""Drift of the service's own requests, without storing rows."""
