"""Rules across the keys of a recipe."""
