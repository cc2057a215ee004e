"""Column kinds as the service describes them: one module for each, found by name in `every`."""
