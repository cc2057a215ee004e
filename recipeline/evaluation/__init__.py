"""Evaluation on test rows: scores, gates, diagnosis, inspection, model card."""
