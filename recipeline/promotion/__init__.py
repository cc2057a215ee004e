"""Promotion: paired evidence, guard rails and the gate."""
