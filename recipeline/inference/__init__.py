"""Predictions of fitted models: row checks, intervals, golden rows, trust."""
