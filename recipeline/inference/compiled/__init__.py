"""Compiled forms: fitted models as plain functions of an array."""
