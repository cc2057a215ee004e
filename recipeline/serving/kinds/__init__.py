"""Column kinds in the service: one module each, found by name in `every`."""
