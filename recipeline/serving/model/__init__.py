"""Versions in the service: copied, checked, loaded."""
