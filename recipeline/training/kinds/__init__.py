"""Column kinds as estimators take them: one module for each, found by name in `every`."""
