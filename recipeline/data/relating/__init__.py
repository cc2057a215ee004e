"""Rows that belong together: equal ones, groups, neighbours."""
