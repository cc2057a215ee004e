"""Column kinds as tables hold them: one module for each, found by name in `every`."""
