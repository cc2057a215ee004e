"""Metrics of a recipe: their settings and functions."""
