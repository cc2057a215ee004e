"""Plots, drawn from plain results."""
