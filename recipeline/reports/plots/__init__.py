"""Plots of plain results."""
