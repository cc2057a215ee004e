"""Versions transferred to the registry of another store."""
