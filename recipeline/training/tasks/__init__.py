"""Tasks in training: estimators of a task, their means and decisions."""
