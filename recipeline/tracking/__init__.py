"""MLflow tracking: the store, runs, artifacts and logged models."""
