"""Column kinds in monitoring: one module each, found by name in `every`."""
