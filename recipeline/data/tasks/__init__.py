"""Tasks in data: the target as numbers, and the labels of its classes."""
