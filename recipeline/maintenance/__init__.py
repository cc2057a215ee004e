"""Maintenance of a store: doctor, pruning, backup."""
