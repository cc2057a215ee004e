"""Column kinds as cards show them: one module for each, found by name in `every`."""
