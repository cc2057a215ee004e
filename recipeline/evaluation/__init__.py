"""Evaluation on the test rows: scores, gates, diagnosis, inspection and the model card."""
