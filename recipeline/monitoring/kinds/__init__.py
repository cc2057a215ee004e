"""Column kinds as monitoring compares them: one module for each, found by name in `every`."""
