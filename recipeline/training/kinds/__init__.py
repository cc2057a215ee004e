"""Column kinds in training: one module each, found by name in `every`."""
