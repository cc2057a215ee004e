"""Artifacts of runs: written once, hashed, kept, read back."""
