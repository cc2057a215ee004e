"""Column kinds in a model: values to codes and back; one module each.

They are found by name in `every`.
"""
