"""Column kinds as a model knows them: values to numbers and back; one module each, found by name in `every`."""
