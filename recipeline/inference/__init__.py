"""Predictions of fitted models: rows checked, answers, intervals, golden rows and trusted types."""
